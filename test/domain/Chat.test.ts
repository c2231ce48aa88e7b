import { assert, describe, it } from "@effect/vitest"
import { type ChatMessage, type ChatRequest, estimateInputTokens } from "../../src/domain/Chat.ts"

const tokens = (message: Partial<ChatMessage>, more: Partial<ChatRequest> = {}) =>
  estimateInputTokens({ messages: [{ role: "user", ...message }], ...more })

describe("an estimate of input tokens", () => {
  const words = "x".repeat(4_000)

  it("is a quarter of the bytes and something for each message", () => {
    assert.strictEqual(tokens({ content: words }), 1_004)
    assert.strictEqual(tokens({ content: "\u20ac".repeat(4_000) }), 3_004)
    assert.strictEqual(tokens({ content: [{ type: "text", text: words }] }), 1_004)
    assert.strictEqual(tokens({ content: null }), 4)
  })

  it("counts tools, their calls and schemas", () => {
    const call = { id: "c", type: "function", function: { name: "f", arguments: words } }
    const described = [{ type: "function", function: { name: "f", description: words } }]
    assert.isAbove(tokens({ tool_calls: [call] }), 1_004)
    assert.isAbove(tokens({}, { tools: described }), 1_004)
    assert.isAbove(tokens({}, { response_format: { type: "json_schema", json_schema: { a: words } } }), 1_004)
    assert.isBelow(tokens({ tool_calls: [call] }, { tools: described }), 2_100)
  })

  it("counts an image as one, not by its data", () => {
    const image = (data: string) => ({
      type: "image_url",
      image_url: { url: `data:image/png;base64,${data}` },
    })
    assert.strictEqual(tokens({ content: [image(words)] }), tokens({ content: [image("x")] }))
    assert.isAbove(tokens({ content: [image("x")] }), 100)
  })
})
