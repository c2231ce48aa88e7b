import { assert, describe, it } from "@effect/vitest"
import { MAX_COOLDOWN_MS, OperatorRest } from "../../src/domain/OperatorRest.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { type CallForecast, CandidateHealth, type TripNews } from "../../src/routing/CandidateHealth.ts"

const LATE_MS = 1_000
const SECOND = 1_000

const forecast: CallForecast = {
  expectedMs: 300,
  tookMs: () => 300,
  lateAfterMs: LATE_MS,
  isAnswering: () => false,
}

const error = (kind: ProviderErrorKind, retryAfterMs?: number) =>
  new ProviderError({ kind, provider: "a", model: "m", ...(retryAfterMs !== undefined && { retryAfterMs }) })

const setup = () => {
  const health = new CandidateHealth()
  const begin = (nowMs: number, isAnswering = () => false) =>
    health.begin(nowMs, { ...forecast, isAnswering })
  const fail = (
    nowMs: number,
    times = 1,
    kind: ProviderErrorKind = "server_error",
    retryAfterMs?: number,
  ) => {
    for (let i = 0; i < times; i++) health.failed(begin(nowMs), nowMs, error(kind, retryAfterMs))
  }
  const succeed = (nowMs: number, times = 1) => {
    for (let i = 0; i < times; i++) health.succeeded(begin(nowMs), nowMs)
  }
  const hang = (nowMs: number, calls: number) => Array.from({ length: calls }, () => begin(nowMs))
  /** Whether a request is offered the candidate for a probe, where others take `usualMs`. */
  const offers = (nowMs: number, usualMs = 100, gain = 0.5) => health.offersProbe(nowMs, usualMs, gain)
  /** How many requests go by until one is. */
  const requestsToProbe = (nowMs: number, usualMs: number) => {
    let request = 1
    while (!offers(nowMs, usualMs)) request += 1
    return request
  }
  return { begin, fail, hang, health, offers, requestsToProbe, succeed }
}

/** Longer than any wait that nobody asked for. */
const MINUTE = 60 * SECOND

describe("calls that hang", () => {
  it("make suspect when they are many and late, and before that not", () => {
    const { hang, health } = setup()
    hang(0, 20)
    assert.isFalse(health.isSuspect(LATE_MS / 4))
    assert.isTrue(health.isSuspect(2 * LATE_MS))
  })

  it("are a long answer when it is one that is late", () => {
    const { hang, health } = setup()
    hang(0, 1)
    assert.isFalse(health.isSuspect(2 * LATE_MS))
  })

  it("are forgotten with every sign of life: an answer, a refusal, a stream's first word", () => {
    for (const live of [
      ({ succeed }: ReturnType<typeof setup>) => succeed(2 * SECOND),
      ({ fail }: ReturnType<typeof setup>) => fail(2 * SECOND, 1, "bad_request"),
      ({ begin }: ReturnType<typeof setup>) => void begin(2 * SECOND, () => true),
    ]) {
      const world = setup()
      world.hang(0, 20)
      assert.isTrue(world.health.isSuspect(2 * SECOND))
      live(world)
      assert.isFalse(world.health.isSuspect(2 * SECOND))
      world.hang(3 * SECOND, 1)
      assert.isFalse(world.health.isSuspect(3 * SECOND + 2 * LATE_MS))
    }
  })

  it("stay a suspicion while they time out, until the circuit opens", () => {
    const { hang, health } = setup()
    for (const call of hang(0, 20)) {
      assert.isTrue(health.isSuspect(10 * SECOND) || health.trippedForMs(10 * SECOND) > 0)
      health.failed(call, 10 * SECOND, error("timeout"))
    }
    assert.isAbove(health.trippedForMs(10 * SECOND), 0)
  })

  it("stay a suspicion when a client's own deadline ends one, which tells nothing", () => {
    const { begin, hang, health } = setup()
    const hurried = begin(0)
    hang(0, 10)
    health.failed(hurried, 2 * SECOND, error("client_deadline"))
    assert.isTrue(health.isSuspect(2 * SECOND))
  })

  it("count for nothing when they time out while others that began later are answered", () => {
    const { begin, hang, health, succeed } = setup()
    const long = hang(0, 10)
    succeed(SECOND)
    for (const call of long) health.failed(call, 4 * SECOND, error("timeout"))
    assert.strictEqual(health.trippedForMs(4 * SECOND), 0)
    assert.isFalse(health.isSuspect(61 * SECOND))
    // Silence afterwards is none of it.
    for (const call of [begin(61 * SECOND), begin(61 * SECOND), begin(61 * SECOND)]) {
      health.failed(call, 70 * SECOND, error("timeout"))
    }
    assert.isAbove(health.trippedForMs(70 * SECOND), 0)
  })

  it("count although later ones are refused: who refuses need not answer", () => {
    const { begin, fail, health } = setup()
    const hanging = Array.from({ length: 3 }, () => begin(0))
    fail(SECOND, 1, "bad_request")
    for (const call of hanging) health.failed(call, 4 * SECOND, error("timeout"))
    assert.isAbove(health.trippedForMs(4 * SECOND), 0)
  })

  it("wait until they end, however, or bring something", () => {
    const { begin, health } = setup()
    let answering = false
    const [one, two, three] = [begin(0), begin(0), begin(0)]
    health.begin(0, { ...forecast, lateAfterMs: 10 * SECOND, isAnswering: () => answering })
    assert.deepStrictEqual([health.hasWaiting(4), health.hasWaiting(5)], [true, false])
    health.reset()
    assert.isTrue(health.hasWaiting(4))
    answering = true
    assert.deepStrictEqual([health.hasWaiting(3), health.hasWaiting(4)], [true, false])
    health.succeeded(one, 1)
    health.failed(two, 1, error("reset"))
    health.abandoned(three)
    assert.isFalse(health.hasWaiting(1))
  })
})

