import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { EmbeddingRequest } from "../../../../src/domain/Embedding.ts"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"
import { geminiEmbeddings, geminiRequestFault } from "../../../support/fake-upstream-gemini.ts"
import { faultOf, lowerEmbedding } from "./lowering.ts"

const lower = (request: EmbeddingRequest) => {
  const body = Result.getOrThrow(lowerEmbedding(request))
  assert.isUndefined(geminiRequestFault(body))
  return body
}
const fault = (request: EmbeddingRequest) => faultOf(lowerEmbedding(request))
const parse = (request: EmbeddingRequest, json: unknown) =>
  gemini.parseEmbedding("e", request, { json, bytes: Buffer.alloc(0), nowMs: 0 })

describe("embedding requests", () => {
  it("asks for one embedding per text", () => {
    const one = (text: string) => ({ model: "models/gemini-embedding-001", content: { parts: [{ text }] } })
    assert.deepStrictEqual(lower({ input: "a" }), { requests: [one("a")] })
    assert.deepStrictEqual(lower({ input: ["a", "b"], dimensions: 256, user: "u" }), {
      requests: [
        { ...one("a"), outputDimensionality: 256 },
        { ...one("b"), outputDimensionality: 256 },
      ],
    })
  })

  it.each<[name: string, request: EmbeddingRequest]>([
    ["token ids", { input: [1, 2] }],
    ["lists of token ids", { input: [[1], [2]] }],
    ["more texts than one batch takes", { input: Array.from({ length: 101 }, () => "a") }],
  ])("has no counterpart for %s", (_name, request) => {
    assert.deepInclude(fault(request), { kind: "unsupported", param: "input" })
  })

  it("has no counterpart for encodings of others", () => {
    const request: EmbeddingRequest = JSON.parse('{"input":"a","encoding_format":"int8"}')
    assert.deepInclude(fault(request), { kind: "unsupported", param: "encoding_format" })
  })

  it("takes as many texts as one batch takes", () => {
    const request = { input: Array.from({ length: 100 }, () => "a") }
    assert.lengthOf(lower(request).requests, 100)
  })

  it.each<[param: string, fields: unknown]>([
    ["input", { input: [] }],
    ["input", { input: {} }],
    ["input", { input: ["a", 1] }],
    ["input", {}],
    ["dimensions", { input: "a", dimensions: "8" }],
    ["encoding_format", { input: "a", encoding_format: 8 }],
  ])("refuses a senseless %s by name", (param, fields) => {
    // What a client sends is JSON, whatever the types say.
    const request: EmbeddingRequest = JSON.parse(JSON.stringify(fields))
    assert.deepInclude(fault(request), { kind: "malformed", param })
  })
})

describe("embedding answers", () => {
  it("is OpenAI's list, with estimated tokens when Gemini counts none", () => {
    const request = { input: ["12345678", "1234"], dimensions: 2 }
    const json = { embeddings: [{ values: [3, 4] }, { values: [0, 0.25] }] }
    const { body, ...rest } = Result.getOrThrow(parse(request, json))
    assert.deepStrictEqual(rest, {
      text: "",
      finishReason: null,
      model: "e",
      usage: { inputTokens: 3, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      usageEstimated: true,
      rawUsage: null,
    })
    assert.deepStrictEqual(JSON.parse(body().toString()), {
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [0.6, 0.8] },
        { object: "embedding", index: 1, embedding: [0, 1] },
      ],
      model: "e",
      usage: { prompt_tokens: 3, total_tokens: 3 },
    })
  })

  const embedded = (request: EmbeddingRequest, values: ReadonlyArray<number>): ReadonlyArray<number> =>
    JSON.parse(
      Result.getOrThrow(parse(request, { embeddings: [{ values }] }))
        .body()
        .toString(),
    ).data[0].embedding

  it("has unit length when a size was asked for, whatever numbers came", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 20 }), (values) => {
        const request = { input: "a", dimensions: values.length }
        const vector = embedded(request, values)
        assert.isTrue(vector.every(Number.isFinite))
        const length = Math.hypot(...vector)
        if (values.every((value) => value === 0)) assert.strictEqual(length, 0)
        else assert.closeTo(length, 1, 1e-9)
      }),
    )
  })

  it("stays nothing when it is nothing", () => {
    assert.deepStrictEqual(embedded({ input: "a", dimensions: 2 }, [0, 0]), [0, 0])
  })

  it("is Google's own when no size was asked for", () => {
    assert.deepStrictEqual(embedded({ input: "a" }, [3, 4]), [3, 4])
  })

  it("of a request that the fake takes is read", () => {
    const request = { input: ["a", "b"], dimensions: 3 }
    assert.isTrue(Result.isSuccess(parse(request, geminiEmbeddings(lower(request)))))
  })

  it("takes Gemini's own count", () => {
    const { usage, usageEstimated, rawUsage } = Result.getOrThrow(
      parse({ input: "a" }, { embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 9 } }),
    )
    assert.strictEqual(usage?.inputTokens, 9)
    assert.isFalse(usageEstimated)
    assert.deepStrictEqual(rawUsage, { promptTokenCount: 9 })
  })

  it("gives base64 of 32-bit floats when asked to", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        (values) => {
          const json = JSON.parse(JSON.stringify({ embeddings: [{ values }] }))
          const { body } = Result.getOrThrow(parse({ input: "a", encoding_format: "base64" }, json))
          const bytes = Buffer.from(JSON.parse(body().toString()).data[0].embedding, "base64")
          assert.deepStrictEqual(
            values.map((_, index) => bytes.readFloatLE(4 * index)),
            values.map((value) => value + 0),
          )
          assert.strictEqual(bytes.length, 4 * values.length)
        },
      ),
    )
  })

  it.each<[name: string, json: unknown]>([
    ["too few", { embeddings: [{ values: [1] }] }],
    ["too many", { embeddings: [{ values: [1] }, { values: [1] }, { values: [1] }] }],
    ["an empty one", { embeddings: [{ values: [1] }, { values: [] }] }],
    ["one of texts", { embeddings: [{ values: [1] }, { values: ["1"] }] }],
    ["none", {}],
    ["no JSON", undefined],
  ])("%s is a bad response", (_name, json) => {
    const parsed = parse({ input: ["a", "b"] }, json)
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, "bad_response")
  })

  it("never throws, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        for (const json of [a, { embeddings: [a], usageMetadata: b }, { embeddings: [{ values: [a] }] }]) {
          const parsed = parse({ input: "x" }, json)
          if (Result.isSuccess(parsed)) parsed.success.body()
        }
      }),
    )
  })
})
