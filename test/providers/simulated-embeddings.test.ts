import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { defaultSimulation } from "../../src/config/builtin-providers.ts"
import type { Simulation } from "../../src/config/GatewayConfig.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import { makeSimulated } from "../../src/providers/vendors/simulated/simulated.ts"
import * as calls from "./calls.ts"

const embed = (request: EmbeddingRequest, changes: Partial<Simulation> = {}, model = "e") =>
  Effect.flatMap(
    makeSimulated({
      kind: "simulated",
      name: "sim",
      models: [
        { name: "m", kind: "chat" },
        { name: "e", kind: "embedding" },
      ],
      simulation: { ...defaultSimulation, medianMs: 0, p95Ms: 0, ...changes },
    }),
    (provider) => calls.embed(provider, { model, request, timeoutMs: 60_000 }),
  )

const vectors = (request: EmbeddingRequest) =>
  Effect.map(
    embed(request),
    ({ body }): ReadonlyArray<ReadonlyArray<number>> =>
      JSON.parse(String(body())).data.map(({ embedding }: { embedding: Array<number> }) => embedding),
  )

const length = (vector: ReadonlyArray<number>) => Math.hypot(...vector)

describe("simulated embeddings", () => {
  it.effect("are directions of length 1, the same for the same text and others for another", () =>
    Effect.gen(function* () {
      const [first = [], again, other] = yield* vectors({ input: ["a", "a", "b"] })
      assert.strictEqual(first.length, 16)
      assert.approximately(length(first), 1, 1e-6)
      assert.deepStrictEqual(first, again)
      assert.notDeepEqual(first, other)
      assert.deepStrictEqual(yield* vectors({ input: "a" }), [first])
      assert.isTrue(first.some((each) => each < 0) && first.some((each) => each > 0))
    }),
  )

  it.effect("come from token ids too, and are one for a lone list of them", () =>
    Effect.gen(function* () {
      const [one] = yield* vectors({ input: [1, 2, 3] })
      assert.deepStrictEqual(
        yield* vectors({
          input: [
            [1, 2, 3],
            [4, 5],
          ],
        }).pipe(Effect.map(([first]) => first)),
        one,
      )
      assert.strictEqual((yield* vectors({ input: [1, 2, 3] })).length, 1)
      assert.strictEqual((yield* embed({ input: [1, 2, 3] })).usage?.inputTokens, 3)
    }),
  )

  it.effect("have the dimensions asked for, within bounds", () =>
    Effect.gen(function* () {
      for (const dimensions of [1, 1_536]) {
        const [vector = []] = yield* vectors({ input: "a", dimensions })
        assert.strictEqual(vector.length, dimensions)
        assert.approximately(length(vector), 1, 1e-5)
      }
      for (const dimensions of [0, 1_537, 1.5, -1]) {
        const error = yield* Effect.flip(embed({ input: "a", dimensions }))
        assert.deepInclude(error, { kind: "bad_request", param: "dimensions" })
      }
      const many = { input: Array(200).fill("a"), dimensions: 1_536 }
      assert.deepInclude(yield* Effect.flip(embed(many)), { kind: "bad_request", param: "input" })
    }),
  )

  it.effect("are the same numbers as base64", () =>
    Effect.gen(function* () {
      const [plain = []] = yield* vectors({ input: "a" })
      const { body } = yield* embed({ input: "a", encoding_format: "base64" })
      const bytes = Buffer.from(JSON.parse(String(body())).data[0].embedding, "base64")
      assert.deepStrictEqual(
        plain.map((_, i) => bytes.readFloatLE(4 * i)),
        plain,
      )
    }),
  )

  it.effect("have a usage of input alone, the provider's own count, and no end to speak of", () =>
    Effect.gen(function* () {
      const { body, ...answer } = yield* embed({ input: ["Hello world", "Hello"] })
      assert.deepStrictEqual(answer, {
        text: "",
        finishReason: null,
        model: "e",
        usage: { inputTokens: 3, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
        usageEstimated: false,
        rawUsage: { prompt_tokens: 3, total_tokens: 3 },
      })
      assert.deepInclude(JSON.parse(String(body())), { object: "list", model: "e", usage: answer.rawUsage })
    }),
  )

  it.effect("fail as chats do, and a chat model has none", () =>
    Effect.gen(function* () {
      const kind = (changes: Partial<Simulation>, model?: string) =>
        Effect.map(Effect.flip(embed({ input: "a" }, changes, model)), (error) => error.kind)
      assert.strictEqual(yield* kind({ serverErrorRate: 1 }), "server_error")
      assert.strictEqual(yield* kind({ rateLimitRate: 1 }), "rate_limited")
      assert.strictEqual(yield* kind({ outage: { everyMs: 10, downMs: 10 } }), "connect")
      assert.strictEqual(yield* kind({}, "m"), "model_not_found")
    }).pipe(Random.withSeed("failures")),
  )
})