describe("a limit that is used up", () => {
  it("keeps a candidate behind others until it is whole again, without a trip or a probe", () => {
    const { health, succeed } = setup()
    const earlier = health.begin(0, forecast)
    health.rest(0, 30 * SECOND)
    health.succeeded(earlier, 1)
    assert.isTrue(health.isResting(30 * SECOND - 1))
    assert.isFalse(health.isResting(30 * SECOND))
    assert.strictEqual(health.trippedForMs(10), 0)
    assert.isFalse(health.offersProbe(60 * SECOND, 100, 0.5))
    health.rest(10, 20 * SECOND)
    assert.isTrue(health.isResting(25 * SECOND))
    // An answer to a later call shows that there is room.
    succeed(11)
    assert.isFalse(health.isResting(12))
  })

  it("is bounded, and too short to matter below a tenth of a second", () => {
    const { health } = setup()
    health.rest(0, 99)
    assert.isFalse(health.isResting(0))
    health.rest(0, 24 * 3_600 * SECOND)
    assert.isTrue(health.isResting(MAX_COOLDOWN_MS - 1))
    assert.isFalse(health.isResting(MAX_COOLDOWN_MS))
    health.reset()
    assert.isFalse(health.isResting(1))
  })
})

describe("probes", () => {
  it("are offered when the time is over, one at a time, until three answers are there", () => {
    const { begin, fail, health, offers } = setup()
    assert.isFalse(offers(0))
    fail(0, 5)
    const untilMs = health.trippedForMs(0)
    assert.isFalse(offers(untilMs - 1))
    for (let answers = 0; answers < 3; answers++) {
      assert.isFalse(health.takeRecovery())
      assert.isTrue(offers(untilMs))
      const probe = begin(untilMs)
      assert.isFalse(offers(untilMs))
      health.succeeded(probe, untilMs)
    }
    assert.isFalse(offers(untilMs))
    assert.isTrue(health.takeRecovery())
    assert.isFalse(health.takeRecovery())
  })

  it("are offered after a cooldown too", () => {
    const { fail, health, offers, succeed } = setup()
    fail(0, 1, "rate_limited", 2 * SECOND)
    assert.isFalse(offers(1_999))
    assert.isTrue(offers(2 * SECOND))
    succeed(2 * SECOND, 3)
    assert.isFalse(offers(2 * SECOND))
    assert.isTrue(health.takeRecovery())
  })

  it("hold the others up after failures, and not after a wait that the provider asked for", () => {
    for (const [kind, times, heldUpMs] of [
      ["server_error", 5, 1_000],
      ["rate_limited", 1, 0],
    ] as const) {
      const { begin, fail, health } = setup()
      fail(0, times, kind, 5 * SECOND)
      begin(5 * SECOND)
      assert.strictEqual(health.trippedForMs(5 * SECOND), heldUpMs)
    }
  })

  it("let the more requests go by, the longer the last one took to fail beside what requests take", () => {
    const requests = [0, 100, 1_000, 10_000, 10 * MINUTE].map((failureMs) => {
      const { begin, fail, health, requestsToProbe } = setup()
      fail(0, 5)
      const probe = begin(MINUTE)
      const nowMs = MINUTE + failureMs
      health.failed(probe, nowMs, error("server_error"))
      return requestsToProbe(nowMs + 2 * MINUTE, 1_000)
    })
    assert.deepStrictEqual(
      requests,
      requests.toSorted((one, other) => one - other),
    )
    assert.isAtMost(requests[0] ?? Number.NaN, 2)
    assert.isAbove(requests[3] ?? Number.NaN, 5)
    // However long it took: who is back must be found.
    assert.isAtMost(requests[4] ?? Number.NaN, 1_001)
  })

  it("that fail at once cost nothing, and are offered to one of the next two requests", () => {
    const { fail, health, requestsToProbe } = setup()
    fail(0, 5)
    let nowMs = 0
    for (let i = 0; i < 7; i++) {
      nowMs += health.trippedForMs(nowMs)
      assert.isAtMost(requestsToProbe(nowMs, 1_000), 2)
      fail(nowMs)
    }
  })

  it("that nobody waits for any more free their place", () => {
    const { begin, fail, health, offers } = setup()
    fail(0, 5)
    const probe = begin(MINUTE)
    assert.isAbove(health.trippedForMs(MINUTE), 0)
    health.abandoned(probe)
    assert.isTrue(offers(MINUTE))
  })
})

