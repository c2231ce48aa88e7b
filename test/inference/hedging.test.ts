import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/config/Settings.ts"
import type { AnswerSummary, CallMode } from "../../src/domain/Chat.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import type { AnswerSink } from "../../src/inference/AnswerSink.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { hedged } from "../../src/inference/hedging.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { StreamedAnswer } from "../../src/inference/StreamedAnswer.ts"
import type { UpstreamCall } from "../../src/inference/upstream-call.ts"
import { callStreamed, callWhole, deadlineOf } from "../../src/inference/upstream-call.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import { Router } from "../../src/routing/Router.ts"
import { Dice } from "../fuzz/Dice.ts"
import { ask, chat } from "../routing/world.ts"
import { timeouts } from "../support/settings.ts"
import { startedClock } from "../support/started-clock.ts"
import { attempts, type Fate, makeUpstream, piece, settings } from "./world.ts"

/** The route `hedged` asks `a/m`, and when that is late `b/m`; `c/m` has no price. */

const usage = {
  inputTokens: 1_000,
  outputTokens: 100,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
}
const hangs: Fate = { afterMs: Number.POSITIVE_INFINITY }
const answers = (afterMs: number, more: Partial<Fate> = {}): Fate => ({ afterMs, usage, ...more })
const failsAfter = (afterMs: number, kind: ProviderErrorKind): Fate => ({ afterMs, fails: { kind } })

const USUAL_MS = 500

const makeWorld = (maxAttempts = 4) => {
  const fates = new Map<string, Array<Fate>>()
  const upstream = makeUpstream(({ target }) =>
    Effect.sync(() => fates.get(target)?.shift() ?? answers(target === "a/m" ? USUAL_MS : 200)),
  )
  const begun = Effect.fnUntraced(function* (mode: CallMode, requestedModel: string, deadlineMs?: number) {
    const clock = yield* Clock.Clock
    const startedMs = clock.currentTimeMillisUnsafe()
    const from = upstream.calls.length
    const task = chat(ask(), mode)
    const recorder = new RequestRecorder(RequestId.make("request"), "/infer", clock)
    const texts: Array<string> = []
    const sink: AnswerSink = {
      begin: () => {},
      chunk: (chunk) => {
        if (chunk.text !== "") texts.push(chunk.text)
        return true
      },
      settle: () => {},
      end: () => {},
      opened: false,
      full: false,
      needsText: true,
      onRoom: () => {},
    }
    const answering = Effect.gen(function* () {
      const plan = yield* (yield* Router).plan({
        requestedModel,
        task,
        keyId: "key",
        allowed: undefined,
        remainingMs: timeouts.deadlineMs,
      })
      recorder.planned(plan, recorder.now())
      const { run } = yield* Attempts
      const deadline = deadlineOf(timeouts.deadlineMs, deadlineMs)
      if (mode === "whole") return yield* run(plan, callWhole(deadline), recorder, () => Effect.void)
      const stream = new StreamedAnswer(
        sink,
        () => recorder.now(),
        () => 1_000,
      )
      recorder.stream = stream
      return yield* run(plan, callStreamed(stream, timeouts, deadline), recorder, () => Effect.void)
    })
    const fiber = yield* Effect.forkChild(answering)
    return {
      fiber,
      recorder,
      texts,
      afterMs: () => recorder.plan?.decision.hedge?.after_ms ?? Number.NaN,
      records: () => recorder.attempts.map(({ provider, outcome }) => `${provider} ${outcome}`),
      calls: () =>
        upstream.calls.slice(from).map(({ target, startedAt, endedAt, outcome }) => ({
          target,
          at: startedAt - startedMs,
          until: endedAt === undefined ? undefined : endedAt - startedMs,
          outcome,
        })),
    }
  })
  /** Makes a request, which goes as `script` says, and lets it come to its end. */
  const settled = Effect.fnUntraced(function* (
    mode: CallMode,
    script: Readonly<Record<string, ReadonlyArray<Fate>>> = {},
    { model = "hedged", deadlineMs, ms = 90_000 }: { model?: string; deadlineMs?: number; ms?: number } = {},
  ) {
    fates.clear()
    for (const [target, listed] of Object.entries(script)) fates.set(target, [...listed])
    const request = yield* begun(mode, model, deadlineMs)
    yield* TestClock.adjust(ms)
    const exit = yield* Fiber.await(request.fiber)
    const error = Exit.findErrorOption(exit)
    return {
      ...request,
      answeredBy: Exit.isSuccess(exit) ? exit.value.candidate.key : undefined,
      summary: Exit.isSuccess(exit) ? exit.value.answer : undefined,
      code: error._tag === "Some" && "code" in error.value ? error.value.code : undefined,
    }
  })
  /** Has both candidates known, and the shares earned. */
  const warm = (mode: CallMode) =>
    Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* settled(mode, {}, { model: "b/m", ms: 1_000 })
      for (let i = 0; i < 40; i++) yield* settled(mode, {}, { ms: 1_000 })
    })
  const limited = Layer.effect(
    Settings,
    Effect.map(Settings, (all) => ({
      ...all,
      gateway: { ...all.gateway, limits: { ...all.gateway.limits, maxAttempts } },
    })),
  ).pipe(Layer.provide(settings))
  const layer = attempts.pipe(Layer.provide([upstream.layer, limited, startedClock]))
  return { begun, fates, layer, settled, upstream, warm }
}

