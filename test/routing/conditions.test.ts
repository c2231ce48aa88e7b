import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { RouteCondition } from "../../src/config/route-condition.ts"
import type { Task } from "../../src/domain/Task.ts"
import {
  type AskedRequest,
  type Condition,
  compileConditions,
  follow,
  placeOf,
  sharerOf,
} from "../../src/routing/conditions.ts"
import { ask, chat } from "./world.ts"

const request = (fields: Partial<AskedRequest> = {}): AskedRequest => ({
  requestedModel: "auto",
  task: chat(ask()),
  keyId: "AbCd01234567",
  ...fields,
})

const NOON_MS = Date.parse("2026-11-30T12:00:00Z")

const holds = (
  condition: Omit<RouteCondition, "route">,
  asked: Partial<AskedRequest> = {},
  nowMs = NOON_MS,
) =>
  compileConditions({ name: "auto", when: [{ route: "other", ...condition }] })[0]?.holds(
    request(asked),
    nowMs,
  )

const saying = (fields: Record<string, unknown>): Task => chat(ask("Hello", fields))

describe("a condition", () => {
  it("asks for the length of the prompt, as estimated", () => {
    const task = chat(ask("word ".repeat(100))) // 129 tokens
    assert.isTrue(holds({ inputTokensAbove: 128 }, { task }))
    assert.isFalse(holds({ inputTokensAbove: 129 }, { task }))
    assert.isTrue(holds({ inputTokensBelow: 130 }, { task }))
    assert.isFalse(holds({ inputTokensBelow: 129 }, { task }))
    const embedding: Task = { _tag: "Embedding", request: { input: "word ".repeat(100) } }
    assert.isTrue(holds({ inputTokensAbove: 124 }, { task: embedding }))
  })

  it("asks for the output that is allowed, where the request says it", () => {
    const task = saying({ max_completion_tokens: 100 })
    assert.isTrue(holds({ maxOutputTokensAbove: 99 }, { task }))
    assert.isFalse(holds({ maxOutputTokensAbove: 100 }, { task }))
    assert.isTrue(holds({ maxOutputTokensBelow: 101 }, { task: saying({ max_tokens: 100 }) }))
    assert.isFalse(holds({ maxOutputTokensBelow: 100 }, { task }))
    assert.isFalse(holds({ maxOutputTokensAbove: 0 }))
    assert.isFalse(holds({ maxOutputTokensBelow: 1_000 }))
  })

  it("asks for a header field's exact value, or one of several, in any case of its name", () => {
    const headers = new Map([["x-tier", "gold"]])
    assert.isTrue(holds({ header: { "X-Tier": "gold" } }, { headers }))
    assert.isTrue(holds({ header: { "x-tier": ["silver", "gold"] } }, { headers }))
    for (const header of [{ "x-tier": "Gold" }, { "x-tier": ["gol"] }, { "x-tier": "gold", "x-team": "a" }]) {
      assert.isFalse(holds({ header }, { headers }))
    }
    assert.isFalse(holds({ header: { "x-tier": "gold" } }))
  })

  it("asks who asks, and for what", () => {
    assert.isTrue(holds({ keys: ["ZbCd01234567", "AbCd01234567"] }))
    assert.isFalse(holds({ keys: ["ZbCd01234567"] }))
    assert.isTrue(holds({ asked: ["auto"] }))
    assert.isFalse(holds({ asked: ["auto"] }, { requestedModel: "other" }))
  })

  it("asks for hours and days of a place", () => {
    const monday = (time: string) => Date.parse(`2026-11-30T${time}Z`)
    const night = { hours: "22:00-06:00", timeZone: "Europe/Berlin" } as const
    assert.isFalse(holds(night, {}, monday("20:59:59")))
    assert.isTrue(holds(night, {}, monday("21:00:00")))
    assert.isTrue(holds(night, {}, monday("04:59:59")))
    assert.isFalse(holds(night, {}, monday("05:00:00")))
    assert.isTrue(holds({ hours: "22:00-24:00" }, {}, monday("23:59:59")))
    assert.isFalse(holds({ hours: "22:00-24:00" }, {}, monday("21:59:59")))
    assert.isTrue(holds({ days: ["mon"] }))
    assert.isFalse(holds({ days: ["tue", "sun"] }))
    assert.isTrue(holds({ days: ["tue"], timeZone: "Pacific/Kiritimati" }))
  })

  it("that asks for several things holds when all of them do, and one that asks for nothing always", () => {
    const both: Omit<RouteCondition, "route"> = { uses: ["stream", "tools"], maxOutputTokensAbove: 9 }
    const said = { max_tokens: 10, tools: [{ type: "function", function: { name: "f" } }] }
    assert.isTrue(holds(both, { task: chat(ask("Hi", said), "stream") }))
    assert.isFalse(holds(both, { task: chat(ask("Hi", said)) }))
    assert.isFalse(holds(both, { task: chat(ask("Hi", { ...said, max_tokens: 9 }), "stream") }))
    assert.isTrue(holds({}))
  })
})

