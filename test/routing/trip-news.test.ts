import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { type CallForecast, CandidateHealth, type TripNews } from "../../src/routing/CandidateHealth.ts"
import { TripReports } from "../../src/routing/TripReports.ts"

const forecast: CallForecast = {
  ...{ expectedMs: 300, lateAfterMs: 1_000 },
  tookMs: () => 300,
  isAnswering: () => false,
}
const error = (kind: ProviderErrorKind = "server_error", retryAfterMs?: number) =>
  new ProviderError({ kind, provider: "a", model: "m", ...(retryAfterMs !== undefined && { retryAfterMs }) })

/** Processes that ask one candidate and hear of each other's trips at once. */
const world = (processes: number) => {
  const told: Array<TripNews> = []
  let nowMs = 10_000
  const healths: Array<CandidateHealth> = Array.from(
    { length: processes },
    (_, i) =>
      new CandidateHealth(undefined, (news) => {
        told.push(news)
        for (const [j, other] of healths.entries()) if (j !== i) other.hear(nowMs, news)
      }),
  )
  const at = (ms: number) => {
    nowMs = ms
  }
  const [one, other] = healths
  assert(one !== undefined && other !== undefined)
  const fail = (health: CandidateHealth, times: number, kind?: ProviderErrorKind, retryAfterMs?: number) => {
    for (let i = 0; i < times; i++)
      health.failed(health.begin(nowMs, forecast), nowMs, error(kind, retryAfterMs))
  }
  return { at, fail, one, other, told }
}

describe("a trip that others are told of", () => {
  it("keeps them away for as long as it does here", () => {
    const { fail, one, other, told } = world(2)
    fail(one, 5)
    assert.deepStrictEqual(told, [{ trip: "circuit", forMs: 2_000, failingForMs: 0, why: "server_error" }])
    assert.strictEqual(one.trippedForMs(10_000), 2_000)
    assert.strictEqual(other.trippedForMs(10_000), 2_000)
    assert.strictEqual(other.troubleAt(10_000).why, "server_error")
  })

  it("is no news to who hears it: nobody tells it on", () => {
    const { fail, one, told } = world(3)
    fail(one, 5)
    assert.lengthOf(told, 1)
  })

  it("is a limit's wait too, but for one that is over at once", () => {
    const { fail, one, other, told } = world(2)
    fail(one, 1, "rate_limited", 200)
    assert.deepStrictEqual(told, [])
    const another = world(2)
    another.fail(another.one, 3, "rate_limited", 30_000)
    assert.lengthOf(another.told, 1)
    assert.strictEqual(another.other.trippedForMs(10_000), 30_000)
    assert.strictEqual(other.trippedForMs(10_000), 0)
  })

  it("is not believed by who has an answer to a call that began since", () => {
    const { at, fail, one, other } = world(2)
    fail(one, 4)
    at(10_100)
    other.succeeded(other.begin(10_050, forecast), 10_100)
    fail(one, 1)
    assert.strictEqual(one.trippedForMs(10_100), 2_000)
    assert.strictEqual(other.trippedForMs(10_100), 0)
  })

  it("ends with such an answer, and not with one to a call from before the trouble", () => {
    const { at, fail, one, other } = world(2)
    const before = other.begin(9_000, forecast)
    at(10_000)
    const since = other.begin(10_001, forecast)
    fail(one, 5)
    other.succeeded(before, 10_200)
    assert.isAbove(other.trippedForMs(10_200), 0)
    other.succeeded(since, 10_300)
    assert.strictEqual(other.trippedForMs(10_300), 0)
    assert.isAbove(one.trippedForMs(10_300), 0)
  })

  it("is probed by who heard it as by who told it, and ends there by its own answers", () => {
    const { at, fail, one, other } = world(2)
    fail(one, 5)
    at(12_500)
    assert.isTrue(other.offersProbe(12_500, 100, 0.5))
    for (let i = 0; i < 3; i++) other.succeeded(other.begin(12_500 + i, forecast), 12_500 + i)
    assert.strictEqual(other.troubleAt(12_600).state, "healthy")
    assert.notStrictEqual(one.troubleAt(12_600).state, "healthy")
  })

  it("counts like one of its own, once: the next one is longer, and no longer than the outage makes it", () => {
    const { at, fail, one, other, told } = world(3)
    fail(one, 5)
    // Another one's news of the same trip, a little later.
    other.hear(10_010, { trip: "circuit", forMs: 2_000, failingForMs: 10, why: "server_error" })
    let atMs = 12_010
    for (let turn = 0; turn < 6; turn++) {
      at(atMs)
      const health = turn % 2 === 0 ? other : one
      fail(health, 1)
      atMs += health.trippedForMs(atMs)
    }
    assert.deepStrictEqual(
      told.map(({ forMs }) => forMs),
      [2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000],
    )
  })

  it("of a limit closes no circuit that is open here: its probe fails alone", () => {
    const { at, fail, one } = world(2)
    fail(one, 5)
    one.hear(10_100, { trip: "cooldown", forMs: 2_500, failingForMs: 10, why: "rate_limited" })
    assert.strictEqual(one.trippedForMs(10_100), 2_500)
    at(12_600)
    fail(one, 1)
    assert.isAbove(one.trippedForMs(12_600), 0)
  })

  it("says how long failures take: a probe that hangs as long is no sign of life", () => {
    const { at, one, other } = world(2)
    const calls = Array.from({ length: 3 }, () => one.begin(10_000, forecast))
    at(20_000)
    for (const call of calls) one.failed(call, 20_000, error("timeout"))
    const leftMs = other.trippedForMs(20_000)
    assert.isAbove(leftMs, 0)
    other.begin(20_000 + leftMs, forecast)
    assert.isAbove(other.trippedForMs(20_000 + leftMs + 9_000), 0)
  })

  it("of an account is not told: another replica may have another key", () => {
    const { fail, one, other, told } = world(2)
    fail(one, 1, "quota_exhausted")
    assert.isAbove(one.trippedForMs(10_000), 0)
    assert.deepStrictEqual(told, [])
    assert.strictEqual(other.trippedForMs(10_000), 0)
  })

  it("is bounded in how long it may last and in how many candidates it may name", () =>
    Effect.gen(function* () {
      let hear: (key: string, news: TripNews) => void = () => {}
      const services = yield* Layer.build(Breakers.layer).pipe(
        Effect.provideService(TripReports, {
          tell: () => {},
          listen: (listener) =>
            Effect.sync(() => {
              hear = listener
            }),
        }),
      )
      const breakers = Context.get(services, Breakers)
      yield* TestClock.adjust("1 second")
      const news: TripNews = { trip: "circuit", forMs: 3_600_000, failingForMs: 0, why: "connect" }
      hear("a/m", news)
      assert.strictEqual(breakers.healthOf("a/m").trippedForMs(1_000), 600_000)
      for (let i = 0; i < 20_000; i++) hear(`made-up/${i}`, news)
      assert.isAbove(breakers.healthOf("made-up/9").trippedForMs(1_000), 0)
      assert.strictEqual(breakers.healthOf("made-up/19999").trippedForMs(1_000), 0)
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise))
})