const steadyRandom = Effect.provideService(Random.Random, {
  nextIntUnsafe: () => 0,
  nextDoubleUnsafe: () => 0.5,
})

const story = <E>(
  name: string,
  body: (
    world: Omit<ReturnType<typeof makeWorld>, "layer">,
  ) => Effect.Effect<void, E, Router | Attempts | Breakers>,
) =>
  it.effect(name, () => {
    const { layer, ...world } = makeWorld()
    return body(world).pipe(Effect.provide(layer), steadyRandom)
  })

describe.each(["whole", "stream"] as const)("a hedge of a %s answer", (mode) => {
  story(
    "starts when the first is later than nearly all of its answers, and not before",
    ({ settled, warm }) =>
      Effect.gen(function* () {
        yield* warm(mode)
        const { afterMs, answeredBy, calls, records, texts } = yield* settled(mode, { "a/m": [hangs] })
        assert.isAtLeast(afterMs(), USUAL_MS)
        assert.isAtMost(afterMs(), 1.3 * USUAL_MS)
        const [first, second] = calls()
        assert.strictEqual(Math.round(second?.at ?? 0), afterMs())
        assert.strictEqual(second?.outcome, "success")
        assert.strictEqual(first?.outcome, "cancelled")
        // At once: the rest of the stream takes no time here.
        assert.strictEqual(first?.until, second?.at === undefined ? undefined : second.at + 200)
        assert.strictEqual(answeredBy, "b/m")
        assert.deepStrictEqual(records(), ["a hedged", "b success"])
        if (mode === "stream") assert.deepStrictEqual(texts, ["hel", "lo"])
      }),
  )

  story("does not start when the first answers in time", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { answeredBy, records } = yield* settled(mode, { "a/m": [answers(USUAL_MS)] })
      assert.strictEqual(answeredBy, "a/m")
      assert.deepStrictEqual(records(), ["a success"])
    }),
  )

  story("is cut when the first answers after all, and costs what it may have cost", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { answeredBy, recorder, summary, texts } = yield* settled(mode, {
        "a/m": [answers(700)],
        "b/m": [answers(600)],
      })
      assert.strictEqual(answeredBy, "a/m")
      assert.strictEqual(summary?.text, "hello")
      if (mode === "stream") assert.deepStrictEqual(texts, ["hel", "lo"])
      const [cut, answer] = recorder.attempts
      assert.strictEqual(recorder.attempts.length, 2)
      assert.strictEqual(cut?.outcome, "hedged")
      assert.strictEqual(cut?.hedge, true)
      assert.strictEqual(cut?.dispatched, "unknown")
      assert.isTrue(cut?.usageEstimated)
      assert.isAbove(cut?.usage?.inputTokens ?? 0, 0)
      assert.isAbove(cut?.costNanoUsd ?? 0, 0)
      assert.strictEqual(answer?.outcome, "success")
      assert.isUndefined(answer?.hedge)
      assert.isFalse(answer?.usageEstimated)
    }),
  )

  story("goes on as the fallback when the first fails", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { answeredBy, calls, records } = yield* settled(mode, {
        "a/m": [failsAfter(700, "server_error")],
        "b/m": [answers(600)],
      })
      assert.strictEqual(answeredBy, "b/m")
      assert.deepStrictEqual(records(), ["a server_error", "b success"])
      assert.strictEqual(calls().length, 2)
    }),
  )

  story("that fails leaves the first alone", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { answeredBy, calls, records } = yield* settled(mode, {
        "a/m": [answers(2_000)],
        "b/m": [failsAfter(100, "server_error")],
      })
      assert.strictEqual(answeredBy, "a/m")
      assert.deepStrictEqual(records(), ["b server_error", "a success"])
      assert.strictEqual(calls().length, 2)
    }),
  )

  story("that fails as the first does leaves the rest to the usual fallback", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { answeredBy, records } = yield* settled(mode, {
        "a/m": [failsAfter(900, "timeout")],
        "b/m": [failsAfter(100, "server_error")],
      })
      assert.strictEqual(answeredBy, "c/m")
      assert.deepStrictEqual(records(), ["b server_error", "a timeout", "c success"])
    }),
  )

  story("ends with a refusal that nobody else may be asked after", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { code, records } = yield* settled(mode, {
        "a/m": [failsAfter(700, "content_filter")],
        "b/m": [answers(600)],
      })
      assert.strictEqual(code, "content_filter")
      assert.deepStrictEqual(records(), ["a content_filter", "b hedged"])
    }),
  )

  story("is not made in the time that the client does not have", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { calls, records } = yield* settled(mode, { "a/m": [hangs] }, { deadlineMs: 650 })
      assert.strictEqual(calls().length, 1)
      assert.deepStrictEqual(records(), ["a client_deadline"])
    }),
  )

  story("ends at the client's deadline with the first, each in the ledger", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const { code, records } = yield* settled(
        mode,
        { "a/m": [hangs], "b/m": [hangs] },
        { deadlineMs: 1_000 },
      )
      assert.strictEqual(code, "upstream_timeout")
      assert.strictEqual(records().length, 2)
    }),
  )

  story("is not made of a candidate that is in trouble", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      yield* settled(mode, { "b/m": [failsAfter(10, "auth")] }, { model: "b/m" })
      const { afterMs, calls } = yield* settled(mode, { "a/m": [answers(2_000)] })
      assert.isNaN(afterMs())
      assert.strictEqual(calls().length, 1)
    }),
  )

  story("is not made before enough answers are known", ({ settled, upstream }) =>
    Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* settled(mode, {}, { model: "b/m", ms: 1_000 })
      for (let i = 0; i < 19; i++) yield* settled(mode, {}, { ms: 1_000 })
      const before = yield* settled(mode, { "a/m": [answers(2_500)] })
      assert.isNaN(before.afterMs())
      const known = yield* settled(mode, {}, { ms: 1_000 })
      assert.isNotNaN(known.afterMs())
      assert.strictEqual(upstream.calls.filter(({ target }) => target === "b/m").length, 5)
    }),
  )

  story("is cut with the first when the client leaves", ({ begun, fates, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      fates.set("a/m", [hangs])
      fates.set("b/m", [hangs])
      const { calls, fiber, records } = yield* begun(mode, "hedged")
      yield* TestClock.adjust(800)
      assert.strictEqual(calls().length, 2)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(records(), ["a cancelled", "b cancelled"])
      assert.isTrue(calls().every(({ outcome }) => outcome === "cancelled"))
    }),
  )

  story("teaches of the one that was cut only that it would have taken longer", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm(mode)
      const before = yield* settled(mode, { "a/m": [hangs] })
      const health = (yield* Breakers).healthOf("a/m")
      assert.strictEqual(health.inFlight, 0)
      const later = yield* settled(mode, {}, { ms: 1_000 })
      const predicted = (request: typeof before) => request.recorder.plan?.candidates[0]
      assert.closeTo(predicted(later)?.expectedMs ?? 0, predicted(before)?.expectedMs ?? 0, 1)
      assert.strictEqual(predicted(later)?.availability, 1)
      assert.isAtLeast(later.afterMs(), before.afterMs())
    }),
  )
})

