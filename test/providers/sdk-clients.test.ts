import { assert, describe, it } from "@effect/vitest"
import { ApiError, GoogleGenAI } from "@google/genai"
import { Effect, Redacted } from "effect"
import OpenAI from "openai"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { makeTransport } from "../../src/providers/http/transport.ts"
import { makeGemini } from "../../src/providers/vendors/gemini.ts"
import { makeOpenAi } from "../../src/providers/vendors/openai.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok, toolCall } from "../support/fake-upstream-behaviours.ts"
import { streamThenError } from "../support/fake-upstream-streams.ts"
import * as calls from "./calls.ts"
import { noTurns } from "./http/transport-options.ts"

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
  largeBodies: noTurns,
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

  const streamed = {
    model: "m",
    messages: [{ role: "user" as const, content: "hello" }],
    stream: true as const,
  }

  it.live("streams from the fake", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const text = "bonjour, ça va 😀?"
      const read = (more: object) =>
        Effect.promise(async () => {
          const chunks = await client(upstream).chat.completions.create({ ...streamed, ...more })
          return Array.fromAsync(chunks)
        })
      upstream.enqueue(ok({ text, msBetween: 1 }))
      const chunks = yield* read({ stream_options: { include_usage: true } })
      const choices = chunks.flatMap((chunk) => chunk.choices)
      assert.strictEqual(choices.map(({ delta }) => delta.content ?? "").join(""), text)
      assert.strictEqual(choices.at(-1)?.finish_reason, "stop")
      const usage = chunks.at(-1)?.usage
      assert.deepStrictEqual([usage?.prompt_tokens, usage?.completion_tokens], [2, 5])
      const without = yield* read({})
      assert.isTrue(without.every(({ usage }) => usage === undefined))
      assert.deepStrictEqual(upstream.billed.get("m"), { calls: 2, input: 4, output: 8 })
    }),
  )

  it.live("puts streamed tool calls and choices together again", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const args = { city: "Zürich", days: [1, 2] }
      upstream.respond(toolCall("weather", args))
      const streamedWhole = yield* Effect.promise(() =>
        client(upstream)
          .chat.completions.stream({ ...streamed, n: 2 })
          .finalChatCompletion(),
      )
      const whole = yield* Effect.promise(() =>
        client(upstream).chat.completions.create({ ...streamed, n: 2, stream: false }),
      )
      for (const { choices } of [streamedWhole, whole]) {
        assert.strictEqual(choices.length, 2)
        for (const { message, finish_reason } of choices) {
          const call = message.tool_calls?.[0]
          if (call?.type !== "function") return assert.fail("no function was called")
          assert.strictEqual(call.function.name, "weather")
          assert.deepStrictEqual(JSON.parse(call.function.arguments), args)
          assert.strictEqual(finish_reason, "tool_calls")
        }
      }
    }),
  )

  it.live("throws the fake's errors within a stream", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      upstream.enqueue(streamThenError(1))
      const error = yield* rejection(async () =>
        Array.fromAsync(await client(upstream).chat.completions.create(streamed)),
      )
      assert.instanceOf(error, OpenAI.APIError)
      assert.deepInclude(error, { code: "server_is_overloaded" })
    }),
  )

  it.live("reads the fake's embeddings, which it asks for in base64 and in numbers", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const embed = (more: object = {}) =>
        Effect.promise(() =>
          client(upstream).embeddings.create({ model: "m", input: ["a", "b", "a"], dimensions: 4, ...more }),
        )
      const decoded = yield* embed()
      const numbers = yield* embed({ encoding_format: "float" })
      assert.strictEqual(decoded.data.length, 3)
      assert.strictEqual(decoded.data[0]?.embedding.length, 4)
      assert.deepStrictEqual(decoded.data[0]?.embedding, decoded.data[2]?.embedding)
      assert.notDeepEqual(decoded.data[0]?.embedding, decoded.data[1]?.embedding)
      assert.deepStrictEqual(
        decoded.data.map(({ embedding }) => Array.from(embedding)),
        numbers.data.map(({ embedding }) => embedding),
      )
      assert.deepInclude(upstream.calls[0]?.json, { encoding_format: "base64" })
      assert.deepInclude(upstream.calls[1]?.json, { encoding_format: "float" })
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
      yield* calls.complete(provider, { model: "m", request, timeoutMs: 5000 })
      assertSameCall(upstream, "authorization")

      upstream.reset()
      yield* Effect.promise(async () =>
        Array.fromAsync(
          await client(upstream).chat.completions.create({
            ...streamed,
            messages: [...streamed.messages],
            stream_options: { include_usage: true },
          }),
        ),
      )
      const sink = { write: () => true, onRoom: () => {} }
      yield* calls.stream(
        provider,
        { model: "m", request: { messages: streamed.messages }, timeoutMs: 5000 },
        sink,
      )
      assertSameCall(upstream, "authorization")

      upstream.reset()
      const embedding = { input: ["a", "b"], encoding_format: "float", dimensions: 4 } as const
      yield* Effect.promise(() =>
        client(upstream).embeddings.create({ ...embedding, input: ["a", "b"], model: "m" }),
      )
      yield* calls.embed(provider, { model: "m", request: embedding, timeoutMs: 5000 })
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
      yield* calls.complete(provider, {
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
      yield* calls.complete(provider, {
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
