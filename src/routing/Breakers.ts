import { type Cause, Context, Effect, Exit, Layer } from "effect"
import { dispositions, openCooldownMs, type ProviderError } from "../domain/ProviderError.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { Circuit } from "./Circuit.ts"

/**
 * Tells for how long a candidate is better left alone, for two reasons.
 * - Its circuit (one per `provider/model`) opens after failures in a row. In a row rather than by rate: it needs no
 *   minimum traffic, and partial failure is already the availability tier's business.
 * - The cooldown starts with the first error that says to stay away (rate limit, quota, bad credentials), for as
 *   long as the error says. These errors do not move the circuit: several calls in flight at the moment of one
 *   rate limit would otherwise lengthen it beyond what the provider asked.
 *
 * Both are a preference, not a wall: `run` always calls. A caller that reaches a tripped candidate has nothing
 * better left, and a success then makes the candidate ordinary again at once. All times are `monotonicMs`.
 */
export class Breakers extends Context.Service<
  Breakers,
  {
    /** Runs one attempt and learns from how it ends. Interruption teaches nothing. */
    readonly run: <A, R>(
      key: string,
      attempt: Effect.Effect<A, ProviderError, R>,
    ) => Effect.Effect<A, ProviderError, R>
    /** Milliseconds until the candidate should be asked again; 0 = not tripped. Synchronous: planning asks it. */
    readonly trippedForMs: (key: string, nowMs: number) => number
  }
>()("gateway/routing/Breakers") {
  static readonly layer = Layer.sync(Breakers, () => make())
}

/** A longer Retry-After is cut to this: one wrong header must not hide a provider for a day. */
export const MAX_COOLDOWN_MS = 10 * 60_000

/** Health of one candidate. */
interface Health {
  readonly circuit: Circuit
  cooldownUntilMs: number
}

const make = () => {
  /** Keys are candidates of the configuration. */
  const healths = new Map<string, Health>()

  const healthOf = (key: string): Health => {
    const known = healths.get(key)
    if (known !== undefined) return known
    const fresh: Health = { circuit: new Circuit(), cooldownUntilMs: Number.NEGATIVE_INFINITY }
    healths.set(key, fresh)
    return fresh
  }

  return Breakers.of({
    run: (key, attempt) =>
      Effect.flatMap(monotonicMs, (startedMs) => {
        const health = healthOf(key)
        const { circuit, cooldownUntilMs } = health
        const call = circuit.begin(startedMs)
        return Effect.onExit(attempt, (exit) =>
          Effect.map(monotonicMs, (nowMs) => {
            if (Exit.isSuccess(exit)) {
              circuit.succeeded(call, nowMs)
              // Only a call made during the cooldown disproves it: one already in flight when the provider said
              // "wait" knows nothing newer.
              if (health.cooldownUntilMs === cooldownUntilMs)
                health.cooldownUntilMs = Number.NEGATIVE_INFINITY
              return
            }
            const error = providerError(exit.cause)
            const lesson = error === undefined ? "ignore" : dispositions[error.kind].breaker
            if (error === undefined || lesson === "ignore") return circuit.ignored(call)
            if (lesson === "count") {
              return circuit.failed(call, nowMs, Math.min(error.retryAfterMs ?? 0, MAX_COOLDOWN_MS))
            }
            circuit.ignored(call)
            const waitMs = Math.min(error.retryAfterMs ?? openCooldownMs(error.kind), MAX_COOLDOWN_MS)
            health.cooldownUntilMs = Math.max(health.cooldownUntilMs, nowMs + waitMs)
          }),
        )
      }),
    trippedForMs: (key, nowMs) => {
      const health = healths.get(key)
      if (health === undefined) return 0
      return Math.max(0, health.cooldownUntilMs - nowMs, health.circuit.openForMs(nowMs))
    },
  })
}

/** A defect is our own bug and says nothing about the provider. */
const providerError = (cause: Cause.Cause<ProviderError>): ProviderError | undefined => {
  for (const reason of cause.reasons) if (reason._tag === "Fail") return reason.error
  return undefined
}
