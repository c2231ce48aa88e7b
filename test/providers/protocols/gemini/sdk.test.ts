import { assert, describe, it } from "@effect/vitest"
import {
  ApiError,
  type EmbedContentParameters,
  FunctionCallingConfigMode,
  type GenerateContentParameters,
  GoogleGenAI,
  ThinkingLevel,
} from "@google/genai"
import { Effect, Redacted } from "effect"
import type { ChatRequest } from "../../../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../../../src/domain/Embedding.ts"
import { makeTransport } from "../../../../src/providers/http/transport.ts"
import { makeGemini } from "../../../../src/providers/vendors/gemini.ts"
import { FakeUpstream } from "../../../support/FakeUpstream.ts"
import { ok, status } from "../../../support/fake-upstream-behaviours.ts"
import {
  geminiRequestFault,
  geminiThoughtAnswer,
  geminiToolAnswer,
} from "../../../support/fake-upstream-gemini.ts"
import * as calls from "../../calls.ts"
import { noTurns } from "../../http/transport-options.ts"

/**
 * Google's own client keeps the fake honest: the fake refuses what the API would refuse, takes what the client sends,
 * and what the gateway sends for the same wish is what the client sends.
 */
const apiKey = "a-key-for-the-fake-upstream"

const sdk = (upstream: FakeUpstream) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: upstream.url, apiVersion: "v1beta" } })

const gateway = Effect.fnUntraced(function* (upstream: FakeUpstream) {
  const transport = yield* makeTransport({
    connectMs: 500,
    headersMs: 5000,
    bodyMs: 5000,
    maxUpstreamBytes: 100_000,
    maxCalls: 4,
    largeBodies: noTurns,
  })
  return makeGemini(
    { kind: "gemini", name: "g", baseUrl: upstream.url, apiKey: Redacted.make(apiKey), models: [] },
    transport,
  )
})

const schema = {
  type: "object",
  properties: { place: { type: "string" }, days: { type: "integer", minimum: 1 } },
  required: ["place"],
  additionalProperties: false,
}
const declared = { name: "weather", description: "The weather of a place.", parametersJsonSchema: schema }
const weather = {
  type: "function",
  function: { name: "weather", description: "The weather of a place.", parameters: schema },
}
const hello = { role: "user", parts: [{ text: "hello" }] }
const user = { role: "user" as const, content: "hello" }

const wishes: ReadonlyArray<readonly [name: string, theirs: GenerateContentParameters, ours: ChatRequest]> = [
  [
    "every setting",
    {
      model: "gemini-2.0-flash",
      contents: [hello],
      config: {
        systemInstruction: "be brief",
        maxOutputTokens: 5,
        temperature: 0.2,
        topP: 0.9,
        stopSequences: ["x", "y"],
        seed: 7,
        candidateCount: 2,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        responseLogprobs: true,
        logprobs: 3,
      },
    },
    {
      messages: [{ role: "developer", content: "be brief" }, user],
      max_completion_tokens: 5,
      temperature: 0.2,
      top_p: 0.9,
      stop: ["x", "y"],
      seed: 7,
      n: 2,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      logprobs: true,
      top_logprobs: 3,
    },
  ],
  [
    "a budget for thinking",
    {
      model: "gemini-2.5-flash",
      contents: [hello],
      config: { thinkingConfig: { thinkingBudget: 8192, includeThoughts: true } },
    },
    { messages: [user], reasoning_effort: "medium" },
  ],
  [
    "a level of thinking",
    {
      model: "gemini-3.8-flash",
      contents: [hello],
      config: { thinkingConfig: { thinkingLevel: ThinkingLevel.LOW, includeThoughts: true } },
    },
    { messages: [user], reasoning_effort: "minimal" },
  ],
  [
    "a JSON schema",
    {
      model: "gemini-2.5-flash",
      contents: [hello],
      config: { responseMimeType: "application/json", responseJsonSchema: schema },
    },
    {
      messages: [user],
      response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } },
    },
  ],
  [
    "images and audio",
    {
      model: "gemini-2.5-flash",
      contents: [
        {
          role: "user",
          parts: [
            { text: "what is it?" },
            { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } },
            { inlineData: { mimeType: "audio/wav", data: "UklGRg==" } },
          ],
        },
      ],
    },
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "what is it?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
            { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
          ],
        },
      ],
    },
  ],
  [
    "tools, one of which must be called",
    {
      model: "gemini-2.5-flash",
      contents: [hello],
      config: {
        temperature: 0,
        tools: [{ functionDeclarations: [declared] }],
        toolConfig: {
          functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["weather"] },
        },
      },
    },
    {
      messages: [user],
      temperature: 0,
      tools: [weather],
      tool_choice: { type: "function", function: { name: "weather" } },
    },
  ],
  [
    "calls with their signature, and their results",
    {
      model: "gemini-3-flash-preview",
      contents: [
        hello,
        {
          role: "model",
          parts: [
            {
              functionCall: { id: "c1", name: "weather", args: { place: "Oslo" } },
              thoughtSignature: "c2lnbmF0dXJl",
            },
            { functionCall: { id: "c2", name: "weather", args: { place: "Rome" } } },
          ],
        },
        {
          role: "user",
          parts: [
            { functionResponse: { id: "c1", name: "weather", response: { celsius: 3 } } },
            { functionResponse: { id: "c2", name: "weather", response: { result: "warm" } } },
          ],
        },
      ],
      config: { temperature: 0, tools: [{ functionDeclarations: [declared] }] },
    },
    {
      messages: [
        user,
        {
          role: "assistant",
          content: null,
          tool_calls: [
            {
              id: "c1",
              type: "function",
              function: { name: "weather", arguments: '{"place":"Oslo"}' },
              extra_content: { google: { thought_signature: "c2lnbmF0dXJl" } },
            },
            { id: "c2", type: "function", function: { name: "weather", arguments: '{"place":"Rome"}' } },
          ],
        },
        { role: "tool", tool_call_id: "c1", content: '{"celsius":3}' },
        { role: "tool", tool_call_id: "c2", content: "warm" },
      ],
      temperature: 0,
      tools: [weather],
    },
  ],
]

