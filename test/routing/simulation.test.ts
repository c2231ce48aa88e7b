import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"
import type { RouteConfig, SimulatedProviderConfig } from "../../src/config/GatewayConfig.ts"
import type { ChosenBy } from "../../src/routing/plan.ts"
import { Router } from "../../src/routing/Router.ts"
import { seeds } from "../support/seeds.ts"
import { attempt, features, plan } from "./planning.ts"
import { ask, price, refs, route, simulated, steppingClock, world } from "./world.ts"

/** Whole routing under virtual time: plan, attempt in plan order until one answers, learn. One request at a time. */

interface Served {
  readonly atMs: number
  readonly first: string
  readonly chosenBy: ChosenBy
  readonly answeredBy: string | undefined
  /** All of it, and what failures took of that. */
  readonly ms: number
  readonly lostMs: number
}

interface Run {
  readonly seed: string
  readonly requests: number
  readonly startMs?: number
  /** Between the end of one request and the next. */
  readonly gapMs?: number
}

const simulate = (
  providers: ReadonlyArray<SimulatedProviderConfig>,
  rules: Partial<RouteConfig>,
  { gapMs = 500, requests, seed, startMs = 0 }: Run,
): Effect.Effect<ReadonlyArray<Served>> =>
  Effect.gen(function* () {
    const request = ask("Tell me something")
    const served: Array<Served> = []
    for (let i = 0; i < requests; i++) {
      yield* Effect.sleep(gapMs)
      const atMs = yield* Clock.currentTimeMillis
      const { candidates, decision } = yield* plan({ request })
      let answeredBy: string | undefined
      let lostMs = 0
      for (const candidate of candidates) {
        const { ms, outcome } = yield* attempt(candidate, 1_000)
        if (outcome === "success") {
          answeredBy = candidate.key
          break
        }
        lostMs += ms
      }
      served.push({
        atMs,
        first: candidates[0]?.key ?? "",
        chosenBy: decision.chosen_by,
        answeredBy,
        ms: (yield* Clock.currentTimeMillis) - atMs,
        lostMs,
      })
    }
    return served
  }).pipe(
    Effect.provide(world(providers, [route(refs(...providers.map(({ name }) => `${name}/m`)), rules)])),
    Random.withSeed(seed),
    Effect.provideService(Clock.Clock, steppingClock(startMs)),
    Effect.orDie,
  )

const provider = (name: string, usd: number, simulation: Partial<SimulatedProviderConfig["simulation"]>) =>
  simulated(name, [{ name: "m", price: price(usd) }], simulation)

const MINUTE = 60_000
const rules = { exploration: 0.02, hysteresis: 0.1 }
const share = (served: ReadonlyArray<Served>, key: string): number =>
  served.filter(({ first }) => first === key).length / served.length
/** The share of all time that failures took. */
const lost = (served: ReadonlyArray<Served>): number =>
  served.reduce((sum, { lostMs }) => sum + lostMs, 0) / served.reduce((sum, { ms }) => sum + ms, 0)
const leaders = (served: ReadonlyArray<Served>) =>
  served
    .filter(({ chosenBy }) => chosenBy !== "exploration" && chosenBy !== "probe")
    .map(({ first }) => first)
const leaderChanges = (served: ReadonlyArray<Served>): number =>
  leaders(served).filter((leader, index, all) => index > 0 && leader !== all[index - 1]).length

const forEachSeed = (name: string, body: (seed: string) => Effect.Effect<void>) =>
  it.effect.each(seeds(["one", "two", "three", "four"]))(`${name} (seed %s)`, body)

describe("a healthy fleet beside a provider that fails fast", () => {
  const fleet = [
    provider("slow-dear", 3, { medianMs: 900, p95Ms: 2_000 }),
    provider("fast-cheap", 1, { medianMs: 300, p95Ms: 700 }),
    provider("fails-fast", 0.1, { medianMs: 5, p95Ms: 10, serverErrorRate: 1 }),
  ]

  forEachSeed("is led by the cheap and fast one, and every request is answered", (seed) =>
    Effect.gen(function* () {
      const served = yield* simulate(fleet, rules, { requests: 4_000, seed })
      const warm = served.slice(100)
      // Exploration takes 2 %, and the probes of the one that fails, one a minute, as much.
      assert.isAbove(share(warm, "fast-cheap/m"), 0.95)
      assert.notInclude(leaders(warm), "fails-fast/m")
      assert.isAtMost(leaderChanges(warm), 2)
      assert.isTrue(served.every(({ answeredBy }) => answeredBy !== undefined))
    }),
  )

  forEachSeed("costs a quiet gateway hardly any time", (seed) =>
    Effect.gen(function* () {
      const served = yield* simulate(fleet, rules, { requests: 1_000, seed, gapMs: 2 * MINUTE })
      // Its failures are over at once: little is lost by asking it, and nothing by not asking it.
      assert.isBelow(lost(served), 0.02)
      assert.isTrue(served.every(({ answeredBy }) => answeredBy !== undefined))
    }),
  )
})

