import type { Effect, Scope } from "effect"

/** A finished request as the journal keeps it. Its line is the owner's business: the journal never looks into it. */
export interface Entry {
  /** The request's id, without line feeds. */
  readonly id: string
  /** Epoch milliseconds when the request ended; undefined where an older version's file does not say. */
  readonly endedMs: number | undefined
  readonly line: string
}

/** Entries that wait for the database, oldest first. An entry stays until it is acknowledged. */
export interface EntryQueue {
  /** Returns the oldest entries, at most `max`, and the same ones until they are acknowledged. None: try again later. */
  readonly peek: (max: number) => Effect.Effect<ReadonlyArray<Entry>>
  /** Forgets the entries that the last `peek` gave. */
  readonly acknowledge: Effect.Effect<void>
  /** Number of entries ever appended. */
  readonly appended: () => number
  /** Number of entries acknowledged or found damaged. */
  readonly acknowledged: () => number
  /** Epoch milliseconds when the request of the oldest entry ended. */
  readonly oldestMs: () => number | undefined
}

/** Number of entries that still wait. */
export const sizeOf = (queue: EntryQueue): number => queue.appended() - queue.acknowledged()

/** Why a journal did not take something. */
export type Refusal = "journal_full" | "disk"

/** Called once: without a refusal the journal has it, safe from the death of the process. */
export type Done = (refusal: Refusal | undefined) => void

/** Keeps finished requests for the database: what it took stays until it is acknowledged. */
export interface Journal extends EntryQueue {
  /** Tells it from every other, those of dead processes among them. */
  readonly name: string
  /**
   * Queues the entry for the one write at the end of this turn of the event loop. `done` is called after that write, or
   * before `append` returns when the entry is refused at once. Forgets the intents of the entry's request.
   */
  readonly append: (entry: Entry, done: Done) => void
  /** Appends one entry at once, after what is queued. */
  readonly appendNow: (entry: Entry) => Refusal | undefined
  /** Does the same beyond the cap, and also right after a fault of the disk: for a process that stops. */
  readonly forceAppend: (entry: Entry) => Refusal | undefined
  /** Queues a note of an upstream call that is about to leave, as `append` does. */
  readonly recordIntent: (id: string, intent: string, done: Done) => void
  /** Forgets the intents of a request whose entry is in the database, or lost, without having been in this journal. */
  readonly release: (id: string) => void
  /** Leaves the journal to other processes when it is closed, also with nothing in it: they end what this one could not. */
  readonly leave: () => void
  /** Writes what is queued at once. */
  readonly flush: () => void
  /** Whether entries outlive the process. */
  readonly durable: boolean
  readonly bytes: () => number
  /** Code of the disk's last fault. */
  readonly fault: () => string | undefined
  /** Takes over what the next dead process left. None: that were all that can be read, and the next call starts again. */
  readonly recoverOrphan: Effect.Effect<Orphan | undefined, never, Scope.Scope>
}

/** A dead process's journal, owned by this process now. */
export interface Orphan {
  readonly name: string
  readonly queue: EntryQueue
  readonly bytes: () => number
  /** The intents of each request that has no entry. They must be kept elsewhere before the first peek. */
  readonly unfinished: ReadonlyArray<ReadonlyArray<string>>
  /** Deletes the journal, once its queue is empty. */
  readonly remove: Effect.Effect<void>
}
