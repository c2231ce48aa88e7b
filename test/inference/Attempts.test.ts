import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { RequestId } from "../../src/domain/Ids.ts"
import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { callWhole, deadlineOf } from "../../src/inference/upstream-call.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import { Router } from "../../src/routing/Router.ts"
import { ask } from "../routing/world.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { attempts, type Fate, makeUpstream, settings } from "./world.ts"

const answers: Fate = { afterMs: 500 }
const hangs: Fate = { afterMs: Number.POSITIVE_INFINITY }
const fails = (kind: ProviderErrorKind, retryAfterMs?: number): Fate => ({
  afterMs: 100,
  fails: { kind, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
})

/** Each target's calls go as listed; the last entry repeats. The note of a call takes `noteMs`. */
const scripted = (script: Readonly<Record<string, ReadonlyArray<Fate>>>, noteMs = 0) => {
  const upstream = makeUpstream(({ target }) =>
    Effect.sync(() => {
      const fates = script[target] ?? [answers]
      const earlier = upstream.calls.filter((call) => call.target === target).length - 1
      return fates[Math.min(earlier, fates.length - 1)] ?? answers
    }),
  )

  const recorders: Array<RequestRecorder> = []
  const announced: Array<string> = []
  const recordIntent = ({ key }: Candidate) => {
    const noted = Effect.sync(() => void announced.push(key))
    return noteMs === 0 ? noted : Effect.uninterruptible(Effect.andThen(Effect.sleep(noteMs), noted))
  }

  const infer = (requestedModel: string, heldUpMs = 0, clientMs?: number) =>
    Effect.gen(function* () {
      const task = { _tag: "Chat" as const, request: ask(), mode: "whole" as const }
      const recorder = new RequestRecorder(RequestId.make("request"), "/infer", yield* Clock.Clock)
      recorders.push(recorder)
      yield* Effect.sleep(heldUpMs)
      const plan = yield* (yield* Router).plan({
        requestedModel,
        task,
        keyId: "key",
        allowed: undefined,
        remainingMs: timeouts.deadlineMs,
      })
      const exit = yield* Effect.exit(
        (yield* Attempts).run(
          plan,
          callWhole(deadlineOf(timeouts.deadlineMs, clientMs)),
          recorder,
          recordIntent,
        ),
      )
      const error = Exit.findErrorOption(exit)
      return {
        answeredBy: Exit.isSuccess(exit) ? exit.value.candidate.key : undefined,
        code: error._tag === "Some" ? error.value.code : undefined,
        endedAt: yield* Clock.currentTimeMillis,
      }
    })

  /** Starts one request, lets two minutes pass and says how it ended. */
  const settled = (requestedModel: string, heldUpMs?: number) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(infer(requestedModel, heldUpMs))
      yield* TestClock.adjust("2 minutes")
      return yield* Fiber.join(fiber)
    })

  const records = () => recorders.flatMap(({ attempts }) => attempts)
  const recorded = () => recorders.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome))
  const asked = () => upstream.calls.map((call) => `${call.target} ${call.outcome}`)
  const world = attempts.pipe(Layer.provide([upstream.layer, settings, startedClock]))
  return { announced, calls: upstream.calls, asked, recorded, records, infer, settled, world }
}

/** Half of the jitter's range, and no exploration. */
const steadyRandom = Effect.provideService(Random.Random, {
  nextIntUnsafe: () => 0,
  nextDoubleUnsafe: () => 0.5,
})

