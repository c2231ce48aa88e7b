import { type Cause, Clock, Context, Effect, Exit, Layer } from "effect"
import { OperatorRest } from "../domain/OperatorRest.ts"
import type { ProviderError } from "../domain/ProviderError.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { type CallForecast, CandidateHealth } from "./CandidateHealth.ts"
import { TripReports } from "./TripReports.ts"

/**
 * Tells which candidates are better left alone. It is a preference, not a wall: `run` always calls. A caller that
 * reaches a tripped candidate has nothing better left.
 */
export class Breakers extends Context.Service<
  Breakers,
  {
    /**
     * Runs one attempt and learns from how it ends, and while it hangs. Interruption teaches nothing, nor does a timeout
     * that came too early.
     */
    readonly run: <A, R>(
      key: string,
      forecast: CallForecast,
      attempt: Effect.Effect<A, ProviderError, R>,
    ) => Effect.Effect<A, ProviderError, R>
    /** Health of a candidate of the configuration. Synchronous: planning asks it. */
    readonly healthOf: (key: string) => CandidateHealth
  }
>()("gateway/routing/Breakers") {
  static readonly layer = Layer.effect(
    Breakers,
    Effect.suspend(() => make()),
  )
}

/** Candidates of which others are heard: those of any configuration, and not whatever somebody says. */
const MAX_HEARD = 10_000

const make = Effect.fnUntraced(function* () {
  const { listen, tell } = yield* TripReports
  const clock = yield* Clock.Clock
  const healths = new Map<string, CandidateHealth>()
  const accounts = new Map<string, OperatorRest>()

  const makeHealth = (key: string) => {
    const provider = key.slice(0, key.indexOf("/"))
    const account = getOrInsert(accounts, provider, () => new OperatorRest())
    return new CandidateHealth(account, (news) => tell(key, news))
  }

  const healthOf = (key: string): CandidateHealth => getOrInsert(healths, key, makeHealth)

  yield* listen((key, news) => {
    if (healths.has(key) || healths.size < MAX_HEARD) healthOf(key).hear(monotonicMsUnsafe(clock), news)
  })

  return Breakers.of({
    run: (key, forecast, attempt) =>
      Effect.clockWith((clock) => {
        const health = healthOf(key)
        const call = health.begin(monotonicMsUnsafe(clock), forecast)
        return Effect.onExit(attempt, (exit) => {
          const nowMs = monotonicMsUnsafe(clock)
          const error = Exit.isSuccess(exit) ? undefined : providerError(exit.cause)
          if (Exit.isSuccess(exit)) health.succeeded(call, nowMs)
          else if (error === undefined || (forecast.isHurried && error.kind === "timeout"))
            health.abandoned(call)
          else health.failed(call, nowMs, error)
          return Effect.void
        })
      }),
    healthOf,
  })
})

/** A defect is our own bug and says nothing about the provider. */
const providerError = (cause: Cause.Cause<ProviderError>): ProviderError | undefined => {
  for (const reason of cause.reasons) if (reason._tag === "Fail") return reason.error
  return undefined
}
