import { Duration, Effect, Result } from "effect"
import { HttpClient, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { telemetryExports, updater } from "./Metrics.ts"

/**
 * The way to a collector, which may be slow, down or say that it has enough. Effect's exporter keeps every batch that is under
 * way until it is taken, for as long as a `Retry-After` says, so the bounds are here: on the batches of a signal at once, on
 * each try, and on the waits between tries. What finds no room is dropped and counted.
 */

/** Batches of one signal that may be under way. */
const MAX_UNDER_WAY = 8
const TRY_TIMEOUT = "10 seconds"
const MAX_TRIES = 3
const WAIT_MS = 1_000
const MAX_WAIT_MS = 5_000

/** What the protocol has a client try again. */
const TRANSIENT: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Stands for a collector that did not answer. */
const NO_ANSWER = 504

type Signal = "traces" | "metrics"

interface Answered {
  readonly status: number
  readonly retryAfter: string | undefined
}

const waitMsOf = (retryAfter: string | undefined): number => {
  const seconds = retryAfter !== undefined && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : 0
  return Math.min(MAX_WAIT_MS, Math.max(WAIT_MS, seconds * 1000))
}

/** Makes the client of one signal. After a failure the exporter rests for a minute, and sends no telemetry meanwhile. */
export const toCollector = Effect.fnUntraced(function* (client: HttpClient.HttpClient, signal: Signal) {
  const update = yield* updater
  let underWay = 0

  const once = (
    sent: Effect.Effect<HttpClientResponse.HttpClientResponse, unknown>,
  ): Effect.Effect<Answered> =>
    sent.pipe(
      // With its body, in the time of the try: who sends a head at once may never end.
      Effect.flatMap((response) => Effect.as(response.arrayBuffer, response)),
      Effect.timeout(TRY_TIMEOUT),
      Effect.result,
      Effect.map((result) =>
        Result.isSuccess(result)
          ? { status: result.success.status, retryAfter: result.success.headers["retry-after"] }
          : { status: NO_ANSWER, retryAfter: undefined },
      ),
    )

  const upTo = (
    tries: number,
    sent: Effect.Effect<HttpClientResponse.HttpClientResponse, unknown>,
  ): Effect.Effect<Answered> =>
    Effect.filterOrElse(
      once(sent),
      ({ status }) => tries === 1 || !TRANSIENT.has(status),
      ({ retryAfter }) =>
        Effect.andThen(Effect.sleep(Duration.millis(waitMsOf(retryAfter))), upTo(tries - 1, sent)),
    )

  return HttpClient.transform(client, (sent, request) =>
    Effect.suspend(() => {
      if (underWay >= MAX_UNDER_WAY) {
        update(telemetryExports(signal, "dropped"), 1)
        return Effect.succeed(answer(request, 200))
      }
      underWay += 1
      return upTo(MAX_TRIES, sent).pipe(
        Effect.flatMap(({ status }) => {
          const taken = status >= 200 && status < 300
          update(telemetryExports(signal, taken ? "sent" : "failed"), 1)
          return taken
            ? Effect.succeed(answer(request, 200))
            : Effect.as(
                Effect.annotateLogs(
                  Effect.logWarning("The collector takes no telemetry: none is sent for a minute"),
                  { signal, status },
                ),
                // Not one that is tried again: it has been.
                answer(request, 400),
              )
        }),
        Effect.ensuring(
          Effect.sync(() => {
            underWay -= 1
          }),
        ),
      )
    }),
  )
})

const answer = (request: HttpClientRequest.HttpClientRequest, status: number) =>
  HttpClientResponse.fromWeb(request, new Response(null, { status }))
