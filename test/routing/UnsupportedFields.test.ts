import { assert, describe, it } from "@effect/vitest"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { Task } from "../../src/domain/Task.ts"
import { UnsupportedFields } from "../../src/routing/UnsupportedFields.ts"

const chat = (fields: object = {}, mode: "whole" | "stream" = "whole"): Task => ({
  _tag: "Chat",
  request: { messages: [], ...fields } as ChatRequest,
  mode,
})

const remembered = (...params: ReadonlyArray<string>) => {
  const fields = new UnsupportedFields()
  for (const param of params) fields.remember("a/m", param, 0)
  return fields
}

describe("fields that a candidate does not take", () => {
  it("concern who has them, at that candidate", () => {
    const fields = remembered("tools[0].strict")
    assert.isTrue(fields.concern("a/m", chat({ tools: [] }), 1))
    assert.isFalse(fields.concern("a/m", chat({ tool_choice: "auto" }), 1))
    assert.isFalse(fields.concern("a/m", chat({ tools: null }), 1))
    assert.isFalse(fields.concern("b/m", chat({ tools: [] }), 1))
  })

  it("concern streams, when they are about streaming", () => {
    for (const param of ["stream", "stream_options.include_usage"]) {
      const fields = remembered(param)
      assert.isTrue(fields.concern("a/m", chat({}, "stream"), 1))
      assert.isFalse(fields.concern("a/m", chat(), 1))
    }
  })

  it("are none that every request has, and no field at all", () => {
    const fields = remembered("messages[0].content", "model", "input", "", "$.x", "9")
    assert.isFalse(fields.concern("a/m", chat({ model: "m", input: "x" }), 1))
  })

  it("are forgotten after ten minutes, and when the provider is reset", () => {
    const fields = remembered("seed")
    assert.isTrue(fields.concern("a/m", chat({ seed: 1 }), 599_999))
    assert.isFalse(fields.concern("a/m", chat({ seed: 1 }), 600_000))
    const again = remembered("seed")
    again.forget("a/m")
    assert.isFalse(again.concern("a/m", chat({ seed: 1 }), 1))
  })

  it("are the last ones, of however many that clients invent", () => {
    const fields = remembered(...Array.from({ length: 1_000 }, (_, i) => `invented_${i}`))
    assert.isTrue(fields.concern("a/m", chat({ invented_999: 1 }), 1))
    assert.isFalse(fields.concern("a/m", chat({ invented_900: 1 }), 1))
  })
})
