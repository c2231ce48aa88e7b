import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { Done, Entry, Journal, Refusal } from "./Journal.ts"

/** In memory, gone with the process. Bounded by what its lines hold, since records differ in size. */
export class MemoryJournal implements Journal {
  readonly name = randomUUID()
  readonly #maxCharacters: number
  readonly #entries: Array<Entry> = []
  #characters = 0
  #acknowledged = 0
  /** Size of the batch that was peeked: the first so many entries. */
  #peeked = 0

  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters
  }

  readonly append = (entry: Entry, done: Done): void => done(this.appendNow(entry))

  readonly appendNow = (entry: Entry): Refusal | undefined => {
    if (this.#characters + entry.line.length > this.#maxCharacters) return "journal_full"
    this.#characters += entry.line.length
    this.#entries.push(entry)
    return undefined
  }

  readonly forceAppend = (): Refusal => "journal_full"

  /** Gives the oldest entries away, at most `max` and until `take` refuses one. Returns how many it took. */
  moveTo(take: (entry: Entry) => boolean, max: number): number {
    const refused = this.#entries.slice(0, max).findIndex((entry) => !take(entry))
    const moved = refused === -1 ? Math.min(max, this.#entries.length) : refused
    this.#forget(moved)
    return moved
  }

  readonly recordIntent = (_id: string, _intent: string, done: Done): void => done(undefined)

  readonly release = (): void => {}
  readonly leave = (): void => {}

  readonly flush = (): void => {}

  readonly peek = (max: number): Effect.Effect<ReadonlyArray<Entry>> =>
    Effect.sync(() => {
      const oldest = this.#entries.slice(0, max)
      this.#peeked = oldest.length
      return oldest
    })

  readonly acknowledge = Effect.sync(() => this.#forget(this.#peeked))

  readonly appended = (): number => this.#acknowledged + this.#entries.length

  readonly acknowledged = (): number => this.#acknowledged

  readonly oldestMs = (): number | undefined => this.#entries[0]?.endedMs

  readonly durable = false

  readonly bytes = (): number => 0

  readonly fault = (): undefined => undefined

  readonly recoverOrphan = Effect.undefined

  #forget(count: number): void {
    for (const entry of this.#entries.splice(0, count)) this.#characters -= entry.line.length
    this.#acknowledged += count
    this.#peeked = Math.max(0, this.#peeked - count)
  }
}
