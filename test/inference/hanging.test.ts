import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { timeouts } from "../support/settings.ts"
import { hangs, makeWorld, takes } from "./load.ts"

describe("a provider that hangs beside a healthy one", () => {
  it.effect(
    "from the first call on gets a second's requests and its probes, and every client is answered",
    () => {
      const { asked, ended, run, send } = makeWorld(({ target }) => (target === "a/m" ? hangs : takes(200)))
      return run(
        Effect.gen(function* () {
          yield* send(30 * 60, 1_000 / 30)
          yield* TestClock.adjust("2 minutes")
          assert.lengthOf(ended, 30 * 60)
          assert.deepStrictEqual([...new Set(ended.map(({ answeredBy }) => answeredBy))], ["b/m"])
          // Five times the 3.8 s that are expected of a candidate nobody has heard from.
          assert.isAtMost(Math.max(...ended.filter(({ atMs }) => atMs < 2_000).map(({ ms }) => ms)), 19_250)
          assert.isAtMost(asked("a/m"), 40)
          assert.isAtMost(asked("a/m", 1_100), 5)
        }),
      )
    },
  )

  it.effect("after it was well is left within seconds: calls that hang count before they end", () => {
    const { asked, ended, run, send } = makeWorld(({ atMs, target }) =>
      target === "a/m" ? (atMs < 10_000 ? takes(100) : hangs) : takes(200),
    )
    return run(
      Effect.gen(function* () {
        yield* send(30 * 60, 1_000 / 30)
        yield* TestClock.adjust("2 minutes")
        assert.isTrue(ended.every(({ answeredBy }) => answeredBy !== undefined))
        assert.isAbove(asked("a/m") - asked("a/m", 10_000), 290)
        assert.isAtMost(asked("a/m", 10_000), 40)
        // Left for the other one after ten seconds, as an attempt of its own.
        const moved = ended.filter(({ attempts }) => attempts.length > 1)
        assert.isAtMost(Math.max(...moved.map(({ ms }) => ms)), 10_250)
        for (const { attempts } of moved) assert.deepStrictEqual(attempts, ["a timeout", "b success"])
      }),
    )
  })

  it.effect("is avoided by the next request after ten calls that hang", () => {
    const { asked, run, send } = makeWorld(({ target }) => (target === "a/m" ? hangs : takes(200)))
    return run(
      Effect.gen(function* () {
        yield* send(10, 0)
        assert.strictEqual(asked("a/m"), 10)
        yield* TestClock.adjust("1 second")
        yield* send(20, 10)
        assert.strictEqual(asked("a/m"), 10)
        assert.strictEqual(asked("b/m"), 20)
      }),
    )
  })

  it.effect(
    "has no more than its share of the requests in flight, with and without somebody else to ask",
    () => {
      const { asked, ended, run, send } = makeWorld(({ target }) => (target === "a/m" ? hangs : takes(200)), {
        maxInFlight: 8,
      })
      return run(
        Effect.gen(function* () {
          yield* send(9, 0, "only-a")
          assert.strictEqual(asked("a/m"), 7)
          assert.deepStrictEqual(
            ended.map(({ code }) => code),
            ["upstream_overloaded", "upstream_overloaded"],
          )
          yield* send(5, 200)
          assert.strictEqual(asked("a/m"), 7)
          assert.deepStrictEqual(
            ended.slice(2).map(({ answeredBy, attempts }) => [answeredBy, attempts]),
            Array(5).fill(["b/m", ["b success"]]),
          )
        }),
      )
    },
  )
})

