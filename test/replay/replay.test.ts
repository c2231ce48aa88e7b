import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ofConfig, otherWeights } from "../../src/cli/route-replay/policy.ts"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { Settings } from "../../src/config/Settings.ts"
import { Evidence } from "../../src/replay/Evidence.ts"
import {
  type Estimate,
  estimate,
  type PolicyEstimate,
  type ReplayEstimate,
} from "../../src/replay/estimate.ts"
import { type LoggedRequest, readLogged, type StoredRequest } from "../../src/replay/logged-request.ts"
import { type NewPolicy, redecide } from "../../src/replay/redecide.ts"
import type { Weights } from "../../src/routing/score.ts"
import { route } from "../routing/world.ts"
import { routedLog } from "./routed-log.ts"

const readable = (row: StoredRequest): LoggedRequest => {
  const request = readLogged(row, undefined)
  if (typeof request === "string") throw new Error(request)
  return request
}

const tryOn = (rows: ReadonlyArray<StoredRequest>, policy: NewPolicy): ReplayEstimate => {
  const stretches: Array<Evidence> = []
  const size = Math.ceil(rows.length / 200)
  rows.forEach((row, i) => {
    if (i % size === 0) stretches.push(new Evidence())
    const request = readable(row)
    const decision = redecide(request, policy)
    if (decision !== undefined) stretches.at(-1)?.add(request, decision)
  })
  const result = estimate(stretches)
  if (result === undefined) throw new Error("no request")
  return result
}

const quick: Weights = { latency: 0.9, cost: 0.1 }
const even: Weights = { latency: 0.6, cost: 0.4 }
const thrifty: Weights = { latency: 0.2, cost: 0.8 }

const figuresOf = ({
  costUsdPer1000,
  latency,
}: PolicyEstimate): Readonly<Record<string, Estimate | null>> => ({
  cost: costUsdPer1000,
  p50: latency[0]?.p50Ms ?? null,
  p95: latency[0]?.p95Ms ?? null,
})

const valueIn = (found: Estimate | null | undefined): number => found?.value ?? Number.NaN

/** A decision between two candidates, `a/m` first. */
const row = (changes: {
  readonly decision?: object
  readonly ms?: number
  readonly cost?: number | null
  readonly status?: number
}): StoredRequest => ({
  id: "00000000-0000-7000-8000-000000000000",
  route: "auto",
  started: "2026-11-23",
  started_ms: Date.UTC(2026, 10, 23),
  status: changes.status ?? 200,
  error_code: null,
  latency_ms: changes.ms ?? 1_000,
  first_token_ms: null,
  decision: {
    route: "auto",
    mode: "whole",
    weights: { latency: 1, cost: 0 },
    estimated_input_tokens: 100,
    candidates: [logged("a", 1_000, 0.01), logged("b", 2_000, 0.001)],
    excluded: [],
    chosen_by: "score",
    ...changes.decision,
  },
  attempts: [
    {
      provider: "a",
      model: "m",
      outcome: "success",
      input_tokens: 100,
      output_tokens: 50,
      cached_tokens: 0,
      cache_write_tokens: 0,
      service_tier: null,
      reported: null,
      details: null,
      cost: changes.cost === undefined ? 10_000_000 : changes.cost,
    },
  ],
})

const logged = (provider: string, ms: number, usd: number) => ({
  provider,
  model: "m",
  predicted_ms: ms,
  predicted_cost_usd: usd,
  predicted_output_tokens: 50,
  availability: 1,
  tier: "healthy",
})

const withoutTrials = (policy: NewPolicy, request: LoggedRequest) => {
  const rules = policy.rulesFor(request)
  return typeof rules === "string" ? rules : { ...rules, explores: false }
}

