import { Effect, type Scope } from "effect"
import { Pool } from "undici"
import type { CallRoom } from "../../domain/AnswerRoom.ts"
import type { LargeBodies } from "../../platform/LargeBodies.ts"
import { traceHeaders } from "../../platform/trace-context.ts"
import { type OpenBody, TransportError, UpstreamExchange, type UpstreamResponse } from "./UpstreamExchange.ts"

/**
 * Sockets to providers: one tuned undici pool per origin, one Effect per attempt, nothing global.
 *
 * Redirects are answers like any other. Interrupting an Effect closes the upstream socket; closing the scope closes
 * them all. Timeouts hold for streams too: silence is bounded by `bodyMs`, except while the reader has paused it.
 */
export interface Transport {
  /** `origin` is scheme, host and port. Callers of the same origin share its pool. */
  readonly upstream: (origin: string) => Upstream
}

export interface Upstream {
  readonly post: (request: UpstreamRequest) => Effect.Effect<UpstreamResponse, TransportError>
  /** Succeeds with the result of the consumer that `open` chooses, or with an answer that is read whole. */
  readonly stream: <A>(
    request: UpstreamRequest,
    open: OpenBody<A>,
  ) => Effect.Effect<UpstreamResponse | A, TransportError>
  /** The most bytes that are read of a whole body. Streams have no bound here: their reader sets one for each event. */
  readonly maxBytes: number
  /** Gives a turn to the understanding of a large body. */
  readonly inTurn: LargeBodies["Service"]["inTurn"]
}

export interface UpstreamRequest {
  readonly path: string
  /** Name, value, name, value, … in lower case. `accept-encoding: identity` must be among them. */
  readonly headers: ReadonlyArray<string>
  readonly body: string | Uint8Array
  /** Bound of the whole attempt, connecting included. */
  readonly timeoutMs: number
  /** Holds an answer that is read whole; without one it is not counted. */
  readonly room?: CallRoom | undefined
}

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
  readonly largeBodies: LargeBodies["Service"]
  /** Calls say which span they are part of. */
  readonly traced?: boolean
}

const KEEP_ALIVE_MS = 30_000
const MAX_HEADER_BYTES = 16 * 1024

export const makeTransport = Effect.fnUntraced(function* (
  options: TransportOptions,
): Effect.fn.Return<Transport, never, Scope.Scope> {
  const pools: Array<Pool> = []
  const upstreams = new Map<string, Upstream>()
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all(pools.map((pool) => pool.destroy()))))
  return {
    upstream: (origin) => {
      const known = upstreams.get(origin)
      if (known !== undefined) return known
      const pool = new Pool(origin, {
        connections: options.maxCalls,
        pipelining: 1,
        allowH2: false,
        connectTimeout: options.connectMs,
        headersTimeout: options.headersMs,
        bodyTimeout: options.bodyMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      })
      pools.push(pool)
      const upstream = makeUpstream(pool, options)
      upstreams.set(origin, upstream)
      return upstream
    },
  }
})

const makeUpstream = (pool: Pool, options: TransportOptions): Upstream => {
  const { largeBodies, maxCalls, maxUpstreamBytes: maxBytes, traced } = options
  const { inTurn, readTurns } = largeBodies
  /** Counts the calls that undici has not given back yet, cancelled ones included. */
  const calls = { open: 0 }
  const sendAsIs = <A>(request: UpstreamRequest, open: OpenBody<A> | undefined) =>
    Effect.callback<UpstreamResponse | A, TransportError>((resume) => {
      if (calls.open >= maxCalls) {
        resume(Effect.fail(busy))
        return
      }
      const exchange = new UpstreamExchange({
        open,
        timeoutMs: request.timeoutMs,
        maxBytes,
        room: request.room,
        readTurns,
        calls,
        resume,
      })
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
  const send: typeof sendAsIs =
    traced === true
      ? (request, open) =>
          Effect.flatMap(traceHeaders, (trace) =>
            sendAsIs({ ...request, headers: [...request.headers, ...trace] }, open),
          )
      : sendAsIs
  return { post: (request) => send<never>(request, undefined), stream: send, maxBytes, inTurn }
}

const busy = new TransportError({
  failure: "connect",
  code: "ALL_CONNECTIONS_BUSY",
  status: undefined,
  dispatched: false,
})