describe("what a failed attempt used", () => {
  it.effect("is kept with it, and priced", () => {
    const usage = {
      inputTokens: 50_000,
      outputTokens: 2_000,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 2_000,
    }
    const malformed: Fate = { afterMs: 100, fails: { kind: "server_error_once", usage } }
    const { records, settled, world } = scripted({ "a/m": [malformed] })
    return Effect.gen(function* () {
      yield* settled("a/m")
      const found = records()
      assert.isAbove(found.length, 0)
      for (const { costNanoUsd, usage: kept, usageEstimated } of found) {
        assert.deepStrictEqual(kept, usage)
        assert.isFalse(usageEstimated)
        assert.isAbove(costNanoUsd ?? 0, 0)
      }
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a rate limit of the only candidate", () => {
  it.effect("is waited for as long as the provider asked, plus the jitter", () => {
    const { calls, settled, world } = scripted({ "a/m": [fails("rate_limited", 7_000), answers] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("only-a")).answeredBy, "a/m")
      assert.deepStrictEqual(
        calls.map((call) => call.startedAt - START_MS),
        [0, 100 + 7_000 + 50],
      )
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("is told to the client at once when the wait goes beyond the deadline", () => {
    const { asked, settled, world } = scripted({ "a/m": [fails("rate_limited", timeouts.deadlineMs)] })
    return Effect.gen(function* () {
      const { code, endedAt } = yield* settled("only-a")
      assert.strictEqual(code, "upstream_rate_limited")
      assert.strictEqual(endedAt, START_MS + 100)
      assert.deepStrictEqual(asked(), ["a/m rate_limited"])
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a rate limit with somebody else to ask", () => {
  it.effect("is not waited for", () => {
    const { announced, asked, calls, settled, world } = scripted({ "a/m": [fails("rate_limited", 1_000)] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("a-then-b")).answeredBy, "b/m")
      assert.deepStrictEqual(asked(), ["a/m rate_limited", "b/m success"])
      assert.deepStrictEqual(announced, ["a/m", "b/m"])
      assert.strictEqual(calls[1]?.startedAt, START_MS + 100)
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a failing candidate", () => {
  it.effect("is retried once after the backoff, then the next one is asked", () => {
    const { asked, calls, recorded, settled, world } = scripted({ "a/m": [fails("server_error")] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("a-then-b")).answeredBy, "b/m")
      assert.deepStrictEqual(asked(), ["a/m server_error", "a/m server_error", "b/m success"])
      // 100 ms for each failure, and half of the first backoff's 100 ms between them.
      assert.deepStrictEqual(
        calls.map((call) => call.startedAt - START_MS),
        [0, 150, 250],
      )
      assert.deepStrictEqual(recorded(), ["server_error", "server_error", "success"])
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("and its fallback share one attempt budget", () => {
    const { asked, settled, world } = scripted({
      "a/m": [fails("server_error")],
      "b/m": [fails("server_error")],
      "c/m": [fails("server_error")],
    })
    return Effect.gen(function* () {
      const { code } = yield* settled("auto")
      assert.deepStrictEqual(asked(), [
        "a/m server_error",
        "a/m server_error",
        "b/m server_error",
        "c/m server_error",
      ])
      assert.strictEqual(code, "no_provider_available")
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("that dislikes the gateway's credentials is left at once, without a retry", () => {
    const { asked, settled, world } = scripted({ "a/m": [fails("auth")] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("a-then-b")).answeredBy, "b/m")
      assert.deepStrictEqual(asked(), ["a/m auth", "b/m success"])
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("is not retried once the provider's retry budget is used up", () => {
    const { asked, settled, world } = scripted({ "a/m": [fails("server_error_once")] })
    return Effect.gen(function* () {
      // Three to start with, and a fifth of one for each request: not yet a fourth after four requests.
      for (let i = 0; i < 4; i++) yield* settled("only-a")
      assert.strictEqual(asked().length, 4 + 3)
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a prompt that is too long", () => {
  const tooLong = fails("context_length_exceeded")

  it.effect("goes to the larger model and not to the next candidate", () => {
    const { asked, settled, world } = scripted({ "a/m": [tooLong], "b/m": [tooLong] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("a-then-b")).answeredBy, "b/big")
      assert.deepStrictEqual(asked(), ["a/m context_length_exceeded", "b/big success"])
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect(
    "does not go back to the smaller ones when the larger fails: that is not the client's fault",
    () => {
      const { asked, settled, world } = scripted({
        "a/m": [tooLong],
        "b/m": [tooLong],
        "b/big": [fails("timeout")],
      })
      return Effect.gen(function* () {
        const { code } = yield* settled("a-then-b")
        assert.deepStrictEqual(asked(), ["a/m context_length_exceeded", "b/big timeout"])
        assert.strictEqual(code, "no_provider_available")
      }).pipe(Effect.provide(world), steadyRandom)
    },
  )
})

describe("a prompt that is too long for a larger model too", () => {
  it.effect("is not sent to the same model again after another one failed in between", () => {
    const tooLong = fails("context_length_exceeded")
    const { asked, settled, world } = scripted({
      "a/m": [tooLong],
      "b/big": [fails("timeout")],
      "c/big": [tooLong],
    })
    return Effect.gen(function* () {
      const { code } = yield* settled("two-larger")
      assert.deepStrictEqual(asked(), [
        "a/m context_length_exceeded",
        "b/big timeout",
        "c/big context_length_exceeded",
      ])
      assert.strictEqual(code, "context_length_exceeded")
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("when every candidate is tripped", () => {
  it.effect("the best one is still tried, and an answer makes it ordinary again", () => {
    const { asked, settled, world } = scripted({
      "a/m": [fails("auth"), answers],
      "b/m": [fails("auth")],
    })
    return Effect.gen(function* () {
      yield* settled("a-then-b")
      const breakers = yield* Breakers
      const now = yield* monotonicMs
      assert.isAbove(breakers.healthOf("a/m").trippedForMs(now), 0)
      assert.isAbove(breakers.healthOf("b/m").trippedForMs(now), 0)
      assert.strictEqual((yield* settled("a-then-b")).answeredBy, "a/m")
      assert.deepStrictEqual(asked(), ["a/m auth", "b/m auth", "a/m success"])
      assert.strictEqual(breakers.healthOf("a/m").trippedForMs(now), 0)
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("each gets one attempt: no retries at a target that is in trouble", () => {
    const { asked, settled, world } = scripted({
      "a/m": [fails("auth"), fails("server_error")],
      "b/m": [fails("auth"), fails("server_error")],
    })
    return Effect.gen(function* () {
      yield* settled("a-then-b")
      yield* settled("a-then-b")
      assert.deepStrictEqual(asked().slice(2), ["a/m server_error", "b/m server_error"])
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("a silent one holds the client for a few of its usual answers, not for the deadline", () => {
    const { calls, settled, world } = scripted({ "a/m": [fails("auth"), hangs] })
    return Effect.gen(function* () {
      yield* settled("only-a")
      yield* settled("only-a")
      // Four times the 3.8 s that are expected of a candidate nobody has heard from.
      assert.strictEqual(calls[1]?.timeoutMs, 15_200)
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("the deadline", () => {
  it.effect("spans all attempts: each gets what the earlier ones left", () => {
    const { calls, settled, world } = scripted({ "a/m": [hangs], "b/m": [hangs], "c/m": [hangs] })
    return Effect.gen(function* () {
      const { code } = yield* settled("auto")
      assert.strictEqual(code, "upstream_timeout")
      assert.deepStrictEqual(
        calls.map((call) => call.timeoutMs),
        // The first may be left early, at five times the 3.8 s that are expected of it; the second so that the third has as
        // much, which gets all that remains.
        [
          19_000,
          timeouts.deadlineMs - timeouts.headersMs - 3_800,
          timeouts.deadlineMs - 2 * timeouts.headersMs,
        ],
      )
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("that passed before the first attempt leaves no attempt", () => {
    const { asked, settled, world } = scripted({})
    return Effect.gen(function* () {
      assert.strictEqual((yield* settled("auto", timeouts.deadlineMs)).code, "upstream_timeout")
      assert.deepStrictEqual(asked(), [])
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("the client's own deadline", () => {
  const measured: Fate = {
    ...answers,
    usage: { inputTokens: 9, outputTokens: 9, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  }
  /** Makes what asks, and lets pass the time that the client gives or an answer takes. */
  const asking = (infer: ReturnType<typeof scripted>["infer"]) => (model: string, clientMs?: number) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(infer(model, 0, clientMs))
      yield* TestClock.adjust(clientMs ?? 500)
      return (yield* Fiber.join(fiber)).code
    })

  it.effect("leaves the next candidate its time, and blames nobody for having none", () => {
    const { asked, infer, world } = scripted({
      "a/m": [...Array<Fate>(10).fill(measured), hangs],
      "b/m": [measured],
    })
    const ask = asking(infer)
    return Effect.gen(function* () {
      for (let i = 0; i < 10; i++) {
        yield* ask("only-a")
        yield* ask("b/m")
      }
      for (let i = 0; i < 5; i++) assert.isUndefined(yield* ask("a-then-b", 2_000))
      assert.deepStrictEqual(asked().slice(-2), ["a/m timeout", "b/m success"])
      const { healthOf } = yield* Breakers
      assert.strictEqual(healthOf("a/m").trippedForMs(yield* monotonicMs), 0)
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("is held against nobody, but where the candidate had the time to be left for another", () => {
    const { infer, recorded, world } = scripted({
      "a/m": [...Array<Fate>(10).fill(measured), hangs],
    })
    const ask = asking(infer)
    return Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* ask("only-a")
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* ask("only-a", 2_000), "upstream_timeout")
      const { healthOf } = yield* Breakers
      assert.strictEqual(healthOf("a/m").trippedForMs(yield* monotonicMs), 0)
      for (let i = 0; i < 5; i++) yield* ask("only-a", 5_000)
      assert.deepStrictEqual(recorded(), [
        ...Array(10).fill("success"),
        ...Array(5).fill("client_deadline"),
        ...Array(5).fill("timeout"),
      ])
      assert.isAbove(healthOf("a/m").trippedForMs(yield* monotonicMs), 0)
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a process that stands still", () => {
  it.effect("while a retry is waited for makes none when the deadline has passed", () => {
    const { asked, infer, world } = scripted({ "a/m": [fails("overloaded", 5_000), answers] })
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const still: Clock.Clock = {
        ...clock,
        sleep: (duration) =>
          clock.sleep(Duration.toMillis(duration) > 5_000 ? Duration.minutes(2) : duration),
      }
      const fiber = yield* Effect.forkChild(Effect.provideService(infer("only-a"), Clock.Clock, still))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Fiber.join(fiber)).code, "upstream_overloaded")
      assert.deepStrictEqual(asked(), ["a/m overloaded"])
    }).pipe(Effect.provide(world), steadyRandom)
  })
})

describe("a client that leaves", () => {
  it.effect("aborts the attempt under way, which is recorded as cancelled and held against nobody", () => {
    const { calls, infer, recorded, world } = scripted({ "a/m": [hangs] })
    return Effect.gen(function* () {
      // As many as would open the circuit if they counted.
      for (let i = 0; i < 5; i++) {
        const fiber = yield* Effect.forkChild(infer("only-a"))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(calls[i]?.endedAt, undefined)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(calls[i]?.endedAt, START_MS + (i + 1) * 2_000)
      }
      assert.deepStrictEqual(recorded(), Array(5).fill("cancelled"))
      assert.strictEqual((yield* Breakers).healthOf("a/m").trippedForMs(yield* monotonicMs), 0)
      const { candidates } = yield* (yield* Router).plan({
        requestedModel: "only-a",
        task: { _tag: "Chat", request: ask(), mode: "whole" },
        keyId: "key",
        allowed: undefined,
        remainingMs: timeouts.deadlineMs,
      })
      assert.strictEqual(candidates[0]?.availability, 1)
    }).pipe(Effect.provide(world), steadyRandom)
  })

  it.effect("before its call has left has sent nothing that could cost anything", () => {
    const { announced, calls, infer, records, world } = scripted({}, 10)
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(infer("only-a"), { startImmediately: true })
      yield* TestClock.adjust("5 millis")
      const left = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("5 millis")
      yield* Fiber.join(left)
      assert.deepStrictEqual(announced, ["a/m"])
      assert.deepStrictEqual(calls, [])
      const [{ costNanoUsd, dispatched, outcome } = assert.fail()] = records()
      assert.deepStrictEqual([outcome, dispatched, costNanoUsd], ["cancelled", "no", null])
    }).pipe(Effect.provide(world), steadyRandom)
  })
})
