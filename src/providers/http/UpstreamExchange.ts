import { Data, Effect } from "effect"
import type { Dispatcher } from "undici"
import type { CallRoom } from "../../domain/AnswerRoom.ts"
import { SMALL_BODY_BYTES } from "../../platform/LargeBodies.ts"
import type { ReadTurns } from "../../platform/ReadTurns.ts"
import { GrowingBuffer } from "./growing-buffer.ts"
import { usedUpLimits } from "./used-up-limits.ts"

/**
 * One request on the wire: the only place that talks to undici's parser. An answer is read whole up to a bound, or
 * handed to a consumer as it arrives; only the headers that classification needs leave this file.
 */
export interface UpstreamResponse {
  readonly status: number
  readonly headers: UpstreamHeaders
  readonly body: Buffer
}

/** The provider's headers that leave this file. */
export interface UpstreamHeaders {
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly retryAfter: string | undefined
  readonly retryAfterMs: string | undefined
  /** See `usedUpLimits`. */
  readonly resets: ReadonlyArray<string> | undefined
}

/**
 * Chooses the consumer of a 200's body by its headers; undefined to read it whole. `resume` ends a pause, from wherever
 * it is called and however late.
 */
export type OpenBody<A> = (headers: UpstreamHeaders, resume: () => void) => BodyConsumer<A> | undefined

/** Called from undici's callbacks, outside of any fiber. */
export interface BodyConsumer<A> {
  readonly onBytes: (bytes: Buffer) => Taken<A>
  /** The body is complete. */
  readonly onEnd: () => A
}

export type Taken<A> =
  | "more"
  | "pause" // nothing further comes before `resume`
  | Enough<A>

/** The exchange succeeds with `result` at once. To `keep` its connection, the body must end on its own right after. */
export interface Enough<A> {
  readonly result: A
  readonly connection: "keep" | "close"
}

type TransportFailure =
  | "connect" // refused, DNS, TLS, connect timeout: no byte was sent
  | "reset" // lost after dispatch, a reused idle socket included
  | "timeout" // headers, body silence, or the attempt's own bound
  | "too_large" // whole body above the cap
  | "no_room" // lost, or out of time, after its whole body was held up by others
  | "malformed" // not HTTP/1.1: bad header, header section too large, or in pieces that no server sends

export class TransportError extends Data.TaggedError("TransportError")<{
  readonly failure: TransportFailure
  /** Error code of undici, the system or ours. Never text of the upstream. */
  readonly code: string
  /** Undefined until the status line has arrived. */
  readonly status: number | undefined
  /** False as long as the request has not begun to leave. */
  readonly dispatched: boolean
}> {}

interface ExchangeOptions<A> {
  readonly open: OpenBody<A> | undefined
  readonly timeoutMs: number
  /** The most bytes of a body that is read whole. */
  readonly maxBytes: number
  /** Holds an answer that is read whole, unless it is small. */
  readonly room: CallRoom | undefined
  readonly readTurns: ReadTurns
  /** Exchanges that undici has not given back yet. */
  readonly calls: { open: number }
  /** Called at most once, and never after `cancel`. */
  readonly resume: (effect: Effect.Effect<UpstreamResponse | A, TransportError>) => void
}

/** Responses of a status below 200 that may come before the final one. */
const MAX_INFORMATIONAL = 100

/** Chunks of any size; of more, the average must not be below that of the shortest event: each costs as much as a kilobyte. */
const SOME_CHUNKS = 100_000
const SMALL_CHUNK_BYTES = 16

/** Milliseconds in which a body may end after its consumer had enough; past them a new connection is cheaper. */
const LINGER_MS = 1000