describe("the way of a request", () => {
  const routes = (conditions: Readonly<Record<string, ReadonlyArray<RouteCondition>>>) =>
    new Map<string, { readonly conditions: ReadonlyArray<Condition> }>(
      Object.entries(conditions).map(([name, when]) => [
        name,
        { name, conditions: compileConditions({ name, when }) },
      ]),
    )

  it("goes by the first condition that holds, on to the next route's", () => {
    const all = routes({
      auto: [{ route: "b", keys: ["nobody"] }, { route: "b", asked: ["auto"] }, { route: "c" }],
      b: [{ route: "c", days: ["mon"], hours: "11:00-13:00" }],
      c: [],
    })
    const found = follow(all, request(), NOON_MS)
    assert.strictEqual(found.route, all.get("c"))
    assert.deepStrictEqual(found.via, ["auto.when[1]: asked", "b.when[0]: days, hours"])
    assert.deepStrictEqual(follow(all, request({ requestedModel: "c" }), NOON_MS).via, [])
    assert.isUndefined(follow(all, request({ requestedModel: "x" }), NOON_MS).route)
  })

  it("is told without the values that are asked for", () => {
    const all = routes({ auto: [{ route: "b", header: { "x-tier": "gold" }, share: 1 }], b: [] })
    const headers = new Map([["x-tier", "gold"]])
    assert.deepStrictEqual(follow(all, request({ headers }), NOON_MS).via, ["auto.when[0]: header, share"])
  })
})

describe("whose share a request counts for", () => {
  const sharer = (fields: Record<string, unknown>, user?: string) =>
    sharerOf({ keyId: "key", task: saying(fields), user })

  it("is the user's, else the conversation's, else the key's", () => {
    assert.strictEqual(sharer({ user: "u" }, "named"), "named")
    assert.strictEqual(sharer({ user: "u", prompt_cache_key: "p" }), "u")
    assert.strictEqual(sharer({ user: 7, metadata: { user_id: null }, prompt_cache_key: "p" }), "p")
    assert.strictEqual(sharer({ metadata: "m" }), "key")
  })
})

describe("a share", () => {
  const name = fc.string({ minLength: 1, maxLength: 40 })
  const drawn = (route: string, share: number, user: string) =>
    compileConditions({ name: "auto", when: [{ route, share }] })[0]?.holds(
      request({ task: saying({ user }) }),
      NOON_MS,
    )

  it("takes nobody at 0 and everybody at 1", () => {
    fc.assert(
      fc.property(name, name, (route, user) => {
        assert.isFalse(drawn(route, 0, user))
        assert.isTrue(drawn(route, 1, user))
      }),
    )
  })

  it("always takes the same users, and when it grows more of them and loses none", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(name, name, share, share, (route, user, one, other) => {
        const [small, large] = [Math.min(one, other), Math.max(one, other)]
        assert.strictEqual(drawn(route, small, user), drawn(route, small, user))
        if (drawn(route, small, user)) assert.isTrue(drawn(route, large, user))
      }),
    )
  })

  const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`)

  it("is of all users, however their names go", () => {
    for (const share of [0.01, 0.05, 0.5, 0.9]) {
      for (const [route, of] of [
        ["canary", users],
        ["b", users.map((user) => user.slice(5))],
        ["c", users.map((user) => `${"x".repeat(300)}${user}`)],
      ] as const) {
        const taken = of.filter((user) => placeOf(route, user) < share).length
        // Five standard deviations.
        assert.approximately(taken, of.length * share, 5 * Math.sqrt(of.length * share * (1 - share)))
      }
    }
  })

  it("of one route says nothing of that of another", () => {
    const both = users.filter((user) => placeOf("canary", user) < 0.2 && placeOf("canary2", user) < 0.2)
    assert.approximately(both.length, users.length * 0.04, 5 * Math.sqrt(users.length * 0.04))
  })

  it("takes a key's requests that name no user, or none of them", () => {
    const of = (keyId: string, share: number, task = saying({})) => holds({ share }, { keyId, task })
    assert.isTrue(of("key", placeOf("other", "user") + 1e-9, saying({ user: "user" })))
    assert.isFalse(of("key", placeOf("other", "user"), saying({ user: "user" })))
    assert.isTrue(of("AbCd01234567", placeOf("other", "AbCd01234567") + 1e-9))
    assert.isFalse(of("AbCd01234567", placeOf("other", "AbCd01234567")))
  })

  it("stays what it was, in every version: users stay where they are", () => {
    assert.strictEqual(placeOf("canary", "user-1").toFixed(6), "0.566728")
  })
})
