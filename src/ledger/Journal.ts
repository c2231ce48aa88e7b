import { Effect } from "effect"
import type { LedgerEntry } from "./ledger-entry.ts"

/**
 * Where finished requests wait for the database, oldest first. An entry stays until it is acknowledged, so that a
 * writer that dies between taking and committing loses nothing that the journal itself keeps.
 */
export interface Journal {
  /** Called on the request path: synchronous. False when the journal is full and the entry was not taken. */
  readonly append: (entry: LedgerEntry) => boolean
  /** The oldest entries, at most `max`; the same ones again until they are acknowledged. */
  readonly peek: (max: number) => Effect.Effect<ReadonlyArray<LedgerEntry>>
  /** Forgets the `count` oldest entries. */
  readonly acknowledge: (count: number) => Effect.Effect<void>
  /** Entries waiting. */
  readonly size: () => number
}

/** In memory, gone with the process. Bounded by what its lines hold, since records differ in size. */
export const makeMemoryJournal = (maxCharacters: number): Journal => {
  const entries: Array<LedgerEntry> = []
  let characters = 0
  return {
    append: (entry) => {
      if (characters + entry.line.length > maxCharacters) return false
      characters += entry.line.length
      entries.push(entry)
      return true
    },
    peek: (max) => Effect.sync(() => entries.slice(0, max)),
    acknowledge: (count) =>
      Effect.sync(() => {
        for (const entry of entries.splice(0, count)) characters -= entry.line.length
      }),
    size: () => entries.length,
  }
}