describe("two providers that are as good as each other", () => {
  const twins = [
    provider("left", 1, { medianMs: 500, p95Ms: 1_200 }),
    provider("right", 1, { medianMs: 500, p95Ms: 1_200 }),
    provider("worse", 2, { medianMs: 1_500, p95Ms: 3_000 }),
  ]
  forEachSeed("do not take turns", (seed) =>
    Effect.gen(function* () {
      const calm = leaderChanges(yield* simulate(twins, rules, { requests: 4_000, seed }))
      const nervous = leaderChanges(
        yield* simulate(twins, { ...rules, hysteresis: 0 }, { requests: 4_000, seed }),
      )
      assert.isAtMost(calm, 40)
      assert.isAbove(nervous, 2 * calm)
    }),
  )
})

describe("the best provider", () => {
  // Down for five minutes of every forty; the simulation starts when it comes up.
  const outage = { everyMs: 40 * MINUTE, downMs: 5 * MINUTE }
  const fleet = [
    provider("best", 1, { medianMs: 300, p95Ms: 700, outage }),
    provider("spare", 2, { medianMs: 600, p95Ms: 1_200 }),
    provider("last", 3, { medianMs: 900, p95Ms: 1_800 }),
  ]
  const between = (served: ReadonlyArray<Served>, from: number, to: number) =>
    served.filter(({ atMs }) => atMs >= from * MINUTE && atMs < to * MINUTE)

  const run = { requests: 6_000, startMs: 5 * MINUTE }

  forEachSeed("is left soon when it goes down and leads again soon when it is back", (seed) =>
    Effect.gen(function* () {
      const served = yield* simulate(fleet, rules, { ...run, seed })
      assert.isAbove(share(between(served, 10, 40), "best/m"), 0.95)
      const out = between(served, 40, 45)
      assert.isBelow(share(out, "best/m"), 0.25)
      assert.isBelow(lost(out), 0.05)
      // At about one request a second: the circuit opens for a small part of what the outage has lasted.
      const back = between(served, 45, 80)
      assert.isBelow(leaders(back).indexOf("best/m"), 40)
      assert.isAbove(share(back.slice(120), "best/m"), 0.95)
      assert.isTrue(served.every(({ answeredBy }) => answeredBy !== undefined))
    }),
  )

  forEachSeed("is found again by the circuit's probe alone, without exploration", (seed) =>
    Effect.gen(function* () {
      const served = yield* simulate(fleet, { ...rules, exploration: 0 }, { ...run, seed })
      const back = between(served, 45, 80)
      assert.isAbove(share(back.slice(120), "best/m"), 0.99)
    }),
  )
})

describe("a provider that gets twenty times slower", () => {
  it.effect("loses the lead within tens of requests and gets it back after", () =>
    Effect.gen(function* () {
      const router = yield* Router
      const request = ask("Tell me something")
      let spike = 1
      const next = Effect.gen(function* () {
        const { candidates } = yield* plan({ request })
        const key = candidates[0]?.key ?? ""
        const ms = (key === "spiky/m" ? 500 * spike : 700) * (yield* Random.nextBetween(0.7, 1.3))
        yield* Effect.sleep(ms)
        yield* router.observe({
          key,
          mode: "whole",
          features,
          outcome: { _tag: "success", ms, outputTokens: 100 },
        })
        return key
      })
      const toSpiky = (requests: number) =>
        Effect.map(
          Effect.forEach(Array.from({ length: requests }), () => next),
          (picked) => picked.filter((key) => key === "spiky/m").length,
        )

      yield* toSpiky(200)
      assert.isAbove(yield* toSpiky(1_000), 850)
      spike = 20
      assert.isBelow(yield* toSpiky(50), 20)
      assert.isBelow(yield* toSpiky(400), 20)
      spike = 1
      yield* toSpiky(1_000)
      assert.isAbove(yield* toSpiky(500), 400)
    }).pipe(
      Effect.provide(
        world(
          [provider("spiky", 1, {}), provider("steady", 1, {})],
          [route(refs("spiky/m", "steady/m"), rules)],
        ),
      ),
      Random.withSeed("spike"),
      Effect.provideService(Clock.Clock, steppingClock()),
    ),
  )
})
