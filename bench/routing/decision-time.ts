#!/usr/bin/env node
/**
 * Measures what a decision takes: the router's plan for one request with ten candidates, each request a new one of forty
 * messages whose conversation is known, with real providers that prepare their calls and send nothing.
 */
import { Effect, Layer, Logger } from "effect"
import type { Task } from "../../src/domain/Task.ts"
import { LargeBodies } from "../../src/platform/LargeBodies.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { Router } from "../../src/routing/Router.ts"
import { settingsOf } from "../../test/support/settings.ts"
import { configOf } from "./gateway.ts"

const CANDIDATES = 10
const WARM_UP = 20_000
const PLANS = 100_000
const GOAL_US = 50

const settings = settingsOf(
  configOf(
    Array.from({ length: CANDIDATES }, (_, position) => ({
      price: { input: 0.3 + 0.1 * position, cached: 0.03, output: 1.2 },
      overheadMs: 300,
      msPerOutputToken: 8,
    })),
  ),
)

const text = "word ".repeat(40)
const taskOf = (request: number): Task => ({
  _tag: "Chat",
  mode: "stream",
  request: {
    messages: [
      { role: "system", content: `You are application ${request % 7}. ${text}` },
      ...Array.from({ length: 39 }, (_, turn) => ({
        role: turn % 2 === 0 ? ("user" as const) : ("assistant" as const),
        content: `${request % 500} ${turn} ${text}`,
      })),
    ],
    temperature: 0.5,
    max_tokens: 500,
  },
})

const measure = Effect.gen(function* () {
  const router = yield* Router
  const taken: Array<number> = []
  for (let request = 0; request < WARM_UP + PLANS; request++) {
    const task = taskOf(request)
    const startedMs = performance.now()
    const plan = yield* router.plan({
      requestedModel: "auto",
      task,
      keyId: "key",
      allowed: undefined,
      remainingMs: 60_000,
    })
    const ms = performance.now() - startedMs
    if (request >= WARM_UP) taken.push(ms * 1_000)
    const [first] = plan.candidates
    if (first === undefined) continue
    yield* router.observe({
      key: first.key,
      mode: "stream",
      features: first.features,
      outcome: {
        _tag: "success",
        ms: 200 + (request % 100),
        outputTokens: 100,
        inputTokens: first.features.inputTokens,
        cachedTokens: 0,
      },
    })
  }
  return taken.sort((one, other) => one - other)
})

const layer = Router.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Breakers.layer, Providers.layer)),
  Layer.provide([settings, LargeBodies.layer, Logger.layer([])]),
)
const taken = await Effect.runPromise(
  Effect.scoped(Effect.flatMap(Layer.build(layer), (context) => Effect.provide(measure, context))),
)
const at = (share: number): string => (taken[Math.floor(share * taken.length)] ?? 0).toFixed(1)
process.stdout.write(
  `a decision with ${CANDIDATES} candidates: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, p99.9 ${at(0.999)} microseconds\n`,
)
process.exitCode = Number(at(0.99)) > GOAL_US ? 1 : 0
