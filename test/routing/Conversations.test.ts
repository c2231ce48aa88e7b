import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Conversations } from "../../src/routing/Conversations.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const KEY = "a/m"
const OTHER = "b/m"

const setup = () => {
  const conversations = new Conversations()
  let named = 0
  return {
    conversations,
    /** Conversations of two turns, the second so much later, of which so much was in the cache. */
    learn: (count: number, ageMs: number, cachedTokens: number, key = KEY) => {
      for (let i = 0; i < count; i++) {
        const id = `learned ${named++}`
        conversations.answered(id, key, 10_000, 0, 0)
        conversations.answered(id, key, 10_000, cachedTokens, ageMs)
      }
    },
    now: (id: string, nowMs: number, key = KEY, inputTokens = 10_000) =>
      conversations.warmth(id, key, true, inputTokens, nowMs).now,
    next: (key = KEY) => conversations.warmth("another", key, true, 10_000, 0).next,
  }
}

describe("what a candidate has in its cache", () => {
  it("is nothing of a conversation that it has not answered", () => {
    const { conversations, now } = setup()
    assert.strictEqual(now("one", 0), 0)
    conversations.answered("one", OTHER, 10_000, undefined, 0)
    assert.strictEqual(now("one", SECOND), 0)
    assert.isAbove(now("one", SECOND, OTHER), 5_000)
  })

  it("is no more than the turn before, nor than this turn", () => {
    const { conversations, learn, now } = setup()
    learn(50, SECOND, 10_000)
    conversations.answered("one", KEY, 4_000, undefined, 0)
    assert.approximately(now("one", SECOND, KEY, 10_000), 4_000, 200)
    assert.approximately(now("one", SECOND, KEY, 2_000), 2_000, 100)
  })

  it("is not expected to be for ever", () => {
    const { conversations, now } = setup()
    conversations.answered("one", KEY, 10_000, undefined, 0)
    assert.isAbove(now("one", MINUTE), 5_000)
    assert.isBelow(now("one", 24 * 60 * MINUTE), 1_000)
  })

  it("is nothing where cached tokens cost as much as others, until it is seen", () => {
    const { conversations, learn } = setup()
    conversations.answered("one", KEY, 10_000, undefined, 0)
    assert.strictEqual(conversations.warmth("one", KEY, false, 10_000, SECOND).now, 0)
    learn(20, SECOND, 10_000)
    assert.isAbove(conversations.warmth("one", KEY, false, 10_000, SECOND).now, 8_000)
  })

  it("is learned to be nothing where nothing was found", () => {
    const { conversations, learn, next, now } = setup()
    const before = next()
    learn(50, SECOND, 0)
    conversations.answered("one", KEY, 10_000, undefined, 0)
    assert.isBelow(now("one", SECOND), 1_000)
    assert.isBelow(next(), before)
  })

  it("is learned by time: what is found is there before, and what is gone is gone later", () => {
    const { conversations, learn, now } = setup()
    learn(50, 9 * MINUTE, 9_000)
    learn(50, 25 * MINUTE, 0)
    conversations.answered("one", KEY, 10_000, undefined, 0)
    for (const ageMs of [SECOND, 4 * MINUTE, 9 * MINUTE]) assert.isAbove(now("one", ageMs), 8_000)
    for (const ageMs of [25 * MINUTE, 55 * MINUTE, 600 * MINUTE]) assert.isBelow(now("one", ageMs), 500)
  })

  it("is learned for each candidate by itself", () => {
    const { conversations, learn, now } = setup()
    learn(50, SECOND, 0, KEY)
    learn(50, SECOND, 10_000, OTHER)
    conversations.answered("one", KEY, 10_000, undefined, 0)
    conversations.answered("one", OTHER, 10_000, undefined, 0)
    assert.isBelow(now("one", SECOND, KEY), 1_000)
    assert.isAbove(now("one", SECOND, OTHER), 9_000)
  })

  it("is not learned from a candidate that does not say", () => {
    const { conversations, now } = setup()
    for (let turn = 0; turn < 50; turn++) conversations.answered("one", KEY, 10_000, undefined, turn * SECOND)
    const fresh = setup()
    fresh.conversations.answered("one", KEY, 10_000, undefined, 49 * SECOND)
    assert.strictEqual(now("one", 50 * SECOND), fresh.now("one", 50 * SECOND))
  })

  it("is for the turn after this one what the usual time between turns leaves of it", () => {
    const soon = setup()
    const late = setup()
    for (let turn = 0; turn < 400; turn++) {
      soon.conversations.answered("one", KEY, 10_000, undefined, turn * 10 * SECOND)
      late.conversations.answered("one", KEY, 10_000, undefined, turn * 45 * MINUTE)
    }
    assert.isAbove(soon.next(), 7_000)
    assert.isBelow(late.next(), 2_000)
  })

  it("is no more than the input and never negative, whatever was seen", () => {
    const turn = fc.record({
      id: fc.constantFrom("one", "two", "three"),
      key: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      inputTokens: fc.nat(1_000_000),
      cachedTokens: fc.option(fc.nat(2_000_000), { nil: undefined }),
      afterMs: fc.nat(100 * MINUTE),
    })
    fc.assert(
      fc.property(fc.array(turn), fc.nat(1_000_000), fc.boolean(), (turns, inputTokens, discounted) => {
        const { conversations } = setup()
        let nowMs = 0
        for (const { afterMs, cachedTokens, id, inputTokens, key } of turns) {
          nowMs += afterMs
          conversations.answered(id, key, inputTokens, cachedTokens, nowMs)
          assert.isAtLeast(conversations.rest, 0)
        }
        for (const key of ["a", "f"]) {
          const { next, now } = conversations.warmth("one", key, discounted, inputTokens, nowMs)
          assert.isTrue(now >= 0 && now <= inputTokens, `${now}`)
          assert.isTrue(next >= 0 && next <= inputTokens * (1 + 1e-9), `${next}`)
        }
      }),
    )
  })
})

