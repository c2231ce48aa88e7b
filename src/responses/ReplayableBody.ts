import { Readable } from "node:stream"
import { KEEP_ALIVE } from "./sse.ts"

/** Taken by a reader ahead of its client, and kept for the slowest one, before the writer has to wait. */
const READER_BYTES = 16 * 1024
const WINDOW_BYTES = 64 * 1024

/** Memory that an event takes beside its bytes. */
const EVENT_OVERHEAD_BYTES = 128

/** Bytes that may be kept for readers that come later: by one stream, and by all that take from the same room. */
interface ReplayBudget {
  readonly bytesPerStream: number
  /** False: there is no room for so many more. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
}

/**
 * The body of a streamed answer while it is being made: one writer, any number of readers, each from the first event
 * on. Events go from the writer's callback to the readers' without a fiber or a timer in between.
 *
 * What was written is kept for readers that come later, as far as the budget allows. Past that the beginning is let
 * go: nobody new can read it, and the writer goes at the pace of the slowest reader that is left, or freely when there
 * is none. Without a budget there is one reader, which the writer waits for.
 *
 * With a budget the end stays here until `deliver`: whoever has seen a whole answer must find it stored.
 */
export class ReplayableBody {
  /** Called when there is room again after `write` returned false. */
  onRoom: () => void = nothing
  /** It ended before it was complete: of no use to anyone who did not see it happen. */
  broken = false
  readonly #budget: ReplayBudget | undefined
  /** Taken from the budget. */
  #booked = 0
  readonly #readers = new Set<Reader>()
  /** Events that are kept, from number `#first` on. */
  #events: Array<Uint8Array> = []
  #first = 0
  #kept = 0
  #full = false
  #ended = false
  #instead: (() => Uint8Array) | undefined
  #delivered: boolean

  constructor(budget?: ReplayBudget) {
    this.#budget = budget
    this.#delivered = budget === undefined
  }

  /** False: wait for `onRoom` before the next event. */
  write(event: Uint8Array): boolean {
    this.#events.push(event)
    this.#kept += event.length + EVENT_OVERHEAD_BYTES
    this.#book()
    for (const reader of this.#readers) reader.pull()
    this.#letGo()
    return !this.#full
  }

  /** For readers that are up to date; the others have something to read. It is not kept. */
  keepAlive(): void {
    for (const reader of this.#readers) reader.comment()
  }

  /** `last` belongs to the end: it goes out with it, unless it is withdrawn for what `instead` makes. */
  end(last: Uint8Array, instead?: () => Uint8Array): void {
    this.#ended = true
    this.#instead = instead
    this.write(last)
  }

  /** Makes the end a broken one, if no reader can have it yet: the answer is not the one that is kept. */
  withdraw(): void {
    const last = this.#events.at(-1)
    if (this.#delivered || this.#instead === undefined || last === undefined) return
    const end = this.#instead()
    this.broken = true
    this.#kept += end.length - last.length
    this.#events[this.#events.length - 1] = end
  }

  /** Readers get the end, as soon as there is one. */
  deliver(): void {
    this.#delivered = true
    for (const reader of this.#readers) reader.pull()
  }

  /** Gives back what was booked: no new reader comes. */
  release(): void {
    this.#budget?.give(this.#booked)
    this.#booked = 0
  }

  /** The writer should wait. */
  get full(): boolean {
    return this.#full
  }

  /** Whether a new reader would still see the first event. */
  get replayable(): boolean {
    return this.#first === 0
  }

  /** Every event so far in one piece; undefined when the first ones are gone. */
  bytes(): Uint8Array | undefined {
    return this.replayable ? Buffer.concat(this.#events) : undefined
  }

  /** Counts as a reader from its first read until it is destroyed. */
  read(): Readable {
    return new Reader(this)
  }

  /** For readers only. */
  join(reader: Reader): void {
    if (!this.replayable) reader.destroy(new Error("the beginning of the stream is gone"))
    else this.#readers.add(reader)
  }

  /** For readers only. */
  leave(reader: Reader): void {
    if (this.#readers.delete(reader)) this.#letGo()
  }

  /** For readers only. Undefined: nothing yet; null: nothing any more. */
  at(position: number): Uint8Array | null | undefined {
    const index = position - this.#first
    if (this.#ended && !this.#delivered && index >= this.#events.length - 1) return undefined
    return this.#events[index] ?? (this.#ended ? null : undefined)
  }

  /** For readers only. */
  advanced(): void {
    this.#letGo()
  }

  /** Books what is kept from the beginning on; what cannot be booked is not kept, and the beginning is let go. */
  #book(): void {
    if (this.#budget === undefined || !this.replayable) return
    const more = this.#kept - this.#booked
    if (this.#kept <= this.#budget.bytesPerStream && this.#budget.take(more)) {
      this.#booked = this.#kept
    } else {
      this.release()
    }
  }

  #letGo(): void {
    if (this.replayable && this.#booked > 0) return
    const expected = this.#budget === undefined && this.#readers.size === 0
    if (!expected) this.#dropBefore(this.#slowest())
    const full = this.#kept > (this.#full ? WINDOW_BYTES / 2 : WINDOW_BYTES)
    if (full === this.#full) return
    this.#full = full
    if (!full) this.onRoom()
  }

  #slowest(): number {
    let slowest = this.#first + this.#events.length
    for (const { position } of this.#readers) slowest = Math.min(slowest, position)
    return slowest
  }

  #dropBefore(position: number): void {
    const count = position - this.#first
    if (count <= 0) return
    for (const event of this.#events.splice(0, count)) this.#kept -= event.length + EVENT_OVERHEAD_BYTES
    this.#first = position
  }
}

class Reader extends Readable {
  /** Number of the next event. */
  position = 0
  readonly #body: ReplayableBody
  #joined = false
  /** The client takes more. */
  #wanting = false

  constructor(body: ReplayableBody) {
    super({ highWaterMark: READER_BYTES })
    this.#body = body
  }

  override _read(): void {
    this.#wanting = true
    if (!this.#joined) {
      this.#joined = true
      this.#body.join(this)
    }
    const before = this.position
    this.pull()
    if (this.position !== before) this.#body.advanced()
  }

  pull(): void {
    while (this.#wanting) {
      const event = this.#body.at(this.position)
      if (event === undefined) return
      if (event !== null) this.position += 1
      this.#wanting = event !== null && this.push(event)
      if (event === null) this.push(null)
    }
  }

  comment(): void {
    if (this.#wanting) this.#wanting = this.push(KEEP_ALIVE)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanting = false
    this.#body.leave(this)
    done(error)
  }
}

const nothing = (): void => {}