describe("a replay", () => {
  it.effect("of the weights that a log was made by gives what was", () =>
    Effect.gen(function* () {
      const rows = yield* routedLog(even, 0.02, { requests: 500, seed: "same" })
      const same = tryOn(rows, otherWeights(even).policy)
      const before = figuresOf(same.logged)
      for (const [name, after] of Object.entries(figuresOf(same.new))) {
        assert.closeTo(valueIn(after), valueIn(before[name]), 1e-9 * valueIn(after), name)
      }
      assert.closeTo(valueIn(same.new.availability), valueIn(same.logged.availability), 1e-9)
      assert.deepInclude(same, { own: 1, others: 0, predicted: 0 })
      const nanoUsd = rows.reduce(
        (sum, { attempts }) => sum + attempts.reduce((cost, attempt) => cost + (attempt.cost ?? 0), 0),
        0,
      )
      assert.closeTo(valueIn(same.logged.costUsd), nanoUsd / 1e9, 1e-9)
      const times = rows.map(({ latency_ms }) => latency_ms).toSorted((a, b) => a - b)
      const p95 = times[Math.ceil(0.95 * times.length) - 1] ?? 0
      assert.closeTo(valueIn(figuresOf(same.logged).p95), p95, 0.04 * p95)
    }),
  )

  it.effect("of other weights says within its bounds what they come to, four times of five at least", () =>
    Effect.gen(function* () {
      const inside: Array<boolean> = []
      const off: Array<number> = []
      for (const [from, to] of [
        [quick, thrifty],
        [thrifty, even],
      ] as const) {
        // Runs of the same length explore as much.
        const runs = yield* Effect.forEach(["A", "B", "C", "D", "E"], (seed) =>
          routedLog(to, 0.02, { requests: 2_000, seed }),
        )
        const truth = figuresOf(tryOn(runs.flat(), otherWeights(to).policy).logged)
        for (const seed of ["1", "2", "3", "4", "5"]) {
          const rows = yield* routedLog(from, 0.02, { requests: 2_000, seed })
          const figures = figuresOf(tryOn(rows, otherWeights(to).policy).new)
          for (const [name, found] of Object.entries(figures)) {
            const value = valueIn(truth[name])
            inside.push(found !== null && found.low <= value && value <= found.high)
            off.push(Math.abs(valueIn(found) / value - 1))
          }
        }
      }
      assert.isAtLeast(inside.filter((is) => is).length, 0.8 * inside.length)
      assert.isBelow(off.reduce((sum, each) => sum + each, 0) / off.length, 0.2)
    }),
  )

  it("takes what chance sent elsewhere for the others, and corrects predictions by it", () => {
    // `b` is predicted at twice the time and a tenth of the cost of `a`, and takes half of that and costs twice that.
    const rows = Array.from({ length: 1_000 }, (_, i) =>
      i % 20 > 0
        ? row({ decision: { probability: 0.95 } })
        : row({
            ms: 1_000,
            cost: 2_000_000,
            decision: {
              candidates: [logged("b", 2_000, 0.001), logged("a", 1_000, 0.01)],
              chosen_by: "exploration",
              probability: 0.05,
            },
          }),
    )
    const found = tryOn(rows, otherWeights({ latency: 0, cost: 1 }).policy)
    const trials = (50 * valueIn(found.new.costUsdPer1000)) / 1_000
    assert.isAbove(trials, 0)
    assert.strictEqual(found.randomised, 50)
    assert.closeTo(valueIn(figuresOf(found.new).p50), 1_000, 30)
    // All of them cost 2 USD per thousand, but for those that try `a` now.
    assert.isAtLeast(valueIn(found.new.costUsdPer1000), 2)
    assert.isBelow(valueIn(found.new.costUsdPer1000), 2 + 0.05 * 10)
  })

  it("counts an outcome for as many requests as its chance makes it stand for, and only for their kind", () => {
    const candidates = [logged("b", 2_000, 0.001), logged("a", 1_000, 0.01)]
    const explored = (probability: number, ms: number, cost: number, status = 200) =>
      row({ ms, cost, status, decision: { candidates, chosen_by: "exploration", probability } })
    const rows = [
      // Those that are tried more often are answered sooner.
      ...Array.from({ length: 400 }, () => row({ decision: { probability: 0.8 } })),
      ...Array.from({ length: 100 }, () => explored(0.2, 1_000, 1_000_000)),
      ...Array.from({ length: 980 }, () => row({ decision: { probability: 0.98 } })),
      ...Array.from({ length: 15 }, () => explored(0.02, 4_000, 4_000_000)),
      ...Array.from({ length: 5 }, () => explored(0.02, 4_000, 4_000_000, 502)),
      // What leads already is as good as predicted.
      ...Array.from({ length: 1_500 }, () =>
        row({
          ms: 500,
          cost: 500_000,
          decision: { candidates: [logged("b", 500, 0.0005), logged("a", 1_000, 0.01)] },
        }),
      ),
    ]
    const policy = otherWeights({ latency: 0, cost: 1 }).policy
    const led = { ...policy, rulesFor: (request: LoggedRequest) => withoutTrials(policy, request) }
    const found = tryOn(rows, led)
    // A third of 1 and two thirds of 4, and a half of 0.5.
    assert.closeTo(valueIn(found.new.costUsdPer1000), 1.75, 0.12)
    assert.closeTo(valueIn(figuresOf(found.new).p95), 4_000, 100)
    assert.closeTo(valueIn(found.new.availability), 1 - 0.25 / 3, 0.01)
    assert.strictEqual(found.randomised, 120)
  })

  it("rests on predictions alone where nothing is left to chance, and says so", () => {
    const rows = Array.from({ length: 100 }, () => row({}))
    const found = tryOn(rows, otherWeights({ latency: 0, cost: 1 }).policy)
    assert.deepInclude(found, { own: 0, others: 0, predicted: 1, effectiveOutcomes: 0 })
    assert.closeTo(valueIn(found.new.costUsdPer1000), 1, 1e-9)
    assert.closeTo(valueIn(figuresOf(found.new).p50), 2_000, 40)
  })

  it("corrects predictions by what other routes saw of a candidate", () => {
    const policy = otherWeights({ latency: 0, cost: 1 }).policy
    const seen = row({ ms: 4_000, cost: 3_000_000, decision: { candidates: [logged("b", 2_000, 0.001)] } })
    const stretches = Array.from({ length: 50 }, () => {
      const stretch = new Evidence()
      const request = readable(row({}))
      const decision = redecide(request, policy)
      if (decision !== undefined) stretch.add(request, decision)
      stretch.learn(readable(seen))
      return stretch
    })
    const found = estimate(stretches)
    if (found === undefined) throw new Error("no request")
    assert.strictEqual(found.logged.requests, 50)
    assert.strictEqual(found.predicted, 1)
    assert.closeTo(valueIn(figuresOf(found.new).p50), 4_000, 100)
    assert.closeTo(valueIn(found.new.costUsdPer1000), 3, 1e-9)
  })

  it("weighs what the decision weighed", () => {
    const candidates = [logged("a", 1_000, 0.01), { ...logged("b", 2_000, 0.001), weighed_cost_usd: 0.02 }]
    const request = readable(row({ decision: { candidates } }))
    const decision = redecide(request, otherWeights({ latency: 0, cost: 1 }).policy)
    assert.deepStrictEqual([...(decision?.chances ?? [])], [["a/m", 1]])
  })

  it("leaves out what cannot be read, and what its client did", () => {
    assert.strictEqual(readLogged(row({ decision: { candidates: [] } }), undefined), "unreadable")
    assert.strictEqual(readLogged(row({ decision: { mode: 7 } }), undefined), "unreadable")
    assert.strictEqual(readLogged(row({ status: 499 }), undefined), "clients")
    assert.isFalse(readable(row({ status: 429 })).answered)
    assert.strictEqual(readable(row({ cost: null })).nanoUsd, undefined)
  })
})

