import { Effect, type Scope } from "effect"
import type { Done, Entry, EntryQueue, Journal, Orphan, Refusal } from "../../src/journal/Journal.ts"
import type { Dice } from "../fuzz/Dice.ts"
import type { Process } from "./Process.ts"

/** What one process has written: what is left of it when it dies. */
interface Directory {
  readonly name: string
  owner: Process
  readonly records: Array<Entry>
  acknowledged: number
  /** Kept for other processes, although there is nothing in it. */
  isLeft: boolean
  /** By request, of those without a record. */
  readonly intents: Map<string, Array<string>>
}

type Write = { readonly id: string; readonly done: Done } & (
  | { readonly entry: Entry }
  | { readonly intent: string }
)

/**
 * A disk with a journal for each process, as `FileJournal` keeps them in files: what one turn brings is written together
 * when it ends, or at once where nobody shares the write; a process that dies leaves a part of what was being written.
 */
export class Disk {
  readonly #dice: Dice
  readonly #takes: () => boolean
  readonly #maxRecords: number
  readonly #directories = new Set<Directory>()
  #made = 0
  /** Names of the journals, by those of their first owners. */
  readonly names = new Map<string, string>()
  /** How often each request was written, by its id. */
  readonly written = new Map<string, number>()

  /** `takes` tells whether the disk takes anything at the moment. */
  constructor(dice: Dice, maxRecords: number, takes: () => boolean) {
    this.#dice = dice
    this.#maxRecords = maxRecords
    this.#takes = takes
  }

  /** Records and requests without one that are in nobody's books. */
  leftovers(): number {
    let count = 0
    for (const { acknowledged, intents, records } of this.#directories)
      count += records.length - acknowledged + intents.size
    return count
  }

  open(process: Process): Effect.Effect<Journal, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => this.#journalOf(process)),
      ({ name }) => Effect.sync(() => this.#close(name)),
    )
  }

  #journalOf(process: Process): Journal {
    const own: Directory = {
      name: `disk-${this.#made++}`,
      owner: process,
      records: [],
      acknowledged: 0,
      isLeft: false,
      intents: new Map(),
    }
    this.#directories.add(own)
    this.names.set(process.name, own.name)
    let waiting: Array<Write> = []
    const write = (writes: ReadonlyArray<Write>) => {
      for (const write of writes) {
        if ("entry" in write) {
          own.records.push(write.entry)
          this.written.set(write.id, (this.written.get(write.id) ?? 0) + 1)
          own.intents.delete(write.id)
        } else own.intents.set(write.id, [...(own.intents.get(write.id) ?? []), write.intent])
      }
    }
    const flush = () => {
      const writes = waiting
      waiting = []
      const refusal = this.#takes() ? undefined : "disk"
      if (refusal === undefined) write(writes)
      for (const { done } of writes) done(refusal)
    }
    process.whenDead(() => write(waiting.slice(0, this.#dice.below(waiting.length + 1))))
    const isFull = () =>
      [...this.#directories].reduce(
        (sum, { acknowledged, owner, records }) =>
          owner === process ? sum + records.length - acknowledged : sum,
        0,
      ) >= this.#maxRecords
    const append = (next: Write): void => {
      if (isFull()) {
        next.done("journal_full")
        return
      }
      if (!this.#takes()) {
        next.done("disk")
        return
      }
      const others = own.intents.size - (own.intents.has(next.id) ? 1 : 0)
      if (others === 0 && waiting.length === 0) {
        write([next])
        next.done(undefined)
        return
      }
      if (waiting.length === 0) process.soon(flush)
      waiting.push(next)
    }
    const appendNow = (entry: Entry): Refusal | undefined => {
      flush()
      if (!this.#takes()) return "disk"
      write([{ id: entry.id, entry, done: () => {} }])
      return undefined
    }
    return {
      name: own.name,
      ...queueOf(own),
      append: (entry, done) => append({ id: entry.id, entry, done }),
      appendNow: (entry) => (isFull() ? "journal_full" : appendNow(entry)),
      forceAppend: appendNow,
      recordIntent: (id, intent, done) => append({ id, intent, done }),
      release: (id) => void own.intents.delete(id),
      leave: () => {
        own.isLeft = true
      },
      flush,
      durable: true,
      bytes: () => 0,
      fault: () => (this.#takes() ? undefined : "ENOSPC"),
      recoverOrphan: Effect.sync(() => this.#recover(process)),
    }
  }

  /** Nothing is left of a journal whose records are all in the database. */
  #close(name: string): void {
    for (const directory of this.#directories)
      if (
        directory.name === name &&
        !directory.isLeft &&
        directory.records.length === directory.acknowledged &&
        directory.intents.size === 0
      )
        this.#directories.delete(directory)
  }

  #recover(process: Process): Orphan | undefined {
    for (const directory of this.#directories) {
      if (directory.owner.alive) continue
      directory.owner = process
      return {
        name: directory.name,
        queue: queueOf(directory),
        bytes: () => 0,
        unfinished: [...directory.intents.values()],
        remove: Effect.sync(() => void this.#directories.delete(directory)),
      }
    }
    return undefined
  }
}

const queueOf = (directory: Directory): EntryQueue => {
  const { acknowledged: before, records } = directory
  let peeked = 0
  return {
    peek: (max) =>
      Effect.sync(() => {
        const entries = records.slice(directory.acknowledged, directory.acknowledged + max)
        peeked = entries.length
        return entries
      }),
    acknowledge: Effect.sync(() => {
      directory.acknowledged += peeked
      peeked = 0
    }),
    // Counts begin with the queue: what was acknowledged before is not there any more.
    appended: () => records.length - before,
    acknowledged: () => directory.acknowledged - before,
    oldestMs: () => records[directory.acknowledged]?.endedMs,
  }
}
