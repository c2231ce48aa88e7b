import { Clock, Effect, Exit, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/config/Settings.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { callWhole, deadlineOf } from "../../src/inference/upstream-call.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { Router } from "../../src/routing/Router.ts"
import { ask } from "../routing/world.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { attempts, type Fate, type limits, makeUpstream, settings, type UpstreamCall } from "./world.ts"

export const hangs: Fate = { afterMs: Number.POSITIVE_INFINITY }
/** An answer of few words, for which 1,000 ms are expected of a candidate nobody has heard from. */
export const takes = (afterMs: number): Fate => ({
  afterMs,
  usage: { inputTokens: 10, outputTokens: 20, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
})

interface Ended {
  readonly atMs: number
  readonly ms: number
  readonly answeredBy: string | undefined
  readonly code: string | undefined
  readonly attempts: ReadonlyArray<string>
}

/** Requests at an even rate to providers whose calls go as `fateOf` says. Times count from the start. */
export const makeWorld = (
  fateOf: (call: UpstreamCall & { readonly atMs: number }) => Fate,
  changed: Partial<typeof limits> = {},
) => {
  const upstream = makeUpstream((call) =>
    Effect.sync(() => fateOf({ ...call, atMs: call.startedAt - START_MS })),
  )
  const ended: Array<Ended> = []
  const plans: Array<readonly [atMs: number, target: string]> = []
  const request = (model: string) =>
    Effect.gen(function* () {
      const recorder = new RequestRecorder(RequestId.make("request"), "/infer", yield* Clock.Clock)
      const atMs = (yield* monotonicMs) - START_MS
      const plan = yield* (yield* Router).plan({
        requestedModel: model,
        task: { _tag: "Chat", request: ask(), mode: "whole" },
        keyId: "key",
        allowed: undefined,
        remainingMs: timeouts.deadlineMs,
      })
      plans.push([atMs, plan.candidates[0]?.key ?? ""])
      const running = (yield* Attempts).run(
        plan,
        callWhole(deadlineOf(timeouts.deadlineMs, undefined)),
        recorder,
        () => Effect.void,
      )
      const exit = yield* Effect.exit(running)
      const error = Exit.findErrorOption(exit)
      ended.push({
        atMs,
        ms: (yield* monotonicMs) - START_MS - atMs,
        answeredBy: Exit.isSuccess(exit) ? exit.value.candidate.key : undefined,
        code: error._tag === "Some" ? error.value.code : undefined,
        attempts: recorder.attempts.map(({ outcome, provider }) => `${provider} ${outcome}`),
      })
    })
  const send = (count: number, everyMs: number, model = "a-then-b") =>
    Effect.gen(function* () {
      for (let i = 0; i < count; i++) {
        yield* Effect.forkChild(request(model))
        yield* TestClock.adjust(everyMs)
      }
    })
  const asked = (target: string, fromMs = 0) =>
    upstream.calls.filter((call) => call.target === target && call.startedAt - START_MS >= fromMs).length
  /** When each request came, and whom it was sent to first. */
  const firsts = () => plans
  const bounded = Layer.effect(
    Settings,
    Effect.map(Settings, (all) => ({
      ...all,
      gateway: { ...all.gateway, limits: { ...all.gateway.limits, ...changed } },
    })),
  ).pipe(Layer.provide(settings))
  const run = (body: Effect.Effect<void, unknown, Attempts | Router>) =>
    body.pipe(
      Effect.provide(attempts.pipe(Layer.provide([upstream.layer, bounded, startedClock]))),
      // Half of the jitter's range, and no exploration.
      Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.5 }),
      Effect.orDie,
    )
  return { asked, ended, firsts, run, send }
}
