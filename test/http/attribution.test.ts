import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Task } from "../../src/domain/Task.ts"
import { attributionOf, makeAttributionReader } from "../../src/http/attribution.ts"

const task = (fields: object = {}): Task => ({
  _tag: "Chat",
  request: { messages: [{ role: "user", content: "x" }], ...fields },
  mode: "whole",
})

const read = makeAttributionReader([
  ["x-cost-center", "tag"],
  ["x-forwarded-user", "user"],
])

const attribution = (headers: Record<string, string>, fields?: object) =>
  attributionOf(Result.getOrThrow(read(headers)), task(fields))

const refusal = (headers: Record<string, string>) => Result.getOrThrow(Result.flip(read(headers))).detail

describe("attribution", () => {
  it("is nothing where nothing is said", () => {
    assert.deepStrictEqual(attribution({ accept: "*/*" }), { tags: [] })
  })

  it("takes the user from the gateway's own field, then the body, then the table's, then others' fields", () => {
    const headers = { "x-openwebui-user-id": "w", "x-forwarded-user": "f" }
    assert.strictEqual(attribution({ ...headers, "x-gateway-user": "g" }, { user: "b" }).user, "g")
    assert.strictEqual(attribution(headers, { user: "b" }).user, "b")
    assert.strictEqual(attribution(headers).user, "f")
    for (const name of [
      "x-openwebui-user-id",
      "x-litellm-customer-id",
      "x-litellm-end-user-id",
      "helicone-user-id",
    ]) {
      assert.strictEqual(attribution({ [name]: "w" }).user, "w", name)
    }
    // An empty field is what a template without a value leaves.
    assert.strictEqual(
      attribution({ "x-gateway-user": "  ", "x-forwarded-user": "" }, { user: "b" }).user,
      "b",
    )
  })

  it("takes tags from every field, each once", () => {
    assert.deepStrictEqual(
      attribution({ "x-gateway-tags": "a, b,,a", "x-cost-center": "4711", "x-litellm-tags": "b,c" }).tags,
      ["a", "b", "4711", "c"],
    )
  })

  it("refuses what is wrong in its own fields, and says the rule", () => {
    assert.strictEqual(
      refusal({ "x-gateway-user": "x".repeat(129) }),
      "x-gateway-user: Expected 1 to 128 printable ASCII characters without a comma, sent once.",
    )
    const rule =
      "x-gateway-tags: Expected at most 10 tags with commas between, each of 1 to 64 printable ASCII characters."
    assert.strictEqual(refusal({ "x-gateway-tags": "x".repeat(65) }), rule)
    assert.strictEqual(refusal({ "x-gateway-tags": "j\u00c3\u00bcrgen" }), rule)
    assert.strictEqual(refusal({ "x-gateway-tags": "0,1,2,3,4,5,6,7,8,9,10" }), rule)
    // Two lines of a field come joined like this.
    assert.include(refusal({ "x-gateway-user": "a, b" }), "sent once")
  })

  it("leaves out what is wrong in others' fields", () => {
    assert.deepStrictEqual(attribution({ "x-cost-center": `${"x".repeat(65)},ok,j\u00c3\u00bcrgen` }).tags, [
      "ok",
    ])
    assert.lengthOf(
      attribution({ "x-gateway-tags": "a", "x-cost-center": [...Array(20).keys()].join() }).tags,
      10,
    )
    assert.strictEqual(attribution({ "x-forwarded-user": "J\u00c3\u00bcrgen" }).user, "Jürgen")
    assert.lengthOf(attribution({ "x-forwarded-user": "x".repeat(500) }).user ?? "", 128)
  })
})
