import { Clock, Context, Effect, Exit, Random } from "effect"
import { concernsAccount, dispositions, ProviderError } from "../../domain/ProviderError.ts"
import { monotonicMsUnsafe } from "../../platform/monotonic.ts"
import { pointOf } from "../../platform/text-hash.ts"
import type { AttemptContext, KeyState, OnLimit, ProviderKeys } from "../Provider.ts"
import type { KeyCall, KeyHealth } from "./KeyHealth.ts"

/** One key of a pool. `own` is what a call with it needs. */
interface PoolKey<Own> {
  readonly name: string
  /** Above 0. */
  readonly weight: number
  readonly health: KeyHealth
  readonly own: Own
}

/**
 * Several keys of one provider. Each attempt is made with one of them that does not rest for its model, by their weights; a
 * conversation keeps its key as long as that is well, in every process the same one, since vendors' caches and encrypted
 * reasoning belong to an account. When all rest, it is the one whose rest is over first.
 *
 * A failure that is one key's says so in `ProviderError.key`, with the wait until any key is free.
 */
export class KeyPool<Own> implements ProviderKeys {
  readonly #keys: readonly [PoolKey<Own>, ...Array<PoolKey<Own>>]

  constructor(keys: readonly [PoolKey<Own>, ...Array<PoolKey<Own>>]) {
    this.#keys = keys
  }

  /** Makes one attempt with a key that is chosen when it is sent, and learns from how it ends. */
  attempt<A>(
    model: string,
    context: AttemptContext | undefined,
    send: (own: Own, onLimit: OnLimit) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> {
    return this.#withKey(model, context?.conversation, (key, startedMs, clock) => {
      context?.onKey?.(key.name)
      const call = key.health.begin(model, startedMs)
      const onLimit: OnLimit = (ms) => {
        const nowMs = monotonicMsUnsafe(clock)
        key.health.usedUp(call, nowMs, ms)
        const leftMs = this.#leftMs(model, nowMs)
        if (leftMs > 0) context?.onLimit?.(leftMs)
      }
      // A bug of ours that throws ends the call as well: a key may wait for its probe.
      return Effect.suspend(() => send(key.own, onLimit)).pipe(
        Effect.onExit((exit) => {
          key.health.end(call)
          if (Exit.isSuccess(exit)) key.health.answered(call, monotonicMsUnsafe(clock))
          return Effect.void
        }),
        Effect.mapError((error) => this.#learn(key, call, monotonicMsUnsafe(clock), error)),
      )
    })
  }

  /** Makes a call of another kind, which vendors limit apart: all that it says of the key is that its account is refused. */
  aside<A>(
    model: string,
    send: (own: Own) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> {
    return this.#withKey(model, undefined, ({ health, own }, startedMs, clock) => {
      const call = health.beginAside(model, startedMs)
      return Effect.tapError(send(own), (error) =>
        Effect.sync(() => {
          if (concernsAccount(error)) health.refused(call, monotonicMsUnsafe(clock), error)
        }),
      )
    })
  }

  #withKey<A>(
    model: string,
    conversation: string | undefined,
    use: (key: PoolKey<Own>, nowMs: number, clock: Clock.Clock) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> {
    return Effect.contextWith((services: Context.Context<never>) => {
      const clock = Context.get(services, Clock.Clock)
      const random = Context.get(services, Random.Random)
      const nowMs = monotonicMsUnsafe(clock)
      return use(this.#choose(model, conversation, nowMs, random), nowMs, clock)
    })
  }

  #choose(
    model: string,
    conversation: string | undefined,
    nowMs: number,
    random: Context.Service.Shape<typeof Random.Random>,
  ): PoolKey<Own> {
    const [first, ...others] = this.#keys.filter(({ health }) => health.leftMs(model, nowMs) === 0)
    if (first === undefined) return this.#soonest(model, nowMs)
    if (others.length === 0) return first
    return conversation === undefined
      ? drawn([first, ...others], random.nextDoubleUnsafe())
      : least(
          [first, ...others],
          ({ name, weight }) => -Math.log(pointOf(`${conversation} ${name}`)) / weight,
        )
  }

  get names(): ReadonlyArray<string> {
    return this.#keys.map(({ name }) => name)
  }

  statesOf(model: string, nowMs: number): ReadonlyArray<KeyState> {
    return this.#keys.map(({ health, name, weight }) => ({
      name,
      weight,
      leftMs: health.leftMs(model, nowMs),
      why: health.whyOf(model),
    }))
  }

  leftMs(name: string, model: string, nowMs: number): number {
    return this.#keys.find((key) => key.name === name)?.health.leftMs(model, nowMs) ?? 0
  }

  reset(): void {
    for (const { health } of this.#keys) health.reset()
  }

  #soonest(model: string, nowMs: number): PoolKey<Own> {
    return least(this.#keys, ({ health }) => health.leftMs(model, nowMs))
  }

  /** Milliseconds until one of them is free for the model. */
  #leftMs(model: string, nowMs: number): number {
    return this.#soonest(model, nowMs).health.leftMs(model, nowMs)
  }

  #learn(key: PoolKey<Own>, call: KeyCall, nowMs: number, error: ProviderError): ProviderError {
    if (dispositions[error.kind].breaker !== "open") return error
    const startsRest = key.health.refused(call, nowMs, error)
    const { model } = call
    const othersFree = this.#keys.some((one) => one !== key && one.health.leftMs(model, nowMs) === 0)
    const { health } = this.#soonest(model, nowMs)
    const isOfAll = this.#keys.every(({ health }) => health.restsWholly(nowMs))
    // Its message is for nobody: these failures are none of a client's.
    return new ProviderError({
      ...error,
      retryAfterMs: health.leftMs(model, nowMs),
      ...(concernsAccount(error) && !isOfAll && { modelOnly: true }),
      key: { name: key.name, othersFree, startsRest, waitsForLimit: health.isLimited(model, nowMs) },
    })
  }
}

/** Draws one by weight. */
const drawn = <Own>(keys: readonly [PoolKey<Own>, ...Array<PoolKey<Own>>], point: number): PoolKey<Own> => {
  let left = point * keys.reduce((sum, { weight }) => sum + weight, 0)
  for (const key of keys) {
    left -= key.weight
    if (left < 0) return key
  }
  return keys[0]
}

/** Returns the first whose number is the least. */
const least = <A>([first, ...others]: readonly [A, ...Array<A>], numberOf: (each: A) => number): A => {
  let found = first
  let smallest = numberOf(first)
  for (const each of others) {
    const number = numberOf(each)
    if (number < smallest) {
      found = each
      smallest = number
    }
  }
  return found
}
