import { assert, describe, it } from "@effect/vitest"
import { ApiError, GoogleGenAI } from "@google/genai"
import { Effect, Redacted } from "effect"
import OpenAI from "openai"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { makeTransport } from "../../src/providers/transport.ts"
import { makeGemini } from "../../src/providers/vendors/gemini.ts"
import { makeOpenAi } from "../../src/providers/vendors/openai.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"

/**
 * The vendors' own clients against the fake upstream: it takes what they send and answers what they read, and
 * what the gateway sends for the same conversation is what they send.
 */
const apiKey = "a-key-for-the-fake-upstream"

const transport = makeTransport({
  connectMs: 500,
  headersMs: 5000,
  bodyMs: 5000,
  maxUpstreamBytes: 100_000,
  maxCalls: 32,
})

/** What a promise was rejected with; the answer itself when it was not. */
const rejection = (ask: () => Promise<unknown>) =>
  Effect.promise(() => ask().catch((error: unknown) => error))

describe("the openai client", () => {
  const client = (upstream: FakeUpstream) =>
    new OpenAI({ apiKey, baseURL: upstream.openAiBaseUrl, maxRetries: 0 })

  it.live("reads the fake's answers and errors", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const ask = () =>
        client(upstream).chat.completions.create({
          model: "m",
          messages: [{ role: "user", content: "hello" }],
        })
      upstream.enqueue(
        ok({ text: "hi", usage: { input: 3, output: 2, cached: 1, reasoning: 1 } }),
        failure("rateLimited"),
      )
      const { choices, usage } = yield* Effect.promise(ask)
      assert.strictEqual(choices[0]?.message.content, "hi")
      assert.strictEqual(usage?.prompt_tokens_details?.cached_tokens, 1)
      const error = yield* rejection(ask)
      assert.instanceOf(error, OpenAI.RateLimitError)
      assert.deepInclude(error, { status: 429, code: "rate_limit_exceeded" })
    }),
  )

  it.live("sends what the gateway sends", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const settings = { temperature: 0.2, top_p: 0.9, stop: ["x"], seed: 7, max_completion_tokens: 5 }
      yield* Effect.promise(() =>
        client(upstream).chat.completions.create({
          model: "m",
          messages: [
            { role: "system", content: "be brief" },
            { role: "user", content: [{ type: "text", text: "hello" }] },
          ],
          ...settings,
        }),
      )
      const request: ChatRequest = {
        messages: [
          { role: "system", content: "be brief" },
          { role: "user", content: [{ type: "text", text: "hello" }] },
        ],
        ...settings,
      }
      const provider = makeOpenAi(
        {
          kind: "openai",
          name: "o",
          baseUrl: upstream.openAiBaseUrl,
          apiKey: Redacted.make(apiKey),
          models: [],
        },
        yield* transport,
      )
      yield* provider.complete({ model: "m", request, timeoutMs: 5000 })
      assertSameCall(upstream, "authorization")
    }),
  )
})

describe("the @google/genai client", () => {
  const client = (upstream: FakeUpstream) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl: upstream.url, apiVersion: "v1beta" } })

  it.live("reads the fake's answers and errors", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const ask = () => client(upstream).models.generateContent({ model: "m", contents: "hello" })
      upstream.enqueue(
        ok({ text: "hi", usage: { input: 3, output: 5, cached: 1, reasoning: 2 } }),
        failure("contentFilter"),
        failure("rateLimited"),
      )
      const answer = yield* Effect.promise(ask)
      assert.strictEqual(answer.text, "hi")
      assert.deepInclude(answer.usageMetadata, {
        candidatesTokenCount: 3,
        thoughtsTokenCount: 2,
        totalTokenCount: 8,
      })
      assert.strictEqual((yield* Effect.promise(ask)).promptFeedback?.blockReason, "SAFETY")
      const error = yield* rejection(ask)
      assert.instanceOf(error, ApiError)
      assert.strictEqual(error.status, 429)
    }),
  )

  it.live("sends what the gateway sends", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const provider = makeGemini(
        { kind: "gemini", name: "g", baseUrl: upstream.url, apiKey: Redacted.make(apiKey), models: [] },
        yield* transport,
      )
      yield* Effect.promise(() =>
        client(upstream).models.generateContent({
          model: "gemini-2.5-flash",
          contents: [
            { role: "user", parts: [{ text: "hello" }] },
            { role: "model", parts: [{ text: "hi" }] },
            { role: "user", parts: [{ text: "and" }, { text: "now?" }] },
          ],
          config: {
            systemInstruction: "be brief",
            maxOutputTokens: 5,
            temperature: 0.2,
            topP: 0.9,
            stopSequences: ["x"],
            seed: 7,
          },
        }),
      )
      yield* provider.complete({
        model: "gemini-2.5-flash",
        request: {
          messages: [
            { role: "system", content: "be brief" },
            { role: "user", content: "hello" },
            { role: "assistant", content: "hi" },
            {
              role: "user",
              content: [
                { type: "text", text: "and" },
                { type: "text", text: "now?" },
              ],
            },
          ],
          max_tokens: 5,
          temperature: 0.2,
          top_p: 0.9,
          stop: "x",
          seed: 7,
        },
        timeoutMs: 5000,
      })
      assertSameCall(upstream, "x-goog-api-key")

      upstream.reset()
      yield* Effect.promise(() => client(upstream).models.generateContent({ model: "m", contents: "hello" }))
      yield* provider.complete({
        model: "m",
        request: { messages: [{ role: "user", content: "hello" }] },
        timeoutMs: 5000,
      })
      assertSameCall(upstream, "x-goog-api-key")
    }),
  )
})

const assertSameCall = (upstream: FakeUpstream, authHeader: string) => {
  const [theirs, ours] = upstream.calls.map(({ method, path, json, headers }) => ({
    method,
    path,
    json,
    auth: headers[authHeader],
    contentType: headers["content-type"],
  }))
  assert.isDefined(ours)
  assert.deepStrictEqual(ours, theirs)
}