describe("a call that hangs", () => {
  it.effect("is left as often as there is an attempt to spare, and each time later", () => {
    const begun: Array<number> = []
    const { ended, run, send } = makeWorld(({ atMs, target }) => {
      begun.push(atMs)
      return target === "b/m" || atMs < 3_000 ? takes(200) : hangs
    })
    /** How long the last three calls of all were waited for, but for the last. */
    const lastCalls = () => {
      const [one = 0, two = 0, three = 0] = begun.slice(-3)
      return [two - one, three - two]
    }
    return run(
      Effect.gen(function* () {
        for (const model of ["a/m", "b/m", "c/m"]) yield* send(5, 200, model)
        yield* send(1, 0, "auto")
        yield* TestClock.adjust("1 minute")
        const last = ended.at(-1)
        assert.deepStrictEqual(last?.attempts, ["a timeout", "c timeout", "b success"])
        const [first = Number.NaN, second = Number.NaN] = lastCalls()
        assert.isAtLeast(first, 1_000)
        // What one was left for may be the request's own length.
        assert.isAtLeast(second, 2 * first)
        assert.isAtMost(first + second, timeouts.headersMs)
      }),
    )
  })

  /** Two that are at their limits for a time, and one that hangs. */
  const limited = (retryAfterMs: number) =>
    makeWorld(({ atMs, target }) => {
      if (atMs < 3_000) return takes(200)
      if (target === "b/m") return hangs
      return atMs < 3_000 + retryAfterMs
        ? { afterMs: 40, fails: { kind: "rate_limited", retryAfterMs } }
        : takes(200)
    })
  const learnAndSend = (send: ReturnType<typeof limited>["send"]) =>
    Effect.gen(function* () {
      for (const model of ["a/m", "b/m", "c/m"]) yield* send(5, 200, model)
      yield* send(1, 0, "auto")
      yield* TestClock.adjust(timeouts.deadlineMs)
    })

  it.effect("is left by who has nobody else for one that failed for a moment only", () => {
    const { ended, run, send } = limited(1_000)
    return run(
      Effect.gen(function* () {
        yield* learnAndSend(send)
        const last = ended.at(-1)
        assert.sameMembers(last?.attempts.slice(0, 2) ?? [], ["a rate_limited", "c rate_limited"])
        assert.strictEqual(last?.attempts[2], "b timeout")
        assert.match(last?.attempts[3] ?? "", /^[ac] success$/)
        assert.isBelow(last?.ms ?? Number.NaN, 15_000)
      }),
    )
  })

  /** Of two, `b` hangs after a while, and `a` takes long for one request only. */
  const oneLong = (others: boolean) => {
    let calls = 0
    const world = makeWorld(({ atMs, target }) => {
      if (target === "b/m") return atMs < 3_000 ? takes(200) : hangs
      calls += 1
      return calls === 16 ? hangs : takes(200)
    })
    const ask = Effect.gen(function* () {
      yield* world.send(10, 100, "b/m")
      yield* world.send(15, 150, "a/m")
      yield* TestClock.adjust("5 seconds")
      yield* world.send(1, 0, "priority")
      if (others) yield* world.send(200, 200, "a/m")
      yield* TestClock.adjust("1 minute")
    })
    return { ...world, ask, theOne: () => world.ended.find(({ attempts }) => attempts.length > 1) }
  }

  it.effect("is left for one that was left before it, and answers others", () => {
    const { ask, run, theOne } = oneLong(true)
    return run(
      Effect.gen(function* () {
        yield* ask
        assert.deepStrictEqual(theOne()?.attempts, ["a timeout", "b timeout", "a success"])
      }),
    )
  })

  it.effect("is not left for one of which nobody knows more than that it hangs", () => {
    const { ask, run, theOne } = oneLong(false)
    return run(
      Effect.gen(function* () {
        yield* ask
        assert.deepStrictEqual(theOne()?.attempts, ["a timeout", "b timeout"])
      }),
    )
  })

  it.effect(
    "is waited for when nobody may be asked again: each retry is set aside before a call is left for it",
    () => {
      const { ended, run, send } = makeWorld(
        ({ atMs, target }) => {
          if (target === "b/m") return takes(atMs < 3_000 ? 200 : 12_000)
          return atMs >= 3_000 && atMs < 4_500
            ? { afterMs: 20, fails: { kind: "rate_limited", retryAfterMs: 500 } }
            : takes(200)
        },
        { retryRatio: 0 },
      )
      return run(
        Effect.gen(function* () {
          for (const model of ["a/m", "b/m", "c/m"]) yield* send(5, 200, model)
          yield* send(30, 0, "auto")
          yield* TestClock.adjust("1 minute")
          const late = ended.slice(-30)
          assert.isTrue(late.every(({ answeredBy }) => answeredBy !== undefined))
          // Both: the budget is used, and no more than that.
          assert.isAtLeast(late.filter(({ attempts }) => attempts.length === 4).length, 1)
          assert.isAtLeast(late.filter(({ answeredBy }) => answeredBy === "b/m").length, 10)
        }),
      )
    },
  )

  it.effect("with the last attempt uses no retry of one that was left before it", () => {
    let calls = 0
    const { ended, run, send } = makeWorld(
      ({ target }) => {
        if (target === "b/m") return hangs
        calls += 1
        return calls <= 4 ? { afterMs: 20, fails: { kind: "server_error" } } : takes(200)
      },
      { maxAttempts: 2, retryRatio: 0 },
    )
    return run(
      Effect.gen(function* () {
        yield* send(3, 100, "priority")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          ended.map(({ attempts }) => attempts),
          Array(3).fill(["a server_error", "b timeout"]),
        )
        yield* send(1, 0, "only-a")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(ended.at(-1)?.attempts, ["a server_error", "a success"])
      }),
    )
  })

  it.effect("with room for longer prompts is not left for those that have none", () => {
    const { ended, run, send } = makeWorld(({ atMs, target }) => {
      if (atMs < 5_000) return takes(200)
      if (target === "b/big") return takes(9_000)
      if (target === "b/m") return { afterMs: 20, fails: { kind: "context_length_exceeded" } }
      return { afterMs: 20, fails: { kind: "rate_limited", retryAfterMs: 1_000 } }
    })
    return run(
      Effect.gen(function* () {
        for (const model of ["a/m", "b/m", "c/m", "b/big"]) yield* send(5, 200, model)
        yield* TestClock.adjust("2 seconds")
        yield* send(1, 0, "a-then-b")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(ended.at(-1)?.answeredBy, "b/big")
      }),
    )
  })

  it.effect("is waited for by who has nobody else, as long as the others say to stay away", () => {
    const { asked, ended, run, send } = limited(10 * 60_000)
    return run(
      Effect.gen(function* () {
        yield* learnAndSend(send)
        assert.strictEqual(ended.at(-1)?.attempts.at(-1), "b timeout")
        assert.isAtLeast(ended.at(-1)?.ms ?? 0, timeouts.headersMs)
        assert.deepStrictEqual([asked("a/m", 3_000), asked("c/m", 3_000)], [1, 1])
      }),
    )
  })

  it.effect("is not left with the last attempt that the request has", () => {
    const { ended, run, send } = makeWorld(
      ({ atMs, target }) => takes(target === "b/m" || atMs < 1_000 ? 200 : 12_000),
      { maxAttempts: 1 },
    )
    return run(
      Effect.gen(function* () {
        yield* send(5, 200, "a/m")
        yield* send(1, 0)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(ended.at(-1)?.attempts, ["a success"])
      }),
    )
  })

  it.effect("is waited for without anybody else to ask", () => {
    const { ended, run, send } = makeWorld(() => takes(14_000))
    return run(
      Effect.gen(function* () {
        yield* send(1, 0, "only-a")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(ended[0]?.attempts, ["a success"])
      }),
    )
  })
})

