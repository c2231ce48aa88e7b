import { assert, describe, it } from "@effect/vitest"
import { RateBucket } from "../../src/limits/RateBucket.ts"

const LIMIT = 60_000

describe("tokens that come back", () => {
  it("are nobody's where they have been refilled meanwhile", () => {
    const bucket = new RateBucket("tokens", LIMIT, 0)
    const ask = bucket.ask(LIMIT, LIMIT, 0, 1)
    bucket.answered(ask, { granted: LIMIT, used: LIMIT, asked: LIMIT, epoch: 1 }, 0, 0)
    assert.strictEqual(bucket.take(LIMIT, 0), 0)
    bucket.giveBack(LIMIT, 61_000, 1)
    assert.notStrictEqual(bucket.take(1, 61_000), 0)
    assert.strictEqual(bucket.state(61_000).remaining, LIMIT)
  })

  it("can be taken again at once", () => {
    const bucket = new RateBucket("tokens", LIMIT, 0)
    const ask = bucket.ask(LIMIT, LIMIT, 0, 1)
    bucket.answered(ask, { granted: LIMIT, used: LIMIT, asked: LIMIT, epoch: 1 }, 0, 0)
    bucket.take(LIMIT, 0)
    bucket.giveBack(40_000, 10, 1)
    assert.strictEqual(bucket.take(40_000, 10), 0)
    assert.notStrictEqual(bucket.take(1, 10), 0)
  })
})
