import type { Effect, Scope } from "effect"
import type { AttemptIntent, LedgerRecord } from "../ledger/LedgerRecord.ts"
import type { LedgerEntry } from "../ledger/ledger-entry.ts"

/** Entries that wait for the database, oldest first. An entry stays until it is acknowledged. */
export interface EntryQueue {
  /** Of the oldest entries, at most `max`; the same ones again until they are acknowledged. None: try again later. */
  readonly peek: (max: number) => Effect.Effect<ReadonlyArray<LedgerEntry>>
  /** Forgets the entries that the last `peek` gave. */
  readonly acknowledge: Effect.Effect<void>
  /** Entries ever taken in, and of those the ones acknowledged or found damaged. */
  readonly taken: () => number
  readonly settled: () => number
  /** When the request of the oldest entry ended. */
  readonly oldestMs: () => number | undefined
}

/** Why a journal did not take something. */
export type Refusal = "journal_full" | "disk"

/** Where finished requests wait for the database. What it took is kept until it is acknowledged. */
export interface Journal extends EntryQueue {
  /** Called on the request path: synchronous. */
  readonly append: (entry: LedgerEntry) => Refusal | undefined
  /** As `append`, for a process that stops: beyond the cap, and at once after a fault. */
  readonly insist: (entry: LedgerEntry) => Refusal | undefined
  /** Likewise on the request path. What is kept of a call is forgotten when its request's entry is appended or released. */
  readonly attempting: (intent: AttemptIntent) => Refusal | undefined
  /** The request's entry is in the database, or lost, without having been in this journal. */
  readonly release: (id: string) => void
  /** Whether entries outlive the process. */
  readonly durable: boolean
  readonly bytes: () => number
  /** Code of the disk's last fault. */
  readonly fault: () => string | undefined
  /** What the next dead process left behind. None: that were all that can be read, and the next call starts again. */
  readonly inherit: Effect.Effect<Inheritance | undefined, never, Scope.Scope>
}

/** A dead process's journal, owned by this process now. */
export interface Inheritance {
  readonly queue: EntryQueue
  readonly bytes: () => number
  /** Of the requests that the dead process was working on. They must be kept elsewhere before the first peek. */
  readonly lost: ReadonlyArray<LedgerRecord>
  /** Once the queue is empty. */
  readonly remove: Effect.Effect<void>
}
