import { assert, describe, it } from "@effect/vitest"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { CandidateHealth } from "../../src/routing/CandidateHealth.ts"

const LATE_MS = 1_000
const SECOND = 1_000

const error = (kind: ProviderErrorKind, retryAfterMs?: number) =>
  new ProviderError({ kind, provider: "a", model: "m", ...(retryAfterMs !== undefined && { retryAfterMs }) })

const setup = () => {
  const health = new CandidateHealth()
  const begin = (nowMs: number, isAnswering = () => false) =>
    health.begin(nowMs, { lateAfterMs: LATE_MS, isAnswering })
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
  return { begin, fail, hang, health, succeed }
}

describe("calls that hang", () => {
  it("make suspect when there are ten and the first is late", () => {
    const { hang, health } = setup()
    hang(0, 1)
    hang(500, 9)
    assert.isFalse(health.isSuspect(999))
    assert.isTrue(health.isSuspect(1_000))
  })

  it("are not many when they are nine, unless another has failed", () => {
    const { fail, hang, health } = setup()
    hang(0, 9)
    assert.isFalse(health.isSuspect(60 * SECOND))
    fail(60 * SECOND, 1, "timeout")
    assert.isTrue(health.isSuspect(60 * SECOND))
  })

  it("are forgotten with every sign of life: an answer, a refusal, a stream's first word", () => {
    for (const live of [
      ({ succeed }: ReturnType<typeof setup>) => succeed(2 * SECOND),
      ({ fail }: ReturnType<typeof setup>) => fail(2 * SECOND, 1, "bad_request"),
      ({ begin }: ReturnType<typeof setup>) => void begin(2 * SECOND, () => true),
    ]) {
      const world = setup()
      world.hang(0, 10)
      assert.isTrue(world.health.isSuspect(2 * SECOND))
      live(world)
      assert.isFalse(world.health.isSuspect(2 * SECOND))
      world.hang(3 * SECOND, 9)
      assert.isFalse(world.health.isSuspect(60 * SECOND))
    }
  })

  it("stay a suspicion while they time out, until the circuit opens", () => {
    const { hang, health } = setup()
    const calls = hang(0, 10)
    for (const call of calls.slice(0, 4)) {
      health.failed(call, 10 * SECOND, error("timeout"))
      assert.isTrue(health.isSuspect(10 * SECOND))
    }
    for (const call of calls.slice(4, 5)) health.failed(call, 10 * SECOND, error("timeout"))
    assert.strictEqual(health.trippedForMs(10 * SECOND), 5 * SECOND)
  })

  it("wait until they end, however, or bring something", () => {
    const { begin, health } = setup()
    let answering = false
    const [one, two, three] = [begin(0), begin(0), begin(0)]
    health.begin(0, { lateAfterMs: 10 * SECOND, isAnswering: () => answering })
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

describe("probes", () => {
  it("are offered when the time is over, one at a time, until three answers are there", () => {
    const { begin, fail, health } = setup()
    assert.isFalse(health.offersProbe(0))
    fail(0, 5)
    assert.isFalse(health.offersProbe(4_999))
    for (let answers = 0; answers < 3; answers++) {
      assert.isFalse(health.takeRecovery())
      assert.isTrue(health.offersProbe(5 * SECOND))
      const probe = begin(5 * SECOND)
      assert.isFalse(health.offersProbe(5 * SECOND))
      health.succeeded(probe, 5 * SECOND)
    }
    assert.isFalse(health.offersProbe(5 * SECOND))
    assert.isTrue(health.takeRecovery())
    assert.isFalse(health.takeRecovery())
  })

  it("are offered after a cooldown too", () => {
    const { fail, health, succeed } = setup()
    fail(0, 1, "rate_limited", 2 * SECOND)
    assert.isFalse(health.offersProbe(1_999))
    assert.isTrue(health.offersProbe(2 * SECOND))
    succeed(2 * SECOND, 3)
    assert.isFalse(health.offersProbe(2 * SECOND))
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

  it("that fail are offered to fewer requests each time, down to one in five", () => {
    const { fail, health } = setup()
    fail(0, 5)
    const requests: Array<number> = []
    let nowMs = 0
    for (let i = 0; i < 7; i++) {
      nowMs += health.trippedForMs(nowMs)
      let request = 1
      while (!health.offersProbe(nowMs)) request += 1
      requests.push(request)
      fail(nowMs)
    }
    assert.deepStrictEqual(requests, [1, 2, 3, 4, 5, 5, 5])
  })

  it("that nobody waits for any more free their place", () => {
    const { begin, fail, health } = setup()
    fail(0, 5)
    const probe = begin(5 * SECOND)
    assert.isAbove(health.trippedForMs(5 * SECOND), 0)
    health.abandoned(probe)
    assert.isTrue(health.offersProbe(5 * SECOND))
  })
})

describe("a reset", () => {
  it("forgets circuit, cooldown and suspicion, and offers a probe at once", () => {
    for (const trouble of [
      ({ fail }: ReturnType<typeof setup>) => fail(0, 5),
      ({ fail }: ReturnType<typeof setup>) => fail(0, 1, "quota_exhausted"),
      ({ hang }: ReturnType<typeof setup>) => void hang(-5 * SECOND, 10),
    ]) {
      const world = setup()
      trouble(world)
      assert.isTrue(world.health.trippedForMs(0) > 0 || world.health.isSuspect(0))
      world.health.reset()
      assert.strictEqual(world.health.trippedForMs(0), 0)
      assert.isFalse(world.health.isSuspect(0))
      assert.isTrue(world.health.offersProbe(0))
      world.fail(0, 4)
      assert.strictEqual(world.health.trippedForMs(0), 0)
      world.fail(0, 1)
      assert.strictEqual(world.health.trippedForMs(0), 5 * SECOND)
    }
  })

  it("is not undone by calls that were under way", () => {
    const { health, hang } = setup()
    const calls = hang(0, 10)
    health.reset()
    for (const call of calls) health.failed(call, SECOND, error("timeout"))
    assert.strictEqual(health.trippedForMs(SECOND), 0)
  })
})
