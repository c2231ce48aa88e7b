import { Effect } from "effect"
import type { Journal } from "./Journal.ts"
import type { LedgerEntry } from "./ledger-entry.ts"

/** In memory, gone with the process. Bounded by what its lines hold, since records differ in size. */
export const makeMemoryJournal = (maxCharacters: number): Journal => {
  const entries: Array<LedgerEntry> = []
  let characters = 0
  let settled = 0
  let peeked = 0
  return {
    append: (entry) => {
      if (characters + entry.line.length > maxCharacters) return "journal_full"
      characters += entry.line.length
      entries.push(entry)
      return undefined
    },
    attempting: () => undefined,
    release: () => {},
    peek: (max) =>
      Effect.sync(() => {
        const oldest = entries.slice(0, max)
        peeked = oldest.length
        return oldest
      }),
    acknowledge: Effect.sync(() => {
      for (const entry of entries.splice(0, peeked)) characters -= entry.line.length
      settled += peeked
      peeked = 0
    }),
    taken: () => settled + entries.length,
    settled: () => settled,
    head: () => entries[0],
    bytes: () => 0,
    fault: () => undefined,
    inherit: Effect.sync(() => undefined),
  }
}