describe("a replay of a configuration", () => {
  const configured = (changes: Partial<GatewayConfig>) =>
    Effect.map(Settings, ({ gateway }): GatewayConfig => ({ ...gateway, ...changes })).pipe(
      Effect.provide(Settings.layerTest()),
    )
  const decided = (changes: Partial<GatewayConfig>, decision: object = {}) =>
    Effect.gen(function* () {
      const now = yield* configured({ routes: new Map([["auto", route([])]]) })
      const { policy } = ofConfig({ ...now, ...changes }, now, undefined)
      return redecide(readable(row({ decision })), policy)
    })
  const auto = (changes: Partial<ReturnType<typeof route>>) =>
    new Map([
      [
        "auto",
        route(
          [
            { provider: "a", model: "m" },
            { provider: "b", model: "m" },
          ],
          changes,
        ),
      ],
    ])

  it.effect("goes by its strategies", () =>
    Effect.gen(function* () {
      const chances = (changes: Partial<ReturnType<typeof route>>) =>
        Effect.map(decided({ routes: auto(changes) }), (found) => [...(found?.chances ?? [])])
      assert.deepStrictEqual(yield* chances({ weights: { latency: 0, cost: 1 } }), [["b/m", 1]])
      const ba = [
        { provider: "b", model: "m", weight: 3 },
        { provider: "a", model: "m", weight: 1 },
      ]
      assert.deepStrictEqual(yield* chances({ strategy: "priority", candidates: ba }), [["b/m", 1]])
      assert.deepStrictEqual(yield* chances({ strategy: "weighted", candidates: ba }), [
        ["a/m", 0.25],
        ["b/m", 0.75],
      ])
    }),
  )

  it.effect("names candidates that the log knows nothing of, and sends nothing to them", () =>
    Effect.gen(function* () {
      const routes = new Map([
        [
          "auto",
          route([
            { provider: "b", model: "m" },
            { provider: "c", model: "m" },
            { provider: "d", model: "m" },
          ]),
        ],
      ])
      const excluded = [{ provider: "d", model: "m", reason: "context_window: too long" }]
      const found = yield* decided({ routes }, { excluded })
      assert.deepStrictEqual(found?.unknown, ["c/m"])
      assert.deepStrictEqual([...(found?.chances ?? [])], [["b/m", 1]])
    }),
  )

  it.effect("prices tokens by its own list where that is another", () =>
    Effect.gen(function* () {
      const priced = (inputNanoPer1M: number) => ({
        source: "test",
        asOf: "2026-11-23",
        inputNanoPer1M,
        cachedInputNanoPer1M: inputNanoPer1M,
        outputNanoPer1M: 0,
      })
      const withPrice = (inputNanoPer1M: number) =>
        configured({
          routes: auto({}),
          providers: [
            {
              kind: "openai-compatible",
              name: "a",
              baseUrl: "http://127.0.0.1:9",
              models: [{ name: "m", kind: "chat", price: priced(inputNanoPer1M) }],
            },
          ],
        })
      const now = yield* withPrice(1e9)
      const dearer = ofConfig(yield* withPrice(5e9), now, undefined)
      const request = readLogged(row({}), dearer.price)
      if (typeof request === "string") throw new Error(request)
      // 100 tokens at 5 USD per million.
      assert.strictEqual(request.nanoUsd, 500_000)
      const [a, b] = redecide(request, dearer.policy)?.candidates ?? []
      assert.strictEqual(a?.predictedNanoUsd, 500_000)
      assert.strictEqual(b?.predictedNanoUsd, 1_000_000)
      const same = ofConfig(now, now, undefined)
      assert.strictEqual(
        redecide(readable(row({})), same.policy)?.candidates[0]?.predictedNanoUsd,
        10_000_000,
      )
    }),
  )

  it.effect("leaves out routes that it does not have", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* decided({ routes: auto({}) }, { route: "gone" }))
    }),
  )
})
