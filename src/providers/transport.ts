import { Data, Effect, type Scope } from "effect"
import { type Dispatcher, Pool } from "undici"

/**
 * Sockets to providers: one tuned undici pool per origin, one Effect per attempt, nothing global.
 *
 * A response is read whole and only the headers that classification needs leave this file. Redirects are answers
 * like any other. Interrupting the Effect closes the upstream socket; closing the scope closes them all.
 * `Exchange` is the only place that talks to the parser: a streaming variant is another handler beside it.
 */
export interface Transport {
  /** `origin` is scheme, host and port. Callers of the same origin share its pool. */
  readonly upstream: (origin: string) => Upstream
}

export interface Upstream {
  readonly post: (request: UpstreamRequest) => Effect.Effect<UpstreamResponse, TransportError>
}

export interface UpstreamRequest {
  readonly path: string
  /** Name, value, name, value, … in lower case. `accept-encoding: identity` must be among them. */
  readonly headers: ReadonlyArray<string>
  readonly body: string
  /** Bound of the whole attempt, connecting included. */
  readonly timeoutMs: number
}

export interface UpstreamResponse {
  readonly status: number
  readonly headers: UpstreamHeaders
  readonly body: Buffer
}

/** Everything of the provider's headers that anybody may see. */
export interface UpstreamHeaders {
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly retryAfter: string | undefined
  readonly retryAfterMs: string | undefined
}

export type TransportFailure =
  | "connect" // refused, DNS, TLS, connect timeout: no byte was sent
  | "reset" // lost after dispatch, a reused idle socket included
  | "timeout" // headers, body silence, or the attempt's own bound
  | "too_large" // body above the cap
  | "malformed" // not HTTP/1.1: bad header, header section too large

export class TransportError extends Data.TaggedError("TransportError")<{
  readonly failure: TransportFailure
  /** Error code of undici or the system. Never text of the upstream. */
  readonly code: string
  /** When the status line had arrived. */
  readonly status: number | undefined
}> {}

export interface TransportOptions {
  readonly connectMs: number
  readonly headersMs: number
  readonly bodyMs: number
  readonly maxUpstreamBytes: number
  /**
   * Calls of one origin at a time, each on a connection of its own. More are refused, not queued: undici keeps a
   * cancelled call, body and all, until its turn comes, so a queue behind a hanging provider would only grow.
   */
  readonly maxCalls: number
}

const KEEP_ALIVE_MS = 30_000
const MAX_HEADER_BYTES = 16 * 1024

export const makeTransport = Effect.fnUntraced(function* (
  options: TransportOptions,
): Effect.fn.Return<Transport, never, Scope.Scope> {
  const pools = new Map<string, Pool>()
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => Promise.all(Array.from(pools.values(), (pool) => pool.destroy()))),
  )
  const upstream = (origin: string): Upstream => {
    let pool = pools.get(origin)
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: options.maxCalls,
        pipelining: 1,
        allowH2: false,
        connectTimeout: options.connectMs,
        headersTimeout: options.headersMs,
        bodyTimeout: options.bodyMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        maxResponseSize: options.maxUpstreamBytes,
      })
      pools.set(origin, pool)
    }
    return { post: postTo(pool, options.maxCalls) }
  }
  return { upstream }
})

const postTo = (pool: Pool, maxCalls: number) => {
  /** Handed to undici and not given back yet, cancelled ones included. */
  const calls = { open: 0 }
  return (request: UpstreamRequest) =>
    calls.open >= maxCalls ? Effect.fail(busy) : post(pool, calls, request)
}

const busy = new TransportError({ failure: "connect", code: "ALL_CONNECTIONS_BUSY", status: undefined })

const post = (pool: Pool, calls: { open: number }, request: UpstreamRequest) =>
  Effect.callback<UpstreamResponse, TransportError>((resume) => {
    const exchange = new Exchange(resume, request.timeoutMs, calls)
    pool.dispatch(
      {
        method: "POST",
        path: request.path,
        // undici reads the array and never writes to it.
        headers: request.headers as Array<string>,
        body: request.body,
      },
      exchange,
    )
    return Effect.sync(() => exchange.cancel())
  })

