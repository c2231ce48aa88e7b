import { assert, describe, it } from "@effect/vitest"
import {
  chatChunk,
  chatCompletion,
  embeddingList,
  usageChunk,
  wireUsage,
} from "../../../../src/providers/protocols/openai-chat/wire.ts"

const head = { id: "chatcmpl-1", created: 1_700_000_000, model: "m" }
const usage = { inputTokens: 10, outputTokens: 7, cachedTokens: 4, cacheWriteTokens: 0, reasoningTokens: 3 }
const wire = {
  prompt_tokens: 10,
  completion_tokens: 7,
  total_tokens: 17,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 3 },
}

/** The data of the one event that these bytes are. */
const dataOf = (event: Uint8Array): unknown => {
  const text = Buffer.from(event).toString()
  const [, data] = /^data: (.*)\n\n$/.exec(text) ?? assert.fail(text)
  return JSON.parse(data ?? "")
}

describe("a whole answer", () => {
  it("is a chat.completion with its choices in order", () => {
    const body = chatCompletion(
      { ...head, systemFingerprint: "fp" },
      [
        { message: { role: "assistant", content: "Hi" }, finishReason: "stop" },
        { message: { role: "assistant", content: null, tool_calls: [] }, finishReason: "tool_calls" },
      ],
      usage,
    )
    assert.deepStrictEqual(JSON.parse(body), {
      id: "chatcmpl-1",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "m",
      system_fingerprint: "fp",
      choices: [
        { index: 0, message: { role: "assistant", content: "Hi" }, logprobs: null, finish_reason: "stop" },
        {
          index: 1,
          message: { role: "assistant", content: null, tool_calls: [] },
          logprobs: null,
          finish_reason: "tool_calls",
        },
      ],
      usage: wire,
    })
  })

  it("leaves out what is not known, and gives a reason OpenAI has no word for as stop", () => {
    const body = JSON.parse(
      chatCompletion(head, [{ message: { role: "assistant", content: "" }, finishReason: "other" }], null),
    )
    assert.doesNotHaveAnyKeys(body, ["usage", "system_fingerprint"])
    assert.strictEqual(body.choices[0].finish_reason, "stop")
  })
})

describe("a streamed answer", () => {
  it("is chat.completion.chunk events, each one line of data and a blank one", () => {
    assert.deepStrictEqual(dataOf(chatChunk(head, 2, { content: "a\nb" }, null)), {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "m",
      choices: [{ index: 2, delta: { content: "a\nb" }, logprobs: null, finish_reason: null }],
    })
  })

  it("ends with the usage and no choice", () => {
    assert.deepStrictEqual(dataOf(usageChunk(head, usage)), {
      ...head,
      object: "chat.completion.chunk",
      choices: [],
      usage: wire,
    })
    assert.deepStrictEqual(wireUsage(usage), wire)
  })
})

describe("an embeddings answer", () => {
  const vectors = [Float32Array.of(0.5, -0.1), Float32Array.of(1, 0)]

  it("is a list of vectors in order", () => {
    assert.deepStrictEqual(JSON.parse(embeddingList("m", vectors, "float", 9)), {
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [0.5, Math.fround(-0.1)] },
        { object: "embedding", index: 1, embedding: [1, 0] },
      ],
      model: "m",
      usage: { prompt_tokens: 9, total_tokens: 9 },
    })
  })

  it("packs them as little-endian 32-bit floats in base64", () => {
    const { data } = JSON.parse(embeddingList("m", vectors, "base64", 9))
    const bytes = Buffer.from(data[0].embedding, "base64")
    assert.deepStrictEqual(
      [bytes.length, bytes.readFloatLE(0), bytes.readFloatLE(4)],
      [8, 0.5, Math.fround(-0.1)],
    )
  })
})