export class UpstreamExchange<A> implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions<A>
  readonly #body = new GrowingBuffer()
  #timer: NodeJS.Timeout
  #settled = false
  #controller: Dispatcher.DispatchController | undefined
  #status: number | undefined
  #headers = noHeaders
  #consumer: BodyConsumer<A> | undefined
  #informational = 0
  #chunks = 0
  #bytes = 0
  /** The body has waited for room: it is no longer the other side that decides when it comes. */
  #wasHeldUp = false
  #declared = Number.NaN

  constructor(options: ExchangeOptions<A>) {
    this.#options = options
    options.calls.open += 1
    this.#timer = setTimeout(() => this.#expire(), options.timeoutMs)
  }

  /** Stops the exchange from our side; a request still queued is dropped the moment undici picks it up. */
  cancel(): void {
    this.#settle()
    this.#controller?.abort(cancelled)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(cancelled)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | Array<string> | undefined>>,
  ): void {
    if (status < 200) {
      this.#informational += 1
      if (this.#informational > MAX_INFORMATIONAL) this.#refuse("malformed", "TOO_MANY_INFORMATIONAL")
      return
    }
    this.#status = status
    this.#headers = {
      contentType: single(headers["content-type"]),
      contentEncoding: single(headers["content-encoding"]),
      retryAfter: single(headers["retry-after"]),
      // The second is Azure's.
      retryAfterMs: single(headers["retry-after-ms"] ?? headers["x-ms-retry-after-ms"]),
      // Another failure has nothing to do with them.
      resets: status === 200 || status === 429 ? usedUpLimits(headers, status === 429) : undefined,
    }
    const { open } = this.#options
    const declared = Number(headers["content-length"])
    if (declared <= this.#options.maxBytes) this.#body.expect(declared)
    this.#declared = declared
    if (status !== 200 || open === undefined) return
    this.#orDie(() => {
      this.#consumer = open(this.#headers, this.#resumeBody)
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks += 1
    this.#bytes += chunk.length
    // More than its consumer wanted.
    if (this.#settled) controller.abort(cancelled)
    else if (this.#chunks > SOME_CHUNKS && this.#bytes < this.#chunks * SMALL_CHUNK_BYTES)
      this.#refuse("malformed", "IN_CRUMBS")
    else if (this.#consumer !== undefined) this.#consume(this.#consumer, controller, chunk)
    else if (this.#body.length + chunk.length <= this.#options.maxBytes) {
      this.#body.append(chunk)
      if (this.#hasRoom(chunk.length)) this.#readInTurn(controller, chunk)
      else controller.pause()
    } else this.#refuse("too_large", "BODY_TOO_LARGE")
  }

  onResponseEnd(): void {
    this.#options.calls.open -= 1
    const settled = this.#settled
    this.#settle()
    const status = this.#status
    if (settled || status === undefined) return
    const consumer = this.#consumer
    this.#orDie(() => {
      const answer =
        consumer === undefined
          ? { status, headers: this.#headers, body: this.#body.take() }
          : consumer.onEnd()
      this.#finish(Effect.succeed(answer))
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#options.calls.open -= 1
    const settled = this.#settled
    this.#settle()
    if (settled) return
    const code = "code" in error && typeof error.code === "string" ? error.code : error.name
    this.#fail(failureOf(code, this.#controller !== undefined, this.#status !== undefined), code)
  }

  #consume(consumer: BodyConsumer<A>, controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#orDie(() => {
      const taken = consumer.onBytes(chunk)
      // The consumer may have had the exchange cancelled.
      if (this.#settled) return
      if (taken === "more") {
        this.#readInTurn(controller, chunk)
        return
      }
      if (taken === "pause") {
        // Here alone: a pause from outside of undici's delivery would let one more chunk through.
        controller.pause()
        return
      }
      this.#settle()
      this.#finish(Effect.succeed(taken.result))
      if (taken.connection === "close") controller.abort(cancelled)
      else this.#timer = setTimeout(() => controller.abort(cancelled), LINGER_MS)
    })
  }

  #hasRoom(bytes: number): boolean {
    const { length } = this.#body
    const { room } = this.#options
    if (room === undefined || length <= SMALL_BODY_BYTES) return true
    // What was too little to be counted comes with the rest.
    const isFirst = length - bytes <= SMALL_BODY_BYTES
    if (room.goesOn(isFirst ? length : bytes, this.#resumeBody) || length === this.#declared) return true
    if (!this.#wasHeldUp) {
      this.#wasHeldUp = true
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#expire(), room.leftMs())
    }
    return false
  }

  #readInTurn(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#options.readTurns.goesOn(chunk.length, this.#resumeBody)) controller.pause()
  }

  /** Resumes in a turn of its own: it delivers bytes, which must not enter a consumer or a parser that is at work. */
  readonly #resumeBody = (): void => {
    queueMicrotask(() => {
      if (!this.#settled) this.#controller?.resume()
    })
  }

  #expire(): void {
    this.#refuse("timeout", "ATTEMPT_TIMEOUT")
  }

  /** Makes an exception of a consumer a defect of its Effect; undici would take it for a lost connection. */
  #orDie(action: () => void): void {
    try {
      action()
    } catch (defect) {
      this.cancel()
      this.#finish(Effect.die(defect))
    }
  }

  /** Ends it from our side, for a fault of the other. */
  #refuse(failure: TransportFailure, code: string): void {
    this.cancel()
    this.#fail(failure, code)
  }

  #fail(failure: TransportFailure, code: string): void {
    const dispatched = this.#controller !== undefined
    const reason = this.#wasHeldUp && (failure === "reset" || failure === "timeout") ? "no_room" : failure
    this.#finish(Effect.fail(new TransportError({ failure: reason, code, status: this.#status, dispatched })))
  }

  /** Ends the Effect outside of undici's callback: the fiber's next request would enter a parser that is not done. */
  #finish(effect: Effect.Effect<UpstreamResponse | A, TransportError>): void {
    queueMicrotask(() => this.#options.resume(effect))
  }

  #settle(): void {
    this.#settled = true
    clearTimeout(this.#timer)
    if (this.#body.length > SMALL_BODY_BYTES) this.#options.room?.readEnds(this.#resumeBody)
  }
}

/** The reason that undici wants for an abort; it is not reported. */
const cancelled = new Error("cancelled by the gateway")

const noHeaders: UpstreamHeaders = {
  contentType: undefined,
  contentEncoding: undefined,
  retryAfter: undefined,
  retryAfterMs: undefined,
  resets: undefined,
}

const single = (value: string | Array<string> | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

const failureOf = (code: string, dispatched: boolean, answering: boolean): TransportFailure => {
  switch (code) {
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "timeout"
    case "UND_ERR_HEADERS_OVERFLOW":
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
    case "HTTPParserError":
      // With the headers read, broken framing is what a connection lost in the body looks like.
      return answering ? "reset" : "malformed"
    default:
      return dispatched ? "reset" : "connect"
  }
}
