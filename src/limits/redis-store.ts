import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Context, Data, Effect, Exit, Layer, Redacted, Schedule, Scope } from "effect"
import { Redis } from "effect/persistence"
import { deadline } from "../platform/deadline.ts"
import type { Exchange, Exchanged, LimitStore } from "./limit-store.ts"
import { exchangeScript, type ScriptAnswer } from "./redis-script.ts"

/** The longest that a request waits. */
const TIMEOUT_MS = 250

const CONNECT_EVERY = "2 seconds"
const CONNECT_TIMEOUT_MS = 2_000
const MAX_RECONNECT_DELAY_MS = 2_000
const MAX_QUEUED_COMMANDS = 10_000

class NotConnected extends Data.TaggedError("NotConnected") {}
class NoAnswer extends Data.TaggedError("NoAnswer") {}

/**
 * Makes the store in Redis, connected in the background, for as long as it takes: a gateway that starts while
 * Redis is down must start. Later losses are the client's to mend; meanwhile commands fail at once instead of queueing.
 */
export const connectRedisStore = (url: Redacted.Redacted): Effect.Effect<LimitStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    let run: ((exchange: Exchange) => Effect.Effect<ScriptAnswer, Redis.RedisError>) | undefined

    // Ends the first attempt at its first error, so that the build fails and is repeated; never gives up later.
    const reconnectStrategy = (retries: number, cause: Error) =>
      run === undefined ? cause : Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS)

    const layer = NodeRedis.layer({
      url: Redacted.value(url),
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_QUEUED_COMMANDS,
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy },
    })

    // Closing the client waits for its unanswered commands, for ever when Redis hangs: nobody waits for the closing.
    const abandon = (scope: Scope.Closeable) => Effect.forkDetach(Scope.close(scope, Exit.void))

    // A scope per attempt: what a failed attempt leaves to clean up must not pile up for the length of an outage.
    const attempt = Effect.acquireUseRelease(
      Scope.make(),
      (scope) =>
        Effect.gen(function* () {
          const context = yield* Layer.buildWithScope(layer, scope)
          const { client } = Context.get(context, NodeRedis.NodeRedis)
          run = Context.get(context, Redis.Redis).eval(exchangeScript)
          return yield* Effect.onExit(Effect.never, () =>
            Effect.sync(() => {
              if (client.isOpen) client.destroy()
            }),
          )
        }),
      abandon,
    )
    yield* attempt.pipe(
      Effect.retry(Schedule.spaced(CONNECT_EVERY)),
      Effect.forkScoped({ startImmediately: true }),
    )
    return {
      exchange: (exchange) =>
        run === undefined
          ? Effect.fail(new NotConnected())
          : run(exchange).pipe(
              Effect.raceFirst(deadline(TIMEOUT_MS, () => new NoAnswer())),
              Effect.map((answer) => readRedisAnswer(exchange, answer)),
            ),
    }
  })

/** Reads what the script answered to an exchange. */
export const readRedisAnswer = ({ asks }: Exchange, [shared = [], ...answers]: ScriptAnswer): Exchanged => ({
  nowMs: Number(shared[0]),
  replicas: Number(shared[1]),
  answers: new Map(
    asks.map(({ name }, i) => {
      const [granted = 0, used = 0, asked = 0, epoch = 0] = (answers[i] ?? []).map(Number)
      return [name, { granted, used, asked, epoch }]
    }),
  ),
})
