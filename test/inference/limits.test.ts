import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { hangs, makeWorld, takes } from "./load.ts"
import type { Fate } from "./world.ts"

/** How many calls one provider may hold, and how it gets its traffic back. `a` is the better one while it is well. */

describe("a burst to a provider that hangs", () => {
  it.effect("leaves what is too much for it to the healthy one, before anything is late", () => {
    const { asked, ended, run, send } = makeWorld(({ target }) => (target === "a/m" ? hangs : takes(400)))
    return run(
      Effect.gen(function* () {
        yield* send(120, 0)
        assert.strictEqual(asked("a/m"), 64)
        yield* TestClock.adjust("1 second")
        assert.isAtLeast(ended.filter(({ answeredBy }) => answeredBy === "b/m").length, 120 - 64)
        yield* TestClock.adjust("2 minutes")
        assert.isTrue(ended.every(({ answeredBy }) => answeredBy === "b/m"))
      }),
    )
  })
})

describe("a provider without anybody beside it", () => {
  it.effect("is asked beyond its limit", () => {
    const { asked, run, send } = makeWorld(() => takes(300), { maxInFlight: 1_000 })
    return run(
      Effect.gen(function* () {
        yield* send(300, 0, "only-a")
        assert.strictEqual(asked("a/m"), 300)
      }),
    )
  })
})

describe("a provider that is back with room for ten calls", () => {
  const down: Fate = { afterMs: 20, fails: { kind: "connect" } }

  it.effect("is not knocked over again by all the traffic at once", () => {
    let inFlight: Array<number> = []
    let refused = 0
    let answered = 0
    const { ended, run, send } = makeWorld(({ atMs, target }) => {
      if (target !== "a/m") return takes(400)
      if (atMs < 5_000) return takes(300)
      if (atMs < 15_000) return down
      inFlight = inFlight.filter((until) => until > atMs)
      if (inFlight.length >= 10) {
        refused += 1
        return { afterMs: 20, fails: { kind: "server_error" } }
      }
      answered += 1
      inFlight.push(atMs + 300)
      return takes(300)
    })
    return run(
      Effect.gen(function* () {
        // Thirty in flight.
        yield* send(75 * 100, 10)
        yield* TestClock.adjust("1 minute")
        assert.isTrue(ended.every(({ answeredBy }) => answeredBy !== undefined))
        // With all traffic after the first answer it was 121, and 44 refused.
        assert.isAtLeast(answered, 500)
        assert.isAtMost(refused / answered, 0.2)
      }),
    )
  })
})

describe("a provider whose account is out of credit", () => {
  it.effect("is asked once, and then by one probe in 5, 10 and 20 minutes, until it is paid", () => {
    const paidMs = 50 * 60_000
    const { asked, ended, run, send } = makeWorld(({ atMs, target }) =>
      target === "a/m" && atMs < paidMs ? { afterMs: 50, fails: { kind: "quota_exhausted" } } : takes(300),
    )
    return run(
      Effect.gen(function* () {
        yield* send(paidMs / 1_000, 1_000)
        assert.strictEqual(asked("a/m"), 4)
        assert.isTrue(ended.every(({ answeredBy }) => answeredBy === "b/m"))
        yield* send(30 * 60, 1_000)
        // The rest of 40 minutes began at the 35th.
        assert.isAbove(asked("a/m", 76 * 60_000), 200)
        assert.strictEqual(asked("a/m", paidMs) - asked("a/m", 75 * 60_000), 0)
      }),
    )
  })
})