describe("the circuit", () => {
  /** How many failures in a row open it after as many calls, of which a share failed. */
  const failuresToTrip = (calls: number, share: number): number => {
    const { fail, health, succeed } = setup()
    for (let call = 1; call <= calls; call++) {
      if (Math.floor(call * share) > Math.floor((call - 1) * share)) fail(call)
      else succeed(call)
    }
    succeed(calls)
    let failures = 0
    while (health.trippedForMs(calls) === 0) {
      fail(calls)
      failures += 1
    }
    return failures
  }

  it("opens late where failures are usual: as many in a row have to be news", () => {
    assert.strictEqual(failuresToTrip(0, 0), 5)
    assert.strictEqual(failuresToTrip(500, 0.02), 5)
    assert.strictEqual(failuresToTrip(500, 1 / 3), 6)
    assert.strictEqual(failuresToTrip(500, 0.5), 10)
    assert.strictEqual(failuresToTrip(500, 0.7), 15)
  })

  it("opens after a limit as before it, also while one call goes on", () => {
    const { begin, fail, health, succeed } = setup()
    for (let call = 0; call < 200; call++) call % 10 < 7 ? fail(0) : succeed(0)
    succeed(0, 100)
    fail(1, 1, "rate_limited", 100)
    begin(2 * SECOND)
    fail(4 * SECOND, 4)
    assert.strictEqual(health.trippedForMs(4 * SECOND), 0)
    fail(4 * SECOND)
    assert.isAbove(health.trippedForMs(4 * SECOND), 0)
  })

  it("opens after a reset as if nothing was known", () => {
    const { fail, health, succeed } = setup()
    for (let call = 0; call < 200; call++) call % 10 < 7 ? fail(0) : succeed(0)
    health.reset()
    fail(0, 4)
    assert.strictEqual(health.trippedForMs(0), 0)
    fail(0)
    assert.isAbove(health.trippedForMs(0), 0)
  })

  it("opens soon again once they were not usual for a while", () => {
    const { fail, health, succeed } = setup()
    for (let call = 0; call < 200; call++) call % 2 === 0 ? fail(0) : succeed(0)
    succeed(0, 60)
    fail(0, 4)
    assert.strictEqual(health.trippedForMs(0), 0)
    fail(0)
    assert.isAbove(health.trippedForMs(0), 0)
  })
})

describe("a recovery", () => {
  it("is not held up by probes that are still under way: a later doubt is probed", () => {
    const { begin, fail, health, offers, succeed } = setup()
    fail(0, 5)
    const backMs = health.trippedForMs(0)
    // Some of those that were let through go on.
    const long = [begin(backMs), begin(backMs)]
    succeed(backMs, 3)
    assert.strictEqual(health.troubleAt(backMs).state, "healthy")
    for (const call of long) health.abandoned(call)
    fail(backMs, 3)
    assert.isTrue(offers(backMs + MINUTE))
  })
})

