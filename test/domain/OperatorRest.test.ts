import { assert, describe, it } from "@effect/vitest"
import { OperatorRest } from "../../src/domain/OperatorRest.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { CandidateHealth } from "../../src/routing/CandidateHealth.ts"

const MINUTE = 60_000

const refusal = (
  kind: ProviderErrorKind = "quota_exhausted",
  more: Partial<Pick<ProviderError, "retryAfterMs" | "status" | "modelOnly">> = {},
) => new ProviderError({ kind, provider: "a", model: "m", ...more })

/** Models of one account. */
const setup = () => {
  const account = new OperatorRest()
  const [one, other] = [new CandidateHealth(account), new CandidateHealth(account)]
  const begin = (health: CandidateHealth, nowMs: number) =>
    health.begin(nowMs, { expectedMs: 100, tookMs: () => 100, lateAfterMs: 1_000, isAnswering: () => false })
  const fail = (health: CandidateHealth, nowMs: number, error = refusal()) =>
    health.failed(begin(health, nowMs), nowMs, error)
  const succeed = (health: CandidateHealth, nowMs: number) => health.succeeded(begin(health, nowMs), nowMs)
  return { begin, fail, one, other, succeed }
}

describe("a refusal that an operator has to look after", () => {
  it("is waited for longer each time that the probe is refused again, up to an hour", () => {
    for (const kind of ["quota_exhausted", "auth", "not_enabled", "model_not_found"] as const) {
      const { fail, one } = setup()
      let nowMs = 1
      const waits = Array.from({ length: 6 }, () => {
        fail(one, nowMs, refusal(kind))
        const waitMs = one.trippedForMs(nowMs)
        nowMs += waitMs
        return waitMs / MINUTE
      })
      assert.deepStrictEqual(waits, [5, 10, 20, 40, 60, 60])
    }
  })

  it("is waited for as long as the provider says, within what is believed", () => {
    const { fail, one } = setup()
    fail(one, 0, refusal("quota_exhausted", { retryAfterMs: 7 * MINUTE }))
    assert.strictEqual(one.trippedForMs(0), 7 * MINUTE)
    fail(one, 7 * MINUTE, refusal("quota_exhausted", { retryAfterMs: 24 * 60 * MINUTE }))
    assert.strictEqual(one.trippedForMs(7 * MINUTE), 10 * MINUTE)
  })

  it("is no longer for calls that were refused meanwhile, for want of anybody else", () => {
    const { fail, one } = setup()
    for (let i = 0; i < 20; i++) fail(one, i * 1_000)
    assert.strictEqual(one.trippedForMs(MINUTE), 4 * MINUTE)
  })

  it("is over with an answer, and not with that to a call sent before", () => {
    const { begin, fail, one, succeed } = setup()
    const before = begin(one, 0)
    fail(one, 1)
    one.succeeded(before, 2)
    assert.isAbove(one.trippedForMs(2), 0)
    succeed(one, 3)
    assert.deepStrictEqual(one.troubleAt(3), { state: "healthy", leftMs: null, why: null })
    fail(one, 4)
    assert.strictEqual(one.trippedForMs(4), 5 * MINUTE)
  })
})

describe("a refusal of the account", () => {
  for (const error of [refusal("quota_exhausted"), refusal("auth", { status: 401 }), refusal("auth")]) {
    it(`rests all of its models, with one probe for all: ${error.kind} ${error.status ?? ""}`, () => {
      const { begin, fail, one, other, succeed } = setup()
      fail(one, 0, error)
      assert.deepStrictEqual(other.troubleAt(0), { state: "tripped", leftMs: 5 * MINUTE, why: error.kind })
      assert.isFalse(other.offersProbe(5 * MINUTE - 1, 100, 0.5))
      assert.isTrue(other.offersProbe(5 * MINUTE, 100, 0.5))
      const probe = begin(other, 5 * MINUTE)
      for (const model of [one, other]) {
        assert.isAbove(model.trippedForMs(5 * MINUTE), 0)
        assert.isFalse(model.offersProbe(5 * MINUTE, 100, 0.5))
      }
      other.failed(probe, 5 * MINUTE, error)
      for (const model of [one, other]) assert.strictEqual(model.trippedForMs(6 * MINUTE), 9 * MINUTE)
      succeed(other, 15 * MINUTE)
      assert.strictEqual(other.trippedForMs(15 * MINUTE), 0)
      assert.strictEqual(one.trippedForMs(15 * MINUTE), 0)
    })
  }

  for (const error of [
    refusal("quota_exhausted", { modelOnly: true }),
    refusal("auth", { status: 403 }),
    refusal("not_enabled"),
    refusal("model_not_found"),
    refusal("rate_limited"),
    refusal("bad_request"),
    refusal("refused"),
  ]) {
    it(`leaves the others alone where it may be of a model: ${error.kind}`, () => {
      const { fail, one, other } = setup()
      fail(one, 0, error)
      assert.strictEqual(other.trippedForMs(0), 0)
    })
  }

  it("rests only the one that was refused, and no longer than at first, once another is answered", () => {
    const { fail, one, other, succeed } = setup()
    let nowMs = 0
    for (let i = 0; i < 4; i++) {
      fail(one, nowMs)
      nowMs += one.trippedForMs(nowMs)
    }
    fail(one, nowMs)
    assert.strictEqual(one.trippedForMs(nowMs), 60 * MINUTE)
    succeed(other, nowMs + MINUTE)
    assert.strictEqual(other.trippedForMs(nowMs + MINUTE), 0)
    assert.strictEqual(one.trippedForMs(nowMs + MINUTE), 5 * MINUTE)
  })

  it("is forgotten by a reset, whatever the calls under way come to", () => {
    const { begin, fail, one, other } = setup()
    fail(one, 0)
    const underWay = begin(one, 1)
    for (const model of [one, other]) model.reset()
    one.failed(underWay, 2, refusal())
    for (const model of [one, other]) assert.strictEqual(model.trippedForMs(2), 0)
  })

  it("frees its probe's place when nobody waits for it any more", () => {
    const { begin, fail, one, other } = setup()
    fail(one, 0)
    one.abandoned(begin(one, 5 * MINUTE))
    assert.isTrue(other.offersProbe(5 * MINUTE, 100, 0.5))
  })
})