describe("turns to come", () => {
  it("are none before a conversation was seen, and as many as conversations have", () => {
    const { conversations } = setup()
    assert.strictEqual(conversations.rest, 0)
    for (let i = 0; i < 300; i++) {
      for (let turn = 0; turn < 6; turn++) conversations.answered(`${i}`, KEY, 5_000, undefined, i * SECOND)
    }
    assert.approximately(conversations.rest, 5, 1)
  })

  it("are few where nobody asks twice, and bounded where one conversation goes on for ever", () => {
    const once = setup()
    const ever = setup()
    for (let i = 0; i < 5_000; i++) {
      once.conversations.answered(`${i}`, KEY, 5_000, undefined, i)
      ever.conversations.answered("one", KEY, 5_000, undefined, i)
    }
    assert.strictEqual(once.conversations.rest, 0)
    assert.isAtMost(ever.conversations.rest, 100)
  })
})

describe("memory", () => {
  it("is of the 10,000 conversations that were heard of last", () => {
    const { conversations, now } = setup()
    conversations.answered("oldest", KEY, 10_000, undefined, 0)
    conversations.answered("kept", KEY, 10_000, undefined, 0)
    for (let i = 0; i < 9_999; i++) {
      conversations.answered(`${i}`, KEY, 10_000, undefined, 1)
      if (i === 5_000) conversations.answered("kept", KEY, 10_000, undefined, 1)
    }
    assert.strictEqual(now("oldest", 2), 0)
    assert.isAbove(now("kept", 2), 0)
    assert.isAbove(now("0", 2), 0)
  })

  it("is of few candidates for each conversation, the first ones forgotten first", () => {
    const { conversations, now } = setup()
    const keys = Array.from({ length: 50 }, (_, i) => `p${i}/m`)
    for (const key of keys) conversations.answered("one", key, 10_000, undefined, 0)
    const known = keys.filter((key) => now("one", SECOND, key) > 0)
    assert.isTrue(known.length > 1 && known.length <= 10)
    assert.strictEqual(known.at(-1), keys.at(-1))
  })
})