describe("a call that goes on for far longer than failures take", () => {
  it("tells that those before and after it are not in a row", () => {
    const { begin, fail, health } = setup()
    fail(0, 4)
    begin(1)
    assert.isFalse(health.outlivesFailures(SECOND))
    assert.isTrue(health.outlivesFailures(2 * SECOND))
    fail(2 * SECOND, 4)
    assert.strictEqual(health.trippedForMs(2 * SECOND), 0)
    fail(2 * SECOND)
    assert.isAbove(health.trippedForMs(2 * SECOND), 0)
  })

  it("tells nothing when it began before them, has ended, or failures take as long", () => {
    const before = setup()
    before.begin(0)
    before.fail(1, 4)
    assert.isFalse(before.health.outlivesFailures(60 * SECOND))
    const ended = setup()
    ended.fail(0)
    ended.health.abandoned(ended.begin(1))
    assert.isFalse(ended.health.outlivesFailures(60 * SECOND))
    const slow = setup()
    slow.health.failed(slow.begin(0), 5 * SECOND, error("server_error"))
    slow.begin(5 * SECOND)
    assert.isFalse(slow.health.outlivesFailures(54 * SECOND))
    assert.isTrue(slow.health.outlivesFailures(56 * SECOND))
  })

  it("opens the way to a candidate whose circuit is open: a probe need not have ended", () => {
    const { begin, fail, health } = setup()
    fail(0, 5)
    const openMs = health.trippedForMs(0)
    begin(openMs)
    assert.isAbove(health.trippedForMs(openMs + SECOND), 0)
    assert.strictEqual(health.trippedForMs(openMs + 2 * SECOND), 0)
  })
})

describe("an open circuit", () => {
  /** Milliseconds of each opening, while every probe fails after `failureMs`. */
  const openings = (count: number, failureMs = 0) => {
    const { begin, fail, health } = setup()
    fail(0, 5)
    let nowMs = 0
    return Array.from({ length: count }, () => {
      const openForMs = health.trippedForMs(nowMs)
      nowMs += openForMs
      const probe = begin(nowMs)
      nowMs += failureMs
      health.failed(probe, nowMs, error("server_error"))
      return openForMs
    })
  }

  it("stays open longer the longer the outage lasts, up to a minute", () => {
    const each = openings(200)
    for (const [i, openForMs] of each.entries()) assert.isAtLeast(openForMs, (each[i - 1] ?? 0) - 0.001)
    assert.isAtMost(each[0] ?? Number.NaN, 5 * SECOND)
    assert.isAbove(each[100] ?? Number.NaN, 2 * (each[0] ?? Number.NaN))
    assert.approximately(each.at(-1) ?? Number.NaN, MINUTE, 1)
  })

  it("stays open longer when failures take long", () => {
    const [, , , quick = Number.NaN] = openings(4)
    const [, , , slow = Number.NaN] = openings(4, 2 * SECOND)
    assert.isAbove(slow, quick)
    assert.isAtMost(Math.max(...openings(10, 10 * MINUTE)), MINUTE)
  })

  it("begins anew after a recovery", () => {
    const { fail, health, succeed } = setup()
    fail(0, 5)
    const firstMs = health.trippedForMs(0)
    let nowMs = 0
    for (let i = 0; i < 20; i++) {
      nowMs += health.trippedForMs(nowMs)
      fail(nowMs)
    }
    assert.isAbove(health.trippedForMs(nowMs), firstMs)
    nowMs += health.trippedForMs(nowMs)
    succeed(nowMs, 3)
    fail(nowMs, 5)
    assert.strictEqual(health.trippedForMs(nowMs), firstMs)
  })
})

describe("a limit that does not say when it ends", () => {
  const limited = ({ fail, health }: ReturnType<typeof setup>, nowMs: number) => {
    fail(nowMs, 1, "rate_limited")
    return health.trippedForMs(nowMs)
  }

  it("is waited for longer each time that the first call after it meets it again, up to a minute", () => {
    const world = setup()
    let nowMs = 0
    let waitMs = limited(world, nowMs)
    for (let i = 0; i < 20; i++) {
      nowMs += waitMs
      const next = limited(world, nowMs)
      assert.strictEqual(next, Math.min(2 * waitMs, MINUTE))
      waitMs = next
    }
    assert.strictEqual(waitMs, MINUTE)
  })

  it("is waited for less when calls were admitted since, and never not at all", () => {
    const world = setup()
    let nowMs = 0
    for (let i = 0; i < 6; i++) nowMs += limited(world, nowMs)
    let waitMs = limited(world, nowMs)
    for (let i = 0; i < 20; i++) {
      nowMs += waitMs
      world.succeed(nowMs, 5)
      const next = limited(world, nowMs)
      assert.isAtMost(next, waitMs)
      assert.isAbove(next, 0)
      waitMs = next
    }
    assert.isBelow(waitMs, SECOND)
  })

  it("does not count the calls that were under way when it was met", () => {
    const one = setup()
    const many = setup()
    const calls = Array.from({ length: 10 }, () => many.begin(0))
    for (const call of calls) many.health.failed(call, 0, error("rate_limited"))
    assert.strictEqual(many.health.trippedForMs(0), limited(one, 0))
  })

  it("that does say so is waited for as long as it says", () => {
    const { fail, health } = setup()
    fail(0, 1, "rate_limited", 7 * SECOND)
    assert.strictEqual(health.trippedForMs(0), 7 * SECOND)
  })
})