describe("a hedged stream", () => {
  story("has no other answer once something was said, however it ends", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm("stream")
      const { answeredBy, calls, code, records, texts } = yield* settled("stream", {
        "a/m": [hangs],
        "b/m": [answers(100, { pieces: ["half"], breaks: "reset" })],
      })
      assert.isUndefined(answeredBy)
      assert.strictEqual(code, "upstream_error")
      assert.deepStrictEqual(texts, ["half"])
      assert.deepStrictEqual(records(), ["a hedged", "b reset"])
      assert.strictEqual(calls().length, 2)
    }),
  )

  story(
    "has no second attempt after the first said something, however slowly it goes on",
    ({ settled, warm }) =>
      Effect.gen(function* () {
        yield* warm("stream")
        const { calls, texts } = yield* settled("stream", {
          "a/m": [answers(300, { pieces: ["s", "l", "o", "w"], pieceMs: 3_000 })],
        })
        assert.strictEqual(calls().length, 1)
        assert.strictEqual(texts.join(""), "slow")
      }),
  )

  story("goes on from the one that spoke first while it is still speaking", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm("stream")
      const { calls, summary, texts } = yield* settled("stream", {
        "a/m": [answers(1_500, { pieces: ["a"] })],
        "b/m": [answers(100, { pieces: ["b", "b"], pieceMs: 2_000 })],
      })
      assert.deepStrictEqual(texts, ["b", "b"])
      assert.strictEqual(summary?.text, "bb")
      const [first, second] = calls()
      assert.strictEqual(first?.until, (second?.at ?? 0) + 100)
    }),
  )
})