/** Both arrived, were taken, and are one and the same call. */
const assertSameCall = (upstream: FakeUpstream, model: string) => {
  const [theirs, ours] = upstream.calls.map(({ method, path, json }) => ({ method, path, json }))
  assert.isDefined(ours)
  assert.isUndefined(geminiRequestFault(theirs?.json, model))
  assert.deepStrictEqual(ours, theirs)
}

describe("the gateway and the @google/genai client say the same", () => {
  it.live.each(wishes)("%s", ([, theirs, ours]) =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const provider = yield* gateway(upstream)
      const call = { model: theirs.model, request: ours, timeoutMs: 5000 }

      yield* Effect.promise(() => sdk(upstream).models.generateContent(theirs))
      yield* calls.complete(provider, call)
      assertSameCall(upstream, theirs.model)

      upstream.reset()
      yield* Effect.promise(async () => {
        for await (const _ of await sdk(upstream).models.generateContentStream(theirs));
      })
      yield* calls.stream(provider, call, { write: () => true, onRoom: () => {} })
      assertSameCall(upstream, theirs.model)
    }),
  )

  it.live.each<readonly [string, EmbedContentParameters, EmbeddingRequest]>([
    ["one text", { model: "gemini-embedding-001", contents: "hello" }, { input: "hello" }],
    [
      "many texts of a given size",
      {
        model: "gemini-embedding-001",
        contents: [{ parts: [{ text: "a" }] }, { parts: [{ text: "b" }] }],
        config: { outputDimensionality: 4 },
      },
      { input: ["a", "b"], dimensions: 4 },
    ],
  ])("embeddings of %s", ([, theirs, ours]) =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const answer = yield* Effect.promise(() => sdk(upstream).models.embedContent(theirs))
      assert.lengthOf(answer.embeddings ?? [], typeof ours.input === "string" ? 1 : ours.input.length)
      const provider = yield* gateway(upstream)
      yield* calls.embed(provider, { model: theirs.model, request: ours, timeoutMs: 5000 })
      const [first, second] = upstream.calls.map(({ path, json }) => ({ path, json: withoutRole(json) }))
      assert.isDefined(second)
      assert.deepStrictEqual(second, first)
    }),
  )
})

/** The client names the speaker of a text to embed, which nobody reads. */
const withoutRole = (json: unknown): unknown =>
  JSON.parse(JSON.stringify(json, (key, value) => (key === "role" ? undefined : value)))

