import { type Cause, Context, Effect, Exit, Layer } from "effect"
import type { ProviderError } from "../domain/ProviderError.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { type CallForecast, CandidateHealth } from "./CandidateHealth.ts"
import { HealthMemory, providerOf } from "./HealthMemory.ts"

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
    /** Forgets what is known of a provider. Calls under way teach nothing any more. */
    readonly reset: (provider: string) => void
    /**
     * Takes note that the provider is reached otherwise by now, and by this configuration still as before: what its calls
     * show from now on is kept apart, and nobody is told of it.
     */
    readonly leave: (provider: string) => void
  }
>()("gateway/routing/Breakers") {
  /** Of one configuration. */
  static readonly layerNoDeps = Layer.effect(
    Breakers,
    Effect.suspend(() => make()),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(HealthMemory.layer))
}

const make = Effect.fnUntraced(function* () {
  const memory = yield* HealthMemory
  /** Healths by candidate, of each provider that was left. */
  const left = new Map<string, Map<string, CandidateHealth>>()

  const healthOf = (key: string): CandidateHealth => {
    const apart = left.size === 0 ? undefined : left.get(providerOf(key))
    return apart === undefined ? memory.healthOf(key) : getOrInsert(apart, key, () => new CandidateHealth())
  }

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
    reset: memory.reset,
    leave: (provider) => void getOrInsert(left, provider, () => new Map()),
  })
})

/** A defect is our own bug and says nothing about the provider. */
const providerError = (cause: Cause.Cause<ProviderError>): ProviderError | undefined => {
  for (const reason of cause.reasons) if (reason._tag === "Fail") return reason.error
  return undefined
}