describe("two answers in the same moment", () => {
  it.effect("are one answer, and the other one is cut", () =>
    Effect.gen(function* () {
      const ends = [yield* Deferred.make<AnswerSummary>(), yield* Deferred.make<AnswerSummary>()]
      const summary = (text: string): AnswerSummary => ({
        text,
        finishReason: "stop",
        model: "m",
        usage: { ...usage, outputTokens: text.length },
        usageEstimated: false,
        rawUsage: null,
      })
      const call: UpstreamCall<AnswerSummary> = {
        mode: "whole",
        deadline: deadlineOf(60_000, undefined),
        attempt: ({ key }) => {
          const end = ends[Number(key)]
          return end === undefined ? Effect.never : Deferred.await(end)
        },
        committed: () => false,
        partial: () => undefined,
        firstTokenAt: () => undefined,
        rival: () => call,
      }
      // Of a candidate nothing but its name is looked at here.
      const candidates = ["0", "1"].map((key) => ({ key }) as Candidate)
      const [first, second] = candidates
      assert.isDefined(first)
      assert.isDefined(second)
      if (first === undefined || second === undefined) return
      const seen: Array<unknown> = []
      const fiber = yield* Effect.forkChild(
        hedged({
          call,
          candidates: [first, second],
          attempt: (candidate, own) =>
            Effect.onExit(own.attempt(candidate, 1, 1, {}), (exit) =>
              Effect.sync(() => seen.push([candidate.key, exit._tag, own.race?.isCut()])),
            ),
          afterMs: 10,
          mayStart: () => true,
        }),
      )
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(20)
      yield* Effect.sync(() => {
        for (const [i, end] of ends.entries())
          Deferred.doneUnsafe(end, Effect.succeed(summary(`answer ${i}`)))
      })
      assert.strictEqual((yield* Fiber.join(fiber)).text, "answer 0")
      assert.deepStrictEqual(seen, [
        ["1", "Failure", true],
        ["0", "Success", false],
      ])
    }),
  )

  it("are one stream: what the other says goes nowhere", () => {
    const out: Array<string> = []
    const sink: AnswerSink = {
      begin: () => {},
      chunk: ({ text }) => out.push(text) > 0,
      settle: () => {},
      end: () => {},
      opened: false,
      full: false,
      needsText: true,
      onRoom: () => {},
    }
    const answer = new StreamedAnswer(
      sink,
      () => 7,
      () => 1,
    )
    let winner: number | undefined
    const [one, other] = [0, 1].map((place) => {
      const rival = answer.rival(() => {
        winner ??= place
        return winner === place
      })
      rival.begin({ key: `${place}` } as Candidate)
      return rival
    })
    let rooms = 0
    if (one !== undefined) {
      one.onRoom = () => {
        rooms += 1
      }
    }
    one?.write(piece("", { semantic: false }))
    other?.write(piece("", { semantic: false }))
    one?.write(piece("a"))
    other?.write(piece("b"))
    one?.write(piece("c"))
    other?.write(piece("d"))
    assert.deepStrictEqual(out, ["", "a", "c"])
    assert.strictEqual(answer.summary().text, "ac")
    assert.strictEqual(answer.candidate?.key, "0")
    assert.isTrue(answer.committed)
    sink.onRoom()
    assert.strictEqual(rooms, 1)
  })
})

describe("the one attempt that a request may have", () => {
  it.effect("is not a hedge", () => {
    const { layer, settled, warm } = makeWorld(1)
    return Effect.gen(function* () {
      yield* warm("whole")
      const { afterMs, answeredBy, calls } = yield* settled("whole", { "a/m": [answers(2_000)] })
      assert.isNotNaN(afterMs())
      assert.strictEqual(answeredBy, "a/m")
      assert.strictEqual(calls().length, 1)
    }).pipe(Effect.provide(layer), steadyRandom)
  })
})

