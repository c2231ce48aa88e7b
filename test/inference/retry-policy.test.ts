import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Pull, Random, Schedule } from "effect"
import fc from "fast-check"
import { dispositions, ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import {
  type AttemptState,
  type Fallback,
  fallbackOf,
  mayChangeKey,
  mayRetry,
  patienceWith,
  retrySchedule,
} from "../../src/inference/retry-policy.ts"

const failure = (kind: ProviderErrorKind, retryAfterMs?: number) =>
  new ProviderError({
    kind,
    provider: "a",
    model: "m",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })

const state = (kind: ProviderErrorKind, overrides: Partial<AttemptState> = {}): AttemptState => ({
  error: failure(kind),
  attempts: 1,
  attemptsHere: 1,
  maxAttempts: 4,
  remainingMs: 60_000,
  expectedMs: 500,
  next: { expectedMs: 500 },
  nextLarger: undefined,
  untried: 1,
  tripped: false,
  ...overrides,
})

type NextStep = { readonly _tag: "Retry"; readonly waitMs: number } | { readonly _tag: Fallback }

/** What follows a failure: the schedule's answer after as many failures at this candidate, else the fallback. */
const nextStep = (state: AttemptState, random = 0.5): NextStep => {
  let waiting = false
  const retried = Effect.gen(function* () {
    const schedule = retrySchedule((_, waitMs) => !waiting || mayRetry(state, waitMs))
    const step = yield* Schedule.toStep(schedule)
    for (let failed = 1; failed < state.attemptsHere; failed++) yield* step(0, state.error)
    waiting = true
    const [, wait] = yield* step(0, state.error)
    return { _tag: "Retry" as const, waitMs: Duration.toMillis(wait) }
  })
  return retried.pipe(
    Pull.catchDone(() => Effect.succeed({ _tag: fallbackOf(state) })),
    Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => random }),
    Effect.runSync,
  )
}

const kinds = Object.keys(dispositions) as Array<ProviderErrorKind>

