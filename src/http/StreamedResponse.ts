import { Result } from "effect"
import type { ChatChunk } from "../domain/Chat.ts"
import type { AnswerSink } from "../inference/AnswerSink.ts"
import { aborted } from "../inference/failures.ts"
import type { Outcome, Progress } from "../inference/Outcome.ts"
import type { ReplayableBody } from "../responses/ReplayableBody.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { KEEP_ALIVE } from "../responses/sse.ts"

/** A route's way to write a stream. Every event is complete, its blank line included. */
export interface StreamWriter {
  readonly headers: (progress: Progress) => Readonly<Record<string, string>>
  /** True when the last events repeat the whole text, which is then kept. */
  readonly needsText: boolean
  /** Undefined: nothing in it for this client. */
  readonly chunk: (chunk: ChatChunk) => Uint8Array | undefined
  /** The last events: `[DONE]` after a complete answer, an error and no `[DONE]` after any other. */
  readonly end: (outcome: Outcome) => Uint8Array
}

/** Ticks without an event after which a client is told that the stream lives. */
export const QUIET_TICKS = 15

/** Turns a streamed answer's events into bytes of one route's kind. Its head goes out with the first of them. */
export class StreamedResponse implements AnswerSink {
  onRoom: () => void = nothing
  readonly needsText: boolean
  readonly #writer: StreamWriter
  readonly #body: ReplayableBody
  readonly #onOpen: (response: GatewayResponse) => void
  #progress: (() => Progress) | undefined
  #response: GatewayResponse | undefined
  #quietTicks = 0
  #settled = false

  constructor(writer: StreamWriter, body: ReplayableBody, onOpen: (response: GatewayResponse) => void) {
    this.#writer = writer
    this.needsText = writer.needsText
    this.#body = body
    this.#onOpen = onOpen
    body.onRoom = () => this.onRoom()
  }

  /** Undefined until the head is out. */
  get response(): GatewayResponse | undefined {
    return this.#response
  }

  get opened(): boolean {
    return this.#response !== undefined
  }

  get full(): boolean {
    return this.#body.full
  }

  begin(progress: () => Progress): void {
    this.#progress = progress
  }

  chunk(chunk: ChatChunk): boolean {
    this.#open()
    const event = this.#writer.chunk(chunk)
    if (event === undefined) return !this.#body.full
    this.#quietTicks = 0
    return this.#body.write(event)
  }

  readonly settle = (): void => {
    this.#settled = true
  }

  end(outcome: Outcome): void {
    this.#open()
    this.#body.broken = outcome.result._tag === "Failure"
    this.#body.end(this.#writer.end(outcome), () =>
      this.#writer.end({ ...outcome, result: Result.fail(aborted) }),
    )
  }

  /** Called at even intervals, `QUIET_TICKS` of which make the silence that a client should not have to bear. */
  tick(): void {
    this.#quietTicks += 1
    if (this.#quietTicks < QUIET_TICKS) return
    this.#quietTicks = 0
    if (this.opened) {
      this.#body.keepAlive()
      return
    }
    // Its record says already how it is answered.
    if (this.#settled) return
    this.#open()
    // The reader of a response that was just opened is only about to come: it finds this first.
    this.#body.write(KEEP_ALIVE)
  }

  #open(): void {
    if (this.#response !== undefined || this.#progress === undefined) return
    this.#response = { status: 200, headers: this.#writer.headers(this.#progress()), body: this.#body }
    this.#onOpen(this.#response)
  }
}

const nothing = (): void => {}
