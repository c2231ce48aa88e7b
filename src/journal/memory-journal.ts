import { Effect } from "effect"
import { endedAtMs, type LedgerEntry } from "../ledger/ledger-entry.ts"
import type { Journal } from "./Journal.ts"

export interface MemoryJournal extends Journal {
  /** Gives the oldest entries away, at most `max` and until `take` refuses one. How many it took. */
  readonly moveTo: (take: (entry: LedgerEntry) => boolean, max: number) => number
}

/** In memory, gone with the process. Bounded by what its lines hold, since records differ in size. */
export const makeMemoryJournal = (maxCharacters: number): MemoryJournal => {
  const entries: Array<LedgerEntry> = []
  let characters = 0
  let settled = 0
  /** The first so many entries are the batch that was peeked. */
  let peeked = 0
  const forget = (count: number) => {
    for (const entry of entries.splice(0, count)) characters -= entry.line.length
    settled += count
    peeked = Math.max(0, peeked - count)
  }
  return {
    append: (entry) => {
      if (characters + entry.line.length > maxCharacters) return "journal_full"
      characters += entry.line.length
      entries.push(entry)
      return undefined
    },
    insist: () => "journal_full",
    moveTo: (take, max) => {
      const refused = entries.slice(0, max).findIndex((entry) => !take(entry))
      const moved = refused === -1 ? Math.min(max, entries.length) : refused
      forget(moved)
      return moved
    },
    attempting: () => undefined,
    release: () => {},
    peek: (max) =>
      Effect.sync(() => {
        const oldest = entries.slice(0, max)
        peeked = oldest.length
        return oldest
      }),
    acknowledge: Effect.sync(() => forget(peeked)),
    taken: () => settled + entries.length,
    settled: () => settled,
    oldestMs: () => entries[0] && endedAtMs(entries[0].line),
    durable: false,
    bytes: () => 0,
    fault: () => undefined,
    inherit: Effect.sync(() => undefined),
  }
}