describe("the shares of a route", () => {
  story("bound its hedges, whatever the first candidate does", ({ settled, warm }) =>
    Effect.gen(function* () {
      yield* warm("whole")
      let hedges = 0
      let hedgedNanoUsd = 0
      let nanoUsd = 45 * 1_100_000
      for (let i = 0; i < 60; i++) {
        const { recorder } = yield* settled("whole", { "a/m": [hangs, hangs] })
        for (const { costNanoUsd, hedge, outcome } of recorder.attempts) {
          if (hedge) hedges += 1
          if (hedge) hedgedNanoUsd += costNanoUsd ?? 0
          if (outcome === "success") nanoUsd += costNanoUsd ?? 0
        }
      }
      assert.isAbove(hedges, 5)
      // What quiet times saved up, and half of the requests.
      assert.isAtMost(hedges, 10 + 30)
      assert.isAtMost(hedgedNanoUsd, 0.5 * nanoUsd)
    }),
  )
})

describe("random fates", () => {
  it.effect(
    "come to one answer at most, to a record for each call, and to no more calls than are allowed",
    () => {
      const { layer, settled, upstream, warm } = makeWorld()
      return Effect.gen(function* () {
        const dice = new Dice("hedges", 7)
        const random = () => dice.next()
        const kinds = [
          "server_error",
          "timeout",
          "bad_response",
          "rate_limited",
          "content_filter",
          "reset",
        ] as const
        const fate = (): Fate => {
          const afterMs = Math.round(10 ** (2 + 1.7 * random()))
          const pick = random()
          if (pick < 0.25) return failsAfter(afterMs, kinds[Math.floor(random() * kinds.length)] ?? "reset")
          if (pick < 0.3) return hangs
          if (pick < 0.35) return answers(afterMs, { mute: true })
          if (pick < 0.4) return answers(afterMs, { breaks: "reset", pieceMs: 100 })
          return answers(afterMs, { pieceMs: Math.round(random() * 100) })
        }
        yield* warm("whole")
        yield* warm("stream")
        let hedges = 0
        let won = 0
        for (let i = 0; i < 400; i++) {
          // Both well known and well again, with the shares earned.
          if (i % 8 === 0) yield* warm(i % 16 === 0 ? "stream" : "whole")
          const before = upstream.calls.length
          const script = { "a/m": [fate(), fate()], "b/m": [fate(), fate()], "c/m": [fate()] }
          const { answeredBy, recorder, summary, texts } = yield* settled(
            random() < 0.5 ? "whole" : "stream",
            script,
          )
          const calls = upstream.calls.slice(before)
          const note = `request ${i}: ${JSON.stringify(script)} ${JSON.stringify(recorder.attempts)}`
          assert.isAtMost(calls.length, 4, note)
          assert.strictEqual(recorder.attempts.length, calls.length, note)
          assert.strictEqual(recorder.attemptCount, calls.length, note)
          assert.isTrue(
            calls.every(({ endedAt }) => endedAt !== undefined),
            note,
          )
          for (const target of ["a", "b", "c"]) {
            const of = (listed: ReadonlyArray<string>) => listed.filter((each) => each === target).length
            assert.strictEqual(
              of(recorder.attempts.map(({ provider }) => provider)),
              of(calls.map((call) => call.target.slice(0, 1))),
              note,
            )
          }
          const successes = recorder.attempts.filter(({ outcome }) => outcome === "success")
          assert.isAtMost(successes.length, 1, note)
          if (answeredBy !== undefined) {
            // The answer's attempt is the last: the ledger tells by that what was wasted.
            assert.strictEqual(`${recorder.attempts.at(-1)?.provider}/m`, answeredBy, note)
            assert.strictEqual(recorder.attempts.at(-1)?.outcome, "success", note)
            assert.strictEqual(summary?.text, "hello", note)
          } else assert.strictEqual(successes.length, 0, note)
          assert.isTrue("hello".startsWith(texts.join("")), note)
          if (recorder.attempts.some(({ hedge }) => hedge)) hedges += 1
          if (recorder.attempts.at(-1)?.hedge && answeredBy !== undefined) won += 1
        }
        assert.isAbove(hedges, 40)
        assert.isAbove(won, 10)
      }).pipe(Effect.provide(layer), steadyRandom)
    },
  )
})
