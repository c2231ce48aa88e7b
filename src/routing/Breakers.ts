import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { dispositions, openCooldownMs, type ProviderError } from "../domain/ProviderError.ts"

/**
 * Tells for how long a candidate is better left alone, for two reasons.
 * - The circuit breaker (Effect's, one circuit per `provider/model`) opens after failures in a row. In a row rather
 *   than by rate: it needs no minimum traffic, and partial failure is already the availability tier's business.
 * - The cooldown starts with the first error that says to stay away (rate limit, quota, bad credentials), for as
 *   long as the error says. These errors do not move the circuit: several calls in flight at the moment of one
 *   rate limit would otherwise lengthen it beyond what the provider asked.
 *
 * Both are a preference, not a wall: `run` always calls. A caller that reaches a tripped candidate has nothing
 * better left, and a success then makes the candidate ordinary again at once.
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
  static readonly layerNoDeps = Layer.effect(
    Breakers,
    Effect.suspend(() => make()),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))
}

const CONSECUTIVE_FAILURES = 5
/** 5, 10, 20, 40, 60, 60 ... seconds while it keeps failing. */
const OPEN_DURATION = Schedule.min([Schedule.exponential("5 seconds"), Schedule.spaced("60 seconds")])
/** A longer Retry-After is cut to this: one wrong header must not hide a provider for a day. */
export const MAX_COOLDOWN_MS = 10 * 60_000
/** Reported while a probe is out: its end is near but unknown. */
const PROBE_WAIT_MS = 1_000

/** Health of one candidate that failed lately. Kept here because planning cannot wait for the circuit's own state. */
interface Health {
  /** State when the last call began or ended. */
  circuit: CircuitBreaker.State
  openUntilMs: number
  cooldownUntilMs: number
  /** Called past its open circuit and answered: trusted until it fails. */
  bypassed: boolean
}

const make = Effect.fnUntraced(function* () {
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(CONSECUTIVE_FAILURES),
    openDuration: OPEN_DURATION,
    maxOpenDuration: MAX_COOLDOWN_MS,
  })
  /** Keys are candidates of the configuration, and only those that ever failed. */
  const healths = new Map<string, Health>()

  const healthOf = (key: string): Health => {
    const known = healths.get(key)
    if (known !== undefined) return known
    const fresh: Health = {
      circuit: { _tag: "Closed", key },
      openUntilMs: 0,
      cooldownUntilMs: 0,
      bypassed: false,
    }
    healths.set(key, fresh)
    return fresh
  }

  /** Reads the circuit after it may have moved: trust in a candidate ends when its circuit opens anew or closes. */
  const learnCircuit = (key: string) =>
    Effect.clockWith((clock) =>
      Effect.map(Effect.orDie(breaker.state(key)), (circuit) => {
        const health = circuit._tag === "Closed" ? healths.get(key) : healthOf(key)
        if (health === undefined) return
        if (circuit._tag !== "HalfOpen" && !isSame(circuit, health.circuit)) health.bypassed = false
        health.circuit = circuit
        health.openUntilMs =
          circuit._tag === "Open"
            ? clock.currentTimeMillisUnsafe() + Duration.toMillis(circuit.retryAfter)
            : 0
      }),
    )

  /** Makes a call that the circuit rejected all the same, outside of the circuit, which cannot learn from it. */
  const pastTheCircuit = <A, R>(key: string, attempt: Effect.Effect<A, ProviderError, R>) =>
    Effect.onExit(attempt, (exit) =>
      Effect.sync(() => {
        const outcome = classify(exit)
        if (outcome._tag !== "Ignored") healthOf(key).bypassed = outcome._tag === "Success"
      }),
    )

  const learnCooldown = (
    key: string,
    exit: Exit.Exit<unknown, ProviderError>,
    nowMs: number,
    cooldownAtStartMs: number,
  ): void => {
    if (Exit.isSuccess(exit)) {
      // Only a call made during the cooldown disproves it: one already in flight when the provider said "wait"
      // knows nothing newer.
      const health = healths.get(key)
      if (health?.cooldownUntilMs === cooldownAtStartMs) health.cooldownUntilMs = 0
      return
    }
    const error = providerError(exit.cause)
    if (error === undefined || dispositions[error.kind].breaker !== "open") return
    const waitMs = Math.min(error.retryAfterMs ?? openCooldownMs(error.kind), MAX_COOLDOWN_MS)
    const health = healthOf(key)
    health.cooldownUntilMs = Math.max(health.cooldownUntilMs, nowMs + waitMs)
  }

  /** Forgets a candidate that answers again. */
  const forgetWhenWell = (key: string, nowMs: number): void => {
    const health = healths.get(key)
    if (health === undefined || health.bypassed || health.cooldownUntilMs > nowMs) return
    if (health.circuit._tag === "Closed") healths.delete(key)
  }

  const throughCircuit = <A, R>(key: string, attempt: Effect.Effect<A, ProviderError, R>) =>
    Clock.clockWith((clock) => {
      const cooldownAtStartMs = healths.get(key)?.cooldownUntilMs ?? 0
      // The call may be the circuit's probe.
      return breaker.execute(Effect.andThen(learnCircuit(key), attempt), { key, classify }).pipe(
        Effect.catchTag("CircuitBreakerError", () =>
          Effect.andThen(learnCircuit(key), pastTheCircuit(key, attempt)),
        ),
        Effect.onExit((exit) =>
          Effect.map(learnCircuit(key), () => {
            const nowMs = clock.currentTimeMillisUnsafe()
            learnCooldown(key, exit, nowMs, cooldownAtStartMs)
            if (Exit.isSuccess(exit)) forgetWhenWell(key, nowMs)
            // The circuit has begun to count: the next success has to reach it.
            else if (classify(exit)._tag === "Failure") healthOf(key)
          }),
        ),
      )
    })

  return Breakers.of({
    // A candidate that did not fail lately has a closed circuit that counts nothing, so its successes have nothing to
    // tell it; only a failure is taken there.
    run: (key, attempt) =>
      Effect.suspend(() =>
        healths.has(key)
          ? throughCircuit(key, attempt)
          : Effect.catch(attempt, (error) => throughCircuit(key, Effect.fail(error))),
      ),
    trippedForMs: (key, nowMs) => {
      const health = healths.get(key)
      if (health === undefined) return 0
      const { bypassed, circuit, cooldownUntilMs, openUntilMs } = health
      const cooldownMs = Math.max(0, cooldownUntilMs - nowMs)
      if (bypassed) return cooldownMs
      const probeMs = circuit._tag === "HalfOpen" && circuit.probing ? PROBE_WAIT_MS : 0
      return Math.max(cooldownMs, openUntilMs - nowMs, probeMs)
    },
  })
})

/** Whether no transition lies between two states of one circuit. */
const isSame = (a: CircuitBreaker.State, b: CircuitBreaker.State): boolean =>
  a._tag === "Closed" || b._tag === "Closed"
    ? a._tag === b._tag
    : a._tag === b._tag && a.consecutiveOpenings === b.consecutiveOpenings

const providerError = (cause: Cause.Cause<ProviderError>): ProviderError | undefined => {
  for (const reason of cause.reasons) if (Cause.isFailReason(reason)) return reason.error
  return undefined
}

/** A defect is our own bug and says nothing about the provider. */
const classify = (exit: Exit.Exit<unknown, ProviderError>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  const error = providerError(exit.cause)
  if (error === undefined || dispositions[error.kind].breaker !== "count") return CircuitBreaker.ignored
  return CircuitBreaker.failure({ retryAfter: error.retryAfterMs })
}