describe("long answers", () => {
  it.effect("of a slow model are neither late nor left, as they are what is expected of it", () => {
    const { asked, ended, run, send } = makeWorld(({ target }) => takes(target === "a/m" ? 9_000 : 9_500))
    return run(
      Effect.gen(function* () {
        yield* send(5, 10_000)
        yield* send(200, 500)
        yield* TestClock.adjust("1 minute")
        // Until it is known that it is no faster.
        assert.isAtMost(asked("b/m"), 3)
        assert.isTrue(ended.every(({ attempts }) => attempts.length === 1))
      }),
    )
  })

  it.effect("that come together are left, and the others stay: what began later is answered", () => {
    let calls = 0
    const { asked, ended, run, send } = makeWorld(({ target }) => {
      if (target !== "a/m") return takes(2_000)
      calls += 1
      return takes(calls > 100 && calls <= 110 ? 14_000 : 300)
    })
    return run(
      Effect.gen(function* () {
        yield* send(100, 50)
        yield* send(10, 0)
        yield* send(300, 50)
        yield* TestClock.adjust("1 minute")
        const moved = ended.filter(({ attempts }) => attempts[0] === "a timeout")
        assert.lengthOf(moved, 10)
        // They, and who asks to see how the other one is.
        assert.isAtMost(asked("b/m"), 20)
      }),
    )
  })

  it.effect("among short ones make nobody suspect: only they are left, soon, and the others stay", () => {
    let calls = 0
    const { asked, ended, run, send } = makeWorld(({ target }) =>
      target === "a/m" ? takes(++calls % 20 === 0 ? 14_000 : 300) : takes(2_000),
    )
    return run(
      Effect.gen(function* () {
        yield* send(1_000, 50)
        yield* TestClock.adjust("1 minute")
        assert.isAtMost(asked("b/m"), 50)
        assert.isAtLeast(asked("a/m"), 1_000)
        // Sooner answered by another than by waiting for the long one.
        assert.isBelow(Math.max(...ended.map(({ ms }) => ms)), 14_000)
      }),
    )
  })

  it.effect("are waited for once one was, having nobody else to ask", () => {
    let calls = 0
    const { asked, ended, run, send } = makeWorld(({ target }) =>
      target === "a/m" ? takes(++calls % 20 === 0 ? 14_000 : 300) : takes(2_000),
    )
    return run(
      Effect.gen(function* () {
        yield* send(20, 1_000, "only-a")
        yield* TestClock.adjust("1 minute")
        yield* send(200, 50)
        yield* TestClock.adjust("1 minute")
        assert.isAtMost(asked("b/m"), 10)
        // Hundreds of short answers make the last long one forgotten.
        assert.isAtMost(ended.filter(({ attempts }) => attempts.length > 1).length, 5)
      }),
    )
  })
})