type Resume = (effect: Effect.Effect<UpstreamResponse, TransportError>) => void

/** One request on the wire. Resumes its fiber at most once, and never after it was cancelled. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resume: Resume
  readonly #deadline: NodeJS.Timeout
  readonly #calls: { open: number }
  #settled = false
  #controller: Dispatcher.DispatchController | undefined
  #status: number | undefined
  #headers = noHeaders
  #body: Buffer = empty
  #length = 0

  constructor(resume: Resume, timeoutMs: number, calls: { open: number }) {
    this.#resume = resume
    this.#calls = calls
    calls.open += 1
    this.#deadline = setTimeout(onDeadline, timeoutMs, this)
  }

  /** Stops the exchange from our side; a request still queued is dropped the moment undici picks it up. */
  cancel(): void {
    this.#settle()
    this.#controller?.abort(cancelled)
  }

  expire(): void {
    if (this.#settled) return
    this.cancel()
    this.#fail("timeout", "ATTEMPT_TIMEOUT")
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
    if (status < 200) return
    this.#status = status
    this.#headers = {
      contentType: single(headers["content-type"]),
      contentEncoding: single(headers["content-encoding"]),
      retryAfter: single(headers["retry-after"]),
      retryAfterMs: single(headers["retry-after-ms"]),
    }
  }

  /**
   * Most answers are one chunk and stay uncopied; more are copied into one growing buffer, so that a body sent
   * byte by byte costs its size and not an object per byte.
   */
  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (this.#length === 0) {
      this.#body = chunk
    } else {
      if (length > this.#body.length) {
        const grown = Buffer.allocUnsafe(Math.max(2 * length, 4096))
        this.#body.copy(grown, 0, 0, this.#length)
        this.#body = grown
      }
      chunk.copy(this.#body, this.#length)
    }
    this.#length = length
  }

  onResponseEnd(): void {
    this.#calls.open -= 1
    if (this.#settled || this.#status === undefined) return
    this.#settle()
    this.#finish(
      Effect.succeed({
        status: this.#status,
        headers: this.#headers,
        body: this.#body.subarray(0, this.#length),
      }),
    )
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#calls.open -= 1
    if (this.#settled) return
    this.#settle()
    const code = "code" in error && typeof error.code === "string" ? error.code : error.name
    this.#fail(failureOf(code, this.#controller !== undefined, this.#status !== undefined), code)
  }

  #fail(failure: TransportFailure, code: string): void {
    this.#finish(Effect.fail(new TransportError({ failure, code, status: this.#status })))
  }

  /** Not from within undici's callback: the fiber's next request would enter a parser that is not done. */
  #finish(effect: Effect.Effect<UpstreamResponse, TransportError>): void {
    queueMicrotask(() => this.#resume(effect))
  }

  #settle(): void {
    this.#settled = true
    clearTimeout(this.#deadline)
  }
}

/** undici wants a reason; nobody hears it. */
const cancelled = new Error("cancelled by the gateway")

const onDeadline = (exchange: Exchange): void => exchange.expire()

const empty = Buffer.alloc(0)

const noHeaders: UpstreamHeaders = {
  contentType: undefined,
  contentEncoding: undefined,
  retryAfter: undefined,
  retryAfterMs: undefined,
}

const single = (value: string | Array<string> | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

const failureOf = (code: string, dispatched: boolean, answering: boolean): TransportFailure => {
  switch (code) {
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "timeout"
    case "UND_ERR_RES_EXCEEDED_MAX_SIZE":
      return "too_large"
    case "UND_ERR_HEADERS_OVERFLOW":
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
    case "HTTPParserError":
      // With the headers read, broken framing is what a connection lost in the body looks like.
      return answering ? "reset" : "malformed"
    default:
      return dispatched ? "reset" : "connect"
  }
}