describe("a reset", () => {
  it("forgets circuit, cooldown and suspicion, and offers a probe at once", () => {
    for (const trouble of [
      ({ fail }: ReturnType<typeof setup>) => fail(0, 5),
      ({ fail }: ReturnType<typeof setup>) => fail(0, 1, "quota_exhausted"),
      ({ hang }: ReturnType<typeof setup>) => void hang(-5 * SECOND, 20),
    ]) {
      const world = setup()
      trouble(world)
      assert.isTrue(world.health.trippedForMs(0) > 0 || world.health.isSuspect(0))
      world.health.reset()
      assert.strictEqual(world.health.trippedForMs(0), 0)
      assert.isFalse(world.health.isSuspect(0))
      assert.isTrue(world.offers(0))
      world.fail(0, 4)
      assert.strictEqual(world.health.trippedForMs(0), 0)
      world.fail(0, 1)
      assert.isAbove(world.health.trippedForMs(0), 0)
    }
  })

  it("is not undone by calls that were under way", () => {
    const { health, hang } = setup()
    const calls = hang(0, 10)
    health.reset()
    for (const call of calls) health.failed(call, SECOND, error("timeout"))
    assert.strictEqual(health.trippedForMs(SECOND), 0)
  })

  for (const kind of ["rate_limited", "auth", "quota_exhausted", "model_not_found", "overloaded"] as const) {
    it(`is not undone by ${kind} of a call that was under way, and nobody is told of it`, () => {
      const told: Array<TripNews> = []
      const account = new OperatorRest()
      const health = new CandidateHealth(account, (news) => told.push(news))
      const calls = Array.from({ length: 20 }, () => health.begin(0, forecast))
      health.reset()
      const { limit } = health
      for (const call of calls) health.failed(call, SECOND, error(kind, MINUTE))
      assert.strictEqual(health.troubleAt(SECOND).state, "healthy")
      assert.strictEqual(account.leftMs(SECOND), 0)
      assert.strictEqual(health.limit, limit)
      assert.strictEqual(health.inFlight, 0)
      assert.deepStrictEqual(told, [])
    })
  }

  it("is not taken for mended by an answer to a call that was under way", () => {
    const { fail, hang, health } = setup()
    const [call] = hang(0, 1)
    assert(call !== undefined)
    health.reset()
    fail(SECOND, 1, "auth")
    const leftMs = health.trippedForMs(SECOND)
    assert.isAbove(leftMs, 0)
    health.succeeded(call, SECOND)
    assert.strictEqual(health.trippedForMs(SECOND), leftMs)
  })

  it("lets a probe of before go, and offers another", () => {
    const { begin, fail, health, offers } = setup()
    fail(0, 5)
    const backMs = health.trippedForMs(0)
    const probe = begin(backMs)
    health.reset()
    assert.isTrue(offers(backMs))
    const next = begin(backMs)
    health.failed(probe, backMs, error("server_error"))
    assert.isFalse(offers(backMs))
    health.abandoned(next)
    assert.isTrue(offers(backMs))
  })
})

describe("trouble of one of several keys", () => {
  const ofKey = (kind: ProviderErrorKind, othersFree: boolean) =>
    new ProviderError({
      kind,
      provider: "a",
      model: "m",
      retryAfterMs: othersFree ? 0 : 30_000,
      key: { name: "search", othersFree, startsRest: true, waitsForLimit: false },
    })

  it("is none of the candidate's while another is free, and nobody is told of it", () => {
    const told: Array<TripNews> = []
    const health = new CandidateHealth(new OperatorRest(), (news) => told.push(news))
    for (let i = 0; i < 20; i++) {
      for (const kind of ["rate_limited", "auth", "quota_exhausted", "model_not_found"] as const) {
        health.failed(health.begin(0, forecast), 0, ofKey(kind, true))
      }
    }
    assert.deepStrictEqual(health.troubleAt(0), { state: "healthy", leftMs: null, why: null })
    assert.isFalse(health.isAtLimit)
    assert.strictEqual(health.inFlight, 0)
    assert.deepStrictEqual(told, [])
  })

  it("is the candidate's once no other is, until the first of them is", () => {
    for (const kind of ["rate_limited", "auth"] as const) {
      const health = new CandidateHealth()
      health.failed(health.begin(0, forecast), 0, ofKey(kind, false))
      assert.strictEqual(health.trippedForMs(0), 30_000)
    }
  })
})
