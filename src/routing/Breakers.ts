import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { dispositions, openCooldownMs, type ProviderError } from "../domain/ProviderError.ts"

/**
 * Two reasons to leave a candidate alone for a while, in one answer.
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
  /** The store may be shared through Redis; without one a replica has its own circuits. */
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
/** What to answer while a probe is out: its end is near but unknown. */
const PROBE_WAIT_MS = 1_000

/** What planning knows of one candidate that had trouble. Local copy: the store may be a network away. */
interface Trouble {
  openUntilMs: number
  cooldownUntilMs: number
  /** Generation of the half-open probe under way. */
  probe: number | undefined
  /** Called past its open circuit and answered: trusted until it fails. */
  forgiven: boolean
}

/** Keys are candidates of the configuration, and only those that ever had trouble. */
interface Troubles {
  readonly find: (key: string) => Trouble | undefined
  readonly at: (key: string) => Trouble
  /** After a success that the circuit counted: nothing is left to remember once every time is up. */
  readonly forgetWhenOver: (key: string, nowMs: number) => void
}

const makeTroubles = (): Troubles => {
  const troubles = new Map<string, Trouble>()
  return {
    find: (key) => troubles.get(key),
    at: (key) => {
      const known = troubles.get(key)
      if (known !== undefined) return known
      const fresh: Trouble = { openUntilMs: 0, cooldownUntilMs: 0, probe: undefined, forgiven: false }
      troubles.set(key, fresh)
      return fresh
    },
    forgetWhenOver: (key, nowMs) => {
      const trouble = troubles.get(key)
      if (trouble === undefined || trouble.forgiven || trouble.probe !== undefined) return
      if (trouble.cooldownUntilMs <= nowMs && trouble.openUntilMs <= nowMs) troubles.delete(key)
    },
  }
}

const make = Effect.fnUntraced(function* () {
  const troubles = makeTroubles()
  const store = yield* CircuitBreaker.CircuitBreakerStore
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(CONSECUTIVE_FAILURES),
    openDuration: OPEN_DURATION,
    maxOpenDuration: MAX_COOLDOWN_MS,
  }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, mirrored(store, troubles)))

  /** The circuit rejected the call: make it all the same, outside the circuit, which cannot learn from it. */
  const pastTheCircuit = <A, R>(key: string, attempt: Effect.Effect<A, ProviderError, R>) =>
    Effect.onExit(attempt, (exit) =>
      Effect.sync(() => {
        const outcome = classify(exit)
        if (outcome._tag !== "Ignored") troubles.at(key).forgiven = outcome._tag === "Success"
      }),
    )

  const learnCooldown = (
    key: string,
    exit: Exit.Exit<unknown, ProviderError>,
    clock: Clock.Clock,
    cooldownAtStartMs: number,
  ): void => {
    if (Exit.isSuccess(exit)) {
      // Only a call made during the cooldown disproves it: one already in flight when the provider said "wait"
      // knows nothing newer.
      const trouble = troubles.find(key)
      if (trouble?.cooldownUntilMs === cooldownAtStartMs) trouble.cooldownUntilMs = 0
      return
    }
    const error = providerError(exit.cause)
    if (error === undefined || dispositions[error.kind].breaker !== "open") return
    const waitMs = Math.min(error.retryAfterMs ?? openCooldownMs(error.kind), MAX_COOLDOWN_MS)
    const trouble = troubles.at(key)
    trouble.cooldownUntilMs = Math.max(trouble.cooldownUntilMs, clock.currentTimeMillisUnsafe() + waitMs)
  }

  const throughCircuit = <A, R>(key: string, attempt: Effect.Effect<A, ProviderError, R>) =>
    Clock.clockWith((clock) => {
      const cooldownAtStartMs = troubles.find(key)?.cooldownUntilMs ?? 0
      return breaker.execute(attempt, { key, classify }).pipe(
        Effect.catchTag("CircuitBreakerError", () => pastTheCircuit(key, attempt)),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            learnCooldown(key, exit, clock, cooldownAtStartMs)
            if (Exit.isSuccess(exit)) troubles.forgetWhenOver(key, clock.currentTimeMillisUnsafe())
            // The circuit has begun to count: the next success has to reach it.
            else if (classify(exit)._tag === "Failure") troubles.at(key)
          }),
        ),
      )
    })

  return Breakers.of({
    // A candidate without trouble has a closed circuit that counts nothing, so its successes have nothing to tell
    // it; only a failure is taken there.
    run: (key, attempt) =>
      Effect.suspend(() =>
        troubles.find(key) === undefined
          ? Effect.catch(attempt, (error) => throughCircuit(key, Effect.fail(error)))
          : throughCircuit(key, attempt),
      ),
    trippedForMs: (key, nowMs) => {
      const trouble = troubles.find(key)
      if (trouble === undefined) return 0
      const cooldownMs = Math.max(0, trouble.cooldownUntilMs - nowMs)
      if (trouble.forgiven) return cooldownMs
      const probeMs = trouble.probe === undefined ? 0 : PROBE_WAIT_MS
      return Math.max(cooldownMs, trouble.openUntilMs - nowMs, probeMs)
    },
  })
})

const untilMs = (clock: Clock.Clock, remaining: Duration.Duration): number =>
  clock.currentTimeMillisUnsafe() + Duration.toMillis(remaining)

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

/**
 * The store, with everything it says copied to where planning reads it. What other replicas did to a shared
 * circuit is learned with the first call that it rejects.
 */
const mirrored = (
  store: CircuitBreaker.CircuitBreakerStore["Service"],
  troubles: Troubles,
): CircuitBreaker.CircuitBreakerStore["Service"] => ({
  state: store.state,
  admit: (key) =>
    Effect.matchEffect(store.admit(key), {
      onSuccess: (admission) => {
        if (admission.probe) troubles.at(key).probe = admission.generation
        return Effect.succeed(admission)
      },
      onFailure: (error) =>
        Clock.clockWith((clock) => {
          if (error.reason._tag === "CircuitOpen") {
            troubles.at(key).openUntilMs = untilMs(clock, error.reason.retryAfter)
          }
          return Effect.fail(error)
        }),
    }),
  record: (options) =>
    Clock.clockWith((clock) => {
      const trouble = troubles.find(options.key)
      // Before the store is asked: a store that fails to record must not leave the probe out for ever.
      if (trouble?.probe === options.generation) trouble.probe = undefined
      return Effect.map(store.record(options), (transition) => {
        if (transition?.to === "Open" || transition?.to === "Closed") {
          const moved = troubles.at(options.key)
          moved.forgiven = false
          moved.openUntilMs = transition.to === "Open" ? untilMs(clock, transition.retryAfter) : 0
        }
        return transition
      })
    }),
})