describe("after a failure", () => {
  it.each([
    ["bad_request", "GiveUp"],
    ["content_filter", "GiveUp"],
    ["context_length_exceeded", "GiveUp"],
    ["auth", "Next"],
    ["model_not_found", "Next"],
    ["quota_exhausted", "Next"],
    ["rate_limited", "Next"],
    ["overloaded", "Retry"],
    ["request_conflict", "Retry"],
    ["server_error", "Retry"],
    ["server_error_once", "Retry"],
    ["bad_response", "Retry"],
    ["too_large", "Next"],
    ["timeout", "Next"],
    ["connect", "Retry"],
    ["reset", "Retry"],
  ] as const)("after a first %s with another candidate: %s", (kind, expected) => {
    assert.strictEqual(nextStep(state(kind))._tag, expected)
  })

  it("does not wait for one candidate for as long as another one's answer takes", () => {
    const step = (retryAfterMs: number, expectedMs: number) =>
      nextStep(state("overloaded", { error: failure("overloaded", retryAfterMs), next: { expectedMs } }))._tag
    assert.strictEqual(step(300, 500), "Retry")
    assert.strictEqual(step(20_000, 500), "Next")
    assert.strictEqual(step(300, 100), "Next")
  })

  it("asks only a larger model after a prompt that is too long", () => {
    const larger = { expectedMs: 900 }
    assert.strictEqual(nextStep(state("context_length_exceeded", { nextLarger: larger }))._tag, "NextLarger")
  })

  it("waits for a rate limit only when nobody else can be asked and the wait fits", () => {
    const alone = { next: undefined, error: failure("rate_limited", 2_000) }
    const fits = nextStep(state("rate_limited", alone))
    assert.strictEqual(fits._tag, "Retry")
    if (fits._tag === "Retry") assert.isAtLeast(fits.waitMs, 2_000)
    assert.strictEqual(nextStep(state("rate_limited", { ...alone, remainingMs: 2_100 }))._tag, "GiveUp")
  })

  it("waits for the limit of one key after another one is refused, as for any limit", () => {
    const ofKey = (waitsForLimit: boolean) =>
      new ProviderError({
        ...failure("auth", 300),
        key: { name: "search", othersFree: false, startsRest: true, waitsForLimit },
      })
    const step = (waitsForLimit: boolean, overrides: Partial<AttemptState>) =>
      nextStep(state("auth", { error: ofKey(waitsForLimit), ...overrides }))._tag
    assert.strictEqual(step(true, { next: undefined }), "Retry")
    assert.strictEqual(step(true, { next: undefined, remainingMs: 400 }), "GiveUp")
    assert.strictEqual(step(true, {}), "Next")
    assert.strictEqual(step(false, { next: undefined }), "GiveUp")
  })

  it("retries a target once, then moves on to the next", () => {
    assert.strictEqual(nextStep(state("server_error", { attempts: 2, attemptsHere: 2 }))._tag, "Next")
    assert.strictEqual(
      nextStep(state("server_error", { attempts: 3, attemptsHere: 3, next: undefined }))._tag,
      "Retry",
    )
    assert.strictEqual(
      nextStep(state("reset", { attempts: 2, attemptsHere: 2, next: undefined }))._tag,
      "GiveUp",
    )
  })

  it("leaves an attempt for every target that was not asked yet", () => {
    assert.strictEqual(nextStep(state("server_error", { attempts: 1, untried: 2 }))._tag, "Retry")
    assert.strictEqual(nextStep(state("server_error", { attempts: 1, untried: 3 }))._tag, "Next")
    assert.strictEqual(nextStep(state("server_error", { attempts: 3, untried: 1 }))._tag, "Next")
  })

  it("gives a tripped target one attempt", () => {
    assert.strictEqual(nextStep(state("server_error", { tripped: true }))._tag, "Next")
    assert.strictEqual(nextStep(state("server_error", { tripped: true, next: undefined }))._tag, "GiveUp")
  })

  const anyState: fc.Arbitrary<AttemptState> = fc
    .record({
      kind: fc.constantFrom(...kinds),
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
      attempts: fc.integer({ min: 1, max: 6 }),
      attemptsHere: fc.integer({ min: 1, max: 6 }),
      remainingMs: fc.integer({ min: -1_000, max: 100_000 }),
      expectedMs: fc.integer({ min: 1, max: 20_000 }),
      next: fc.option(fc.record({ expectedMs: fc.integer({ min: 1, max: 20_000 }) }), { nil: undefined }),
      nextLarger: fc.option(fc.record({ expectedMs: fc.integer({ min: 1, max: 20_000 }) }), {
        nil: undefined,
      }),
      untried: fc.integer({ min: 0, max: 6 }),
      tripped: fc.boolean(),
    })
    .map(({ kind, retryAfterMs, ...rest }) => ({
      ...rest,
      error: failure(kind, retryAfterMs),
      maxAttempts: 4,
    }))

  it("never goes beyond the attempt budget or the deadline", () => {
    fc.assert(
      fc.property(anyState, (any) => {
        const step = nextStep(any)
        if (any.attempts >= any.maxAttempts) assert.strictEqual(step._tag, "GiveUp")
        if (step._tag === "Retry") assert.isAtMost(step.waitMs + any.expectedMs / 4, any.remainingMs)
        if (step._tag === "Next") assert.isAtMost((any.next?.expectedMs ?? Number.NaN) / 4, any.remainingMs)
      }),
      { numRuns: 2_000 },
    )
  })

  it("never retries or moves on when the kind forbids it", () => {
    fc.assert(
      fc.property(anyState, (any) => {
        const step = nextStep(any)
        const { retry, fallback } = dispositions[any.error.kind]
        if (retry === "never") assert.notStrictEqual(step._tag, "Retry")
        if (fallback !== "yes") assert.notStrictEqual(step._tag, "Next")
      }),
      { numRuns: 2_000 },
    )
  })

  it("honours Retry-After in every retry", () => {
    fc.assert(
      fc.property(anyState, (any) => {
        const step = nextStep(any)
        if (step._tag === "Retry") assert.isAtLeast(step.waitMs, any.error.retryAfterMs ?? 0)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("the wait before a retry", () => {
  it("stays between nothing and the capped exponential, on top of what the provider asked for", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 0, max: 30_000 }),
        (attemptsHere, random, retryAfterMs) => {
          const alone = { attempts: 1, attemptsHere, next: undefined, remainingMs: 1_000_000 }
          const step = nextStep(
            state("overloaded", { ...alone, error: failure("overloaded", retryAfterMs) }),
            random,
          )
          if (step._tag !== "Retry") return assert.fail(step._tag)
          assert.isAtLeast(step.waitMs, retryAfterMs)
          assert.isAtMost(step.waitMs - retryAfterMs, Math.min(8_000, 100 * 2 ** (attemptsHere - 1)))
        },
      ),
    )
  })
})

describe("patience with a call", () => {
  const candidate = { expectedMs: 1_000, patienceMs: 5_000, tier: 0 } as const
  const next = { expectedMs: 800, tier: 0 } as const
  const time = { attempts: 1, left: 0, maxAttempts: 4, remainingMs: 60_000 }

  it("is the candidate's own, and more of it after one was left or where the next one is not well", () => {
    assert.strictEqual(patienceWith(candidate, next, time), 5_000)
    assert.strictEqual(patienceWith(candidate, next, { ...time, left: 1 }), 20_000)
    assert.strictEqual(patienceWith(candidate, { ...next, tier: 1 }, time), 20_000)
  })

  it("grows to a minute at most, where it is not more anyway", () => {
    const long = { ...time, remainingMs: 600_000, left: 2 }
    assert.strictEqual(patienceWith(candidate, next, long), 60_000)
    const patient = { ...candidate, patienceMs: 125_000 }
    assert.strictEqual(patienceWith(patient, next, long), 125_000)
    // Who is not well is no better place after a minute either.
    assert.strictEqual(patienceWith(patient, { ...next, tier: 1 }, long), 500_000)
  })

  it("leaves the next one the time that it needs", () => {
    assert.strictEqual(patienceWith(candidate, next, { ...time, remainingMs: 4_000 }), 3_200)
    // Too little for both: the first one gets all of it.
    assert.strictEqual(patienceWith(candidate, next, { ...time, remainingMs: 2_000 }), 2_000)
  })

  it("is all the time there is without anybody to ask next, or an attempt to ask with", () => {
    assert.strictEqual(patienceWith(candidate, undefined, time), 60_000)
    assert.strictEqual(patienceWith(candidate, next, { ...time, attempts: 4 }), 60_000)
  })
})

describe("a candidate with another key", () => {
  const asked = (attempts: number, changed: boolean, next: unknown, remainingMs = 60_000) =>
    mayChangeKey({ attempts, changed, next, remainingMs, maxAttempts: 4, expectedMs: 500 })

  it("is asked at once while there are attempts and time", () => {
    assert.isTrue(asked(3, false, {}))
    assert.isTrue(asked(3, true, undefined))
    assert.isFalse(asked(4, false, undefined))
    assert.isFalse(asked(1, false, undefined, 100))
  })

  it("leaves the last attempt to the next candidate, once it was asked with two", () => {
    assert.isTrue(asked(2, true, {}))
    assert.isFalse(asked(3, true, {}))
  })
})
