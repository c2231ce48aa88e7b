import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Context, Effect, Exit, Layer, Redacted, Schedule, Scope } from "effect"
import { Redis } from "effect/persistence"
import { type SharedAnswer, type SharedRequest, takeShared } from "./bucket-script.ts"

const CONNECT_EVERY = "2 seconds"
const CONNECT_TIMEOUT_MS = 2_000
const MAX_RECONNECT_DELAY_MS = 2_000
const MAX_QUEUED_COMMANDS = 10_000

/** Asks Redis for a token. */
type TakeShared = (request: SharedRequest) => Effect.Effect<SharedAnswer, Redis.RedisError>

/**
 * Makes a way to the buckets in Redis that connects in the background, for as long as it takes: a gateway that starts while
 * Redis is down must start. `current` is undefined until the first connection. Later losses are the client's to
 * mend; meanwhile commands fail at once instead of queueing.
 */
export const connectRedisLimiter = (
  url: Redacted.Redacted,
): Effect.Effect<{ readonly current: () => TakeShared | undefined }, never, Scope.Scope> =>
  Effect.gen(function* () {
    let take: TakeShared | undefined

    // Ends the first attempt at its first error, so that the build fails and is repeated; never gives up later.
    const reconnectStrategy = (retries: number, cause: Error) =>
      take === undefined ? cause : Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS)

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
          take = Context.get(context, Redis.Redis).eval(takeShared)
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
    return { current: () => take }
  })
