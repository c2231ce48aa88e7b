import { Effect, Exit, Latch } from "effect"
import { limitExchanges, updater } from "../observability/Metrics.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import type { Leases } from "./Leases.ts"
import type { LimitStore } from "./limit-store.ts"

/**
 * Exchanges with the store in one fiber: at once when somebody waits, in rounds while something is held, and else not at all.
 * Returns what tells it that there is something to do.
 */
export const driveLeases = Effect.fnUntraced(function* (leases: Leases, store: LimitStore) {
  const update = yield* updater
  const news = Latch.makeUnsafe(false)
  /** When it looks again by itself; it is at work before. */
  let sleepsUntilMs = Number.NEGATIVE_INFINITY

  const exchange = Effect.gen(function* () {
    const sent = leases.send(yield* monotonicMs)
    if (sent === undefined) return
    const exit = yield* Effect.exit(store.exchange(sent.exchange)).pipe(
      Effect.onInterrupt(() => Effect.map(monotonicMs, (nowMs) => leases.lost(sent, nowMs))),
    )
    const nowMs = yield* monotonicMs
    const wasAlone = leases.isAlone
    if (Exit.isSuccess(exit)) {
      leases.received(sent, exit.value, nowMs)
      update(limitExchanges("answered"), 1)
      if (wasAlone) yield* Effect.logInfo("Rate limits are shared with the other replicas again")
    } else {
      leases.lost(sent, nowMs)
      update(limitExchanges("failed"), 1)
      if (!wasAlone) {
        yield* Effect.logWarning(
          "The store of rate limits does not answer; each replica keeps its share of them on its own",
        )
      }
    }
  })

  const turn = Effect.gen(function* () {
    news.closeUnsafe()
    const nowMs = yield* monotonicMs
    const inMs = leases.nextMs(nowMs)
    if (inMs === 0) return yield* exchange
    sleepsUntilMs = inMs === undefined ? Number.POSITIVE_INFINITY : nowMs + inMs
    yield* inMs === undefined ? news.await : Effect.raceFirst(news.await, Effect.sleep(inMs))
    sleepsUntilMs = Number.NEGATIVE_INFINITY
  })

  yield* turn.pipe(
    Effect.forever,
    Effect.ensuring(Effect.map(monotonicMs, (nowMs) => leases.close(nowMs))),
    Effect.forkScoped({ startImmediately: true }),
  )

  return (nowMs: number): void => {
    if (sleepsUntilMs === Number.NEGATIVE_INFINITY) return
    const inMs = leases.nextMs(nowMs)
    if (inMs !== undefined && nowMs + inMs < sleepsUntilMs) news.openUnsafe()
  }
})