describe("the @google/genai client reads the fake", () => {
  const ask = { model: "m", contents: "hello" }

  it.live("streams, with the usage and the reason at the end", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      upstream.enqueue(ok({ text: "one two three", usage: { input: 4, output: 9 }, finish: "length" }))
      const pieces = yield* Effect.promise(async () =>
        Array.fromAsync(await sdk(upstream).models.generateContentStream(ask)),
      )
      assert.strictEqual(pieces.map(({ text }) => text).join(""), "one two three")
      assert.strictEqual(pieces.at(-1)?.candidates?.[0]?.finishReason, "MAX_TOKENS")
      assert.strictEqual(pieces.at(-1)?.usageMetadata?.totalTokenCount, 13)
    }),
  )

  it.live("calls, signatures and thoughts", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      upstream.enqueue(
        status(200, geminiToolAnswer(ask, [{ name: "f", args: { a: 1 }, id: "c1", signature: "c2ln" }])),
        status(200, geminiThoughtAnswer(ask, "hm", "hello")),
      )
      const called = yield* Effect.promise(() => sdk(upstream).models.generateContent(ask))
      assert.deepStrictEqual(called.functionCalls, [{ name: "f", args: { a: 1 }, id: "c1" }])
      assert.strictEqual(called.candidates?.[0]?.content?.parts?.[0]?.thoughtSignature, "c2ln")
      const thought = yield* Effect.promise(() => sdk(upstream).models.generateContent(ask))
      assert.strictEqual(thought.text, "hello")
      assert.isTrue(thought.candidates?.[0]?.content?.parts?.[0]?.thought)
    }),
  )

  it.live("is refused what the API refuses", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const error = yield* Effect.promise(() =>
        sdk(upstream)
          .models.generateContent({ ...ask, config: { thinkingConfig: { thinkingBudget: 1e6 } } })
          .catch((caught: unknown) => caught),
      )
      assert.instanceOf(error, ApiError)
      assert.strictEqual(error.status, 400)
      assert.include(error.message, "INVALID_ARGUMENT")
    }),
  )
})

describe("the fake refuses", () => {
  const contents = [hello]
  const called = { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] }

  it.each<[name: string, body: unknown]>([
    ["no contents", {}],
    ["an unknown field", { contents, messages: [] }],
    ["an unknown field within", { contents, generationConfig: { maxTokens: 5 } }],
    ["an unknown mode", { contents, toolConfig: { functionCallingConfig: { mode: "required" } } }],
    [
      "names without a mode that takes them",
      { contents, toolConfig: { functionCallingConfig: { mode: "AUTO", allowedFunctionNames: ["f"] } } },
    ],
    [
      "an unknown thinking level",
      { contents, generationConfig: { thinkingConfig: { thinkingLevel: "none" } } },
    ],
    [
      "a level and a budget",
      { contents, generationConfig: { thinkingConfig: { thinkingLevel: "LOW", thinkingBudget: 1 } } },
    ],
    ["an unknown role", { contents: [{ role: "assistant", parts: [{ text: "a" }] }] }],
    ["no parts", { contents: [{ role: "user", parts: [] }] }],
    ["an empty part", { contents: [{ role: "user", parts: [{}] }] }],
    ["two kinds in one part", { contents: [{ role: "user", parts: [{ text: "a", inlineData: {} }] }] }],
    ["data that is no base64", { contents: [{ parts: [{ inlineData: { mimeType: "a/b", data: "é" } }] }] }],
    [
      "arguments as a text",
      { contents: [{ role: "model", parts: [{ functionCall: { name: "f", args: "{}" } }] }] },
    ],
    ["a result that is no object", { contents: [called, result("f", "3")] }],
    ["a result without its call", { contents: [result("f", {})] }],
    ["a result of the model", { contents: [called, { ...result("f", {}), role: "model" }] }],
    ["a call of the user", { contents: [{ ...called, role: "user" }] }],
    ["a long seed", { contents, generationConfig: { seed: 2 ** 40 } }],
    [
      "too many stop sequences",
      { contents, generationConfig: { stopSequences: ["1", "2", "3", "4", "5", "6"] } },
    ],
    ["a function without a name", { contents, tools: [{ functionDeclarations: [{}] }] }],
    ["a batch without a model", { requests: [{ content: { parts: [{ text: "a" }] } }] }],
    [
      "a batch too large",
      {
        requests: Array.from({ length: 101 }, () => ({
          model: "models/e",
          content: { parts: [{ text: "a" }] },
        })),
      },
    ],
  ])("%s", (_name, body) => {
    assert.isString(geminiRequestFault(body))
  })
})

const result = (name: string, response: unknown) => ({
  role: "user",
  parts: [{ functionResponse: { name, response } }],
})
