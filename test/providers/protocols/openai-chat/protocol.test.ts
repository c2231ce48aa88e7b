import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { CallMode, ChatRequest } from "../../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"

const protocol = openAiChat({ isOpenAi: true })
const compatible = openAiChat({ isOpenAi: false })

const answerOf = (json: unknown) => ({ json, bytes: Buffer.from(JSON.stringify(json) ?? ""), nowMs: 0 })

const none = { retryAfter: undefined, retryAfterMs: undefined }
const classify = (
  status: number,
  body?: unknown,
  headers: { retryAfter?: string; retryAfterMs?: string } = {},
) => protocol.classify({ status, body, headers: { ...none, ...headers } }, 0)
const error = (fields: object) => ({
  error: { message: "said", type: null, param: null, code: null, ...fields },
})

describe("request lowering", () => {
  const request: ChatRequest = {
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }],
    max_tokens: 5,
    temperature: 0.5,
    tools: [{ type: "function", function: { name: "f" } }],
    made_up_field: { deep: [1, null] },
  }
  const lower = (from: typeof protocol, asked: ChatRequest, mode: CallMode = "whole", model = "the-model") =>
    JSON.parse(
      String(Result.getOrThrow(from.lower({ _tag: "Chat", request: asked, mode }, model)).write(mode)),
    )

  it("sends every field of the client, known or not, and the routed model", () => {
    assert.deepStrictEqual(lower(protocol, request), { ...request, model: "the-model" })
  })

  it("does not let a request choose another model or another mode", () => {
    const asked = { messages: [], model: "dearer", stream: true, stream_options: { include_usage: true } }
    assert.deepStrictEqual(lower(protocol, asked), { messages: [], model: "the-model" })
  })

  it("of a stream asks for the usage, and keeps the client's other stream options", () => {
    assert.deepStrictEqual(lower(protocol, request, "stream"), {
      ...request,
      model: "the-model",
      stream: true,
      stream_options: { include_usage: true },
    })
    const asked = { ...request, stream: false, stream_options: { include_usage: false, invented: [1] } }
    assert.deepStrictEqual(lower(protocol, asked, "stream"), {
      ...request,
      model: "the-model",
      stream: true,
      stream_options: { include_usage: true, invented: [1] },
    })
    assert.deepStrictEqual(lower(protocol, { messages: [], stream_options: null }, "stream").stream_options, {
      include_usage: true,
    })
  })

  it.each([
    ["o1", true],
    ["o3-mini", true],
    ["o4-mini-2025-04-16", true],
    ["gpt-5", true],
    ["gpt-5.1-mini", true],
    ["gpt-12", true],
    ["ft:o4-mini:org::id", true],
    ["gpt-4o", false],
    ["gpt-4.1-nano", false],
    ["gpt-3.5-turbo", false],
    ["omni-5", false],
    ["my-gpt-5", false],
  ])("renames max_tokens for %s: %s", (model, renamed) => {
    for (const mode of ["whole", "stream"] as const) {
      const { max_tokens, max_completion_tokens } = lower(protocol, request, mode, model)
      assert.deepStrictEqual([max_tokens, max_completion_tokens], renamed ? [undefined, 5] : [5, undefined])
    }
  })

  it("keeps max_tokens for compatible servers, whatever the model is called", () => {
    assert.strictEqual(lower(compatible, request, "whole", "gpt-5").max_tokens, 5)
  })

  it("renames nothing that the client said under the new name, or did not say", () => {
    const both = { messages: [], max_tokens: 5, max_completion_tokens: 9 }
    assert.deepStrictEqual(lower(protocol, both, "whole", "gpt-5"), { ...both, model: "gpt-5" })
    const unset = { messages: [], max_tokens: null }
    assert.deepStrictEqual(lower(protocol, unset, "whole", "gpt-5"), { ...unset, model: "gpt-5" })
    const half = { messages: [], max_tokens: 5, max_completion_tokens: null }
    assert.deepStrictEqual(lower(protocol, half, "whole", "gpt-5"), {
      messages: [],
      max_completion_tokens: 5,
      model: "gpt-5",
    })
  })

  it("finds nothing that it could not say", () => {
    const everything = { ...request, n: 3, logprobs: true, response_format: { type: "json_schema" } }
    const chat = protocol.lower({ _tag: "Chat", request: everything, mode: "stream" }, "gpt-5")
    assert.isTrue(Result.isSuccess(chat))
    assert.isTrue(Result.isSuccess(protocol.lower({ _tag: "Embedding", request: { input: [1, 2] } }, "e")))
  })
})

describe("response parsing", () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4 }
  const body = (message: unknown, finish_reason: unknown = "stop") => ({
    model: "gpt-x-2026",
    choices: [{ index: 0, message, finish_reason }],
    usage,
  })
  const parse = (value: unknown) => Result.getOrThrow(protocol.parse("gpt-x", answerOf(value)))

  it("reads text, model, reason and usage, and keeps the usage block as it came", () => {
    const odd = { ...usage, invented: { by: "them" } }
    const { body: _, ...completion } = parse({ ...body({ content: "hi" }), usage: odd })
    assert.deepStrictEqual(completion, {
      text: "hi",
      finishReason: "stop",
      model: "gpt-x-2026",
      usage: { inputTokens: 3, outputTokens: 4, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      usageEstimated: false,
      rawUsage: odd,
    })
  })

  it("gives the provider's own bytes as the body", () => {
    const bytes = Buffer.from('{ "choices": [{"message": {}, "invented": 1e400}] }')
    const completion = protocol.parse("m", { json: JSON.parse(bytes.toString()), bytes, nowMs: 0 })
    assert.strictEqual(Result.getOrThrow(completion).body(), bytes)
  })

  it("gives a refusal as the text", () => {
    assert.strictEqual(parse(body({ content: null, refusal: "I can't." })).text, "I can't.")
  })

  it("gives empty text for tool calls", () => {
    const { text, finishReason } = parse(body({ content: null, tool_calls: [{}] }, "tool_calls"))
    assert.deepStrictEqual({ text, finishReason }, { text: "", finishReason: "tool_calls" })
  })

  it("names the requested model when the answer names none", () => {
    assert.strictEqual(parse({ ...body({ content: "" }), model: null }).model, "gpt-x")
  })

  it.each([
    ["stop", "stop"],
    ["length", "length"],
    ["content_filter", "content_filter"],
    ["tool_calls", "tool_calls"],
    ["function_call", "tool_calls"],
    // Google's own, through proxies and its compatible API.
    ["STOP", "stop"],
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content_filter"],
    ["PROHIBITED_CONTENT", "content_filter"],
    ["content_filter: PROHIBITED_CONTENT", "content_filter"],
    ["content_filter: A_REASON_OF_2030", "content_filter"],
    ["OTHER", "other"],
    ["a_reason_of_2030", "other"],
    [null, "other"],
    [{ toString: 1 }, "other"],
    ["__proto__", "other"],
  ])("finish reason %j is %s", (reason, expected) => {
    assert.strictEqual(parse(body({ content: "x" }, reason)).finishReason, expected)
  })

  it.each<[name: string, value: unknown]>([
    ["no JSON", undefined],
    ["null", null],
    ["a string", "text"],
    ["an array", []],
    ["an object of something else", { ok: true }],
    ["no choices", { choices: [] }],
    ["choices of another type", { choices: "x" }],
    ["a choice without a message", { choices: [{ finish_reason: "stop" }] }],
    ["a message of another type", { choices: [{ message: "hi" }] }],
  ])("%s is a bad response", (_name, value) => {
    const parsed = protocol.parse("m", answerOf(value))
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, "bad_response")
  })

  const failed = (more: object) => ({ ...body({ content: "I was" }), ...more })
  const failedChoice = (more: object) =>
    failed({ choices: [{ message: { content: "I was" }, finish_reason: "error", ...more }] })

  it.each<[name: string, value: unknown, kind: ProviderErrorKind]>([
    ["an error without a word that we know", error({}), "server_error"],
    ["a number as code", error({ code: 429 }), "rate_limited"],
    ["a filter's word", error({ code: "content_filter", type: "invalid_request_error" }), "content_filter"],
    ["a text", { error: "it broke" }, "server_error"],
    ["vLLM's flat form", { object: "error", message: "no", code: 400 }, "refused"],
    ["an error beside an answer", failed(error({ code: 503 })), "overloaded"],
    ["an error as the reason to end", failedChoice({}), "server_error"],
    ["an error as the reason to end, told", failedChoice({ error: { code: 429 } }), "rate_limited"],
  ])("an error in a 200 is classified like any other: %s", (_name, value, kind) => {
    const parsed = protocol.parse("m", answerOf(value))
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, kind)
  })

  it.each<[reason: string, kind: ProviderErrorKind]>([
    ["MALFORMED_FUNCTION_CALL", "no_answer"],
    ["function_call_filter: MALFORMED_FUNCTION_CALL", "no_answer"],
    ["function_call_filter: A_REASON_OF_2030", "no_answer"],
    ["MISSING_THOUGHT_SIGNATURE", "needs_rewording"],
    ["PUP_LIMITED_DISABLED", "not_enabled"],
  ])("an answer that ended with Google's %s is none: %s", (reason, kind) => {
    const parsed = protocol.parse("m", answerOf(body({ content: "I was" }, reason)))
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, kind)
    const reader = protocol.openStream("m", 0)
    const choices = [{ index: 0, delta: { role: "assistant" }, finish_reason: reason }]
    const data = JSON.stringify({ choices })
    const reading = reader.read({ type: "message", data, bytes: Buffer.from(`data: ${data}\n\n`) })
    assert.strictEqual(reading._tag === "Fault" && reading.fault.kind, kind)
  })

  it("a prompt that Google's filter did not let through is refused content, without a message", () => {
    const choices = [{ index: 0, finish_reason: "content_filter: PROHIBITED_CONTENT" }]
    const parsed = protocol.parse("m", answerOf({ choices, usage }))
    assert.deepInclude(Result.isFailure(parsed) && parsed.failure, {
      kind: "content_filter",
      message: "The provider blocked the prompt: content_filter: PROHIBITED_CONTENT",
    })
  })

  it("an empty error is none", () => {
    for (const none of [null, ""]) assert.strictEqual(parse(failed({ error: none })).text, "I was")
  })

  it("never throws, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (message, choice, value) => {
        protocol.parse("m", answerOf(value))
        protocol.parse("m", answerOf({ choices: [choice], usage: value }))
        protocol.parse("m", answerOf({ choices: [{ message }], usage: value }))
        protocol.parseEmbedding("m", { input: "x" }, answerOf(value))
        protocol.parseEmbedding("m", { input: "x" }, answerOf({ data: [choice], usage: value }))
        classify(400, value)
        classify(429, { error: value })
      }),
    )
  })
})

describe("embeddings", () => {
  const request = { input: ["a", "b"], dimensions: 3, encoding_format: "base64", user: "u" } as const
  const answer = {
    object: "list",
    data: [{ object: "embedding", index: 0, embedding: "AAAA" }],
    model: "embed-2026",
    usage: { prompt_tokens: 7, total_tokens: 7 },
  }
  const parse = (value: unknown) => protocol.parseEmbedding("embed", request, answerOf(value))

  it("are asked with the client's body and the routed model", () => {
    const task = { _tag: "Embedding", request: { ...request, model: "dearer" } } as const
    const write = Result.getOrThrow(protocol.lower(task, "embed"))
    assert.deepStrictEqual(JSON.parse(String(write.write("whole"))), { ...request, model: "embed" })
  })

  it("are passed on as they come, with their usage read", () => {
    const { body, ...completion } = Result.getOrThrow(parse(answer))
    assert.deepStrictEqual(completion, {
      text: "",
      finishReason: null,
      model: "embed-2026",
      usage: { inputTokens: 7, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      usageEstimated: false,
      rawUsage: answer.usage,
    })
    assert.strictEqual(body().toString(), JSON.stringify(answer))
  })

  it("may count their input as the total alone", () => {
    const completion = Result.getOrThrow(parse({ data: [], usage: { total_tokens: 1_000 } }))
    assert.deepInclude(completion.usage, { inputTokens: 1_000, outputTokens: 0 })
  })

  it("may come without a usage or a model", () => {
    const completion = Result.getOrThrow(parse({ data: [] }))
    assert.deepInclude(completion, { usage: null, rawUsage: null, model: "embed" })
  })

  it.each<[name: string, value: unknown]>([
    ["no JSON", undefined],
    ["an array", []],
    ["no data", { object: "list" }],
    ["data of another type", { data: {} }],
  ])("%s is a bad response", (_name, value) => {
    const parsed = parse(value)
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, "bad_response")
  })

  it("are not what an error in a 200 is", () => {
    const parsed = parse(error({ code: "insufficient_quota" }))
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, "quota_exhausted")
  })
})

describe("usage", () => {
  const parse = (usage: unknown, model = "m") =>
    Result.getOrThrow(
      protocol.parse("m", answerOf({ model, choices: [{ message: { content: "" } }], usage })),
    ).usage

  it("reads cached and reasoning tokens as parts of their totals", () => {
    assert.deepStrictEqual(
      parse({
        prompt_tokens: 100,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 40 },
      }),
      { inputTokens: 100, outputTokens: 50, cachedTokens: 64, cacheWriteTokens: 0, reasoningTokens: 40 },
    )
  })

  const beside = { completion_tokens_details: { reasoning_tokens: 400 } }
  const plain = { prompt_tokens: 1_000, completion_tokens: 100 }

  it.each<[name: string, usage: unknown, read: object]>([
    [
      "OpenAI's cache writes",
      { ...plain, prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 900 } },
      { inputTokens: 1_000, cachedTokens: 10, cacheWriteTokens: 900 },
    ],
    ["Kimi's cached tokens", { ...plain, cached_tokens: 900 }, { cachedTokens: 900 }],
    [
      "DeepSeek's",
      { ...plain, prompt_cache_hit_tokens: 640, prompt_cache_miss_tokens: 360 },
      { cachedTokens: 640 },
    ],
    [
      "those of proxies in front of Claude",
      { ...plain, cache_read_input_tokens: 300, cache_creation_input_tokens: 200 },
      { cachedTokens: 300, cacheWriteTokens: 200 },
    ],
    ["Mistral's at the top", { ...plain, num_cached_tokens: 900 }, { cachedTokens: 900 }],
    [
      "Mistral's in details of another name",
      { ...plain, prompt_token_details: { cached_tokens: 900 } },
      { cachedTokens: 900 },
    ],
    [
      "Mistral's in all of its places",
      {
        ...plain,
        num_cached_tokens: 900,
        prompt_tokens_details: { cached_tokens: 900 },
        prompt_token_details: { cached_tokens: 900 },
      },
      { cachedTokens: 900 },
    ],
    [
      // alibabacloud.com/help/en/model-studio/context-cache
      "DashScope's cache writes",
      {
        prompt_tokens: 900,
        completion_tokens: 10,
        total_tokens: 910,
        prompt_tokens_details: {
          cache_creation_input_tokens: 889,
          cache_creation: { ephemeral_5m_input_tokens: 889 },
          cache_type: "ephemeral",
          cached_tokens: 0,
        },
      },
      { inputTokens: 900, cacheWriteTokens: 889, cachedTokens: 0 },
    ],
    [
      "Claude's cache writes as new-api has them",
      {
        ...plain,
        prompt_tokens_details: { cached_tokens: 10, cached_creation_tokens: 200 },
        claude_cache_creation_5_m_tokens: 150,
        claude_cache_creation_1_h_tokens: 50,
      },
      { cacheWriteTokens: 200, details: { cache_write_1h_tokens: 50 } },
    ],
    [
      "Claude's cache writes as Requesty has them",
      { ...plain, prompt_tokens_details: { cached_tokens: 10, caching_tokens: 200 } },
      { cachedTokens: 10, cacheWriteTokens: 200 },
    ],
    [
      "a place that is not used, with zero in it",
      { ...plain, cached_tokens: 900, prompt_tokens_details: { cached_tokens: 0 } },
      { cachedTokens: 900 },
    ],
    [
      "reasoning beside the completion, by the total",
      { ...plain, ...beside, total_tokens: 1_500 },
      { outputTokens: 500, reasoningTokens: 400 },
    ],
    [
      "reasoning beside a larger completion",
      {
        prompt_tokens: 1_000,
        completion_tokens: 400,
        total_tokens: 1_700,
        completion_tokens_details: { reasoning_tokens: 300 },
      },
      { outputTokens: 700, reasoningTokens: 300 },
    ],
    [
      "reasoning beside the completion, without a total",
      { ...plain, ...beside },
      { outputTokens: 500, reasoningTokens: 400 },
    ],
    [
      "reasoning within the completion",
      { ...plain, total_tokens: 1_100, completion_tokens_details: { reasoning_tokens: 60 } },
      { outputTokens: 100, reasoningTokens: 60 },
    ],
    [
      "reasoning and a cache, both beside, by the total",
      {
        ...plain,
        cache_read_input_tokens: 9_000,
        total_tokens: 10_500,
        completion_tokens_details: { reasoning_tokens: 400 },
      },
      { inputTokens: 10_000, cachedTokens: 9_000, outputTokens: 500, reasoningTokens: 400 },
    ],
    ["OpenRouter's cost", { ...plain, cost: 0.00123 }, { reportedNanoUsd: 1_230_000 }],
    [
      "OpenRouter's cost of a prompt that it did not count",
      { prompt_tokens: 0, completion_tokens: 180, total_tokens: 180, cost: 0.00045, is_byok: false },
      { inputTokens: 0, outputTokens: 180, reportedNanoUsd: 450_000 },
    ],
    [
      "a cost that is told beside more reasoning than was said",
      { ...plain, total_tokens: 1_100, completion_tokens_details: { reasoning_tokens: 140 }, cost: 0.002 },
      { outputTokens: 100, reasoningTokens: 100, reportedNanoUsd: 2_000_000 },
    ],
    [
      "OpenRouter's fee, and what the vendor takes for a key of one's own",
      { ...plain, is_byok: true, cost: 0.0001, cost_details: { upstream_inference_cost: 0.002 } },
      { reportedNanoUsd: 2_100_000 },
    ],
    ["Perplexity's cost", { ...plain, cost: { total_cost: 0.006 } }, { reportedNanoUsd: 6_000_000 }],
    [
      "audio in and out",
      {
        ...plain,
        prompt_tokens_details: { audio_tokens: 30, cached_tokens: 0 },
        completion_tokens_details: { audio_tokens: 20, text_tokens: 80 },
      },
      { details: { audio_input_tokens: 30, audio_output_tokens: 20 } },
    ],
    [
      "audio from the cache",
      {
        ...plain,
        prompt_tokens_details: {
          audio_tokens: 30,
          cached_tokens: 20,
          cached_tokens_details: { text_tokens: 5, audio_tokens: 15 },
        },
      },
      { details: { audio_input_tokens: 30, cached_audio_tokens: 15 } },
    ],
    [
      "OpenRouter's images and searches",
      {
        ...plain,
        completion_tokens_details: { image_tokens: 90 },
        server_tool_use: { web_search_requests: 2, tool_calls_requested: 2 },
      },
      { details: { image_output_tokens: 90, web_searches: 2 } },
    ],
    ["xAI's own tools", { ...plain, num_server_side_tools_used: 2 }, { details: { unpriced_calls: 2 } }],
    ["xAI's sources", { ...plain, num_sources_used: 3 }, { details: { unpriced_calls: 3 } }],
    ["Perplexity's searches", { ...plain, num_search_queries: 3 }, { details: { web_searches: 3 } }],
    [
      "what stays in Claude's cache for an hour",
      {
        ...plain,
        cache_creation_input_tokens: 200,
        cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
      },
      { cacheWriteTokens: 200, details: { cache_write_1h_tokens: 50 } },
    ],
    [
      "the same from LiteLLM",
      {
        ...plain,
        prompt_tokens_details: {
          cache_creation_tokens: 200,
          cache_creation_token_details: { ephemeral_1h_input_tokens: 50 },
        },
      },
      { cacheWriteTokens: 200, details: { cache_write_1h_tokens: 50 } },
    ],
    ["DeepInfra's own cost", { ...plain, estimated_cost: 0.0000268 }, { reportedNanoUsd: 26_800 }],
    ["xAI's", { ...plain, cost_in_usd_ticks: 2_709_000 }, { reportedNanoUsd: 270_900 }],
    ["reasoning at the top", { ...plain, reasoning_tokens: 60 }, { outputTokens: 100, reasoningTokens: 60 }],
  ])("reads %s", (_name, usage, read) => {
    assert.deepInclude(parse(usage), read)
  })

  it("reads the tier that was served, and no tier is the usual one", () => {
    const of = (service_tier: unknown) =>
      Result.getOrThrow(
        protocol.parse("m", answerOf({ choices: [{ message: {} }], usage: plain, service_tier })),
      ).usage?.serviceTier
    assert.strictEqual(of("flex"), "flex")
    for (const usual of ["default", "auto", null, undefined, ""]) assert.isUndefined(of(usual))
    for (const odd of [7, "<b>", "flex tier", { name: "flex" }, ["flex"]])
      assert.strictEqual(of(odd), "nameless")
  })

  it("believes no cost that makes no sense", () => {
    for (const cost of [-1, "0.1", null, 1e30, {}, { total_cost: "x" }]) {
      assert.notProperty(parse({ ...plain, cost }) ?? {}, "reportedNanoUsd")
    }
  })

  it.each<[name: string, usage: unknown]>([
    ["absent", undefined],
    ["null", null],
    ["all zeros", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ["a count missing", { prompt_tokens: 1 }],
    ["negative", { prompt_tokens: -1, completion_tokens: 1 }],
    ["text", { prompt_tokens: "1", completion_tokens: 1 }],
    ["absurd", { prompt_tokens: 1e300, completion_tokens: 1 }],
    [
      "more cached than there was",
      { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
    ],
    [
      "more cached and written than there was",
      {
        prompt_tokens: 9,
        completion_tokens: 1,
        prompt_tokens_details: { cached_tokens: 5, cache_write_tokens: 5 },
      },
    ],
    ["a total below its parts", { ...plain, total_tokens: 1_099 }],
    ["more audio than input", { ...plain, prompt_tokens_details: { audio_tokens: 1_001 } }],
    ["more reasoning than the total has", { ...plain, ...beside, total_tokens: 1_100 }],
    ["a total above its parts", { ...plain, total_tokens: 1_500 }],
    [
      "a total above its parts and the reasoning",
      { ...plain, total_tokens: 1_500, completion_tokens_details: { reasoning_tokens: 300 } },
    ],
    [
      "a total that the cache explains as well as the reasoning",
      {
        ...plain,
        total_tokens: 1_500,
        cache_read_input_tokens: 400,
        completion_tokens_details: { reasoning_tokens: 400 },
      },
    ],
    ["a total that is a text", { ...plain, total_tokens: "1100" }],
    ["a prompt of nothing", { prompt_tokens: 0, completion_tokens: 100, total_tokens: 100 }],
    [
      "two counts of the cache",
      { ...plain, cached_tokens: 100, prompt_tokens_details: { cached_tokens: 200 } },
    ],
    [
      "three counts of the cache, of which the first two differ",
      {
        ...plain,
        cached_tokens: 100,
        prompt_tokens_details: { cached_tokens: 200 },
        prompt_cache_hit_tokens: 100,
      },
    ],
    [
      "what was in DeepSeek's cache and what was not being another prompt",
      { ...plain, prompt_cache_hit_tokens: 640, prompt_cache_miss_tokens: 300 },
    ],
    [
      "five minutes and an hour in Claude's cache being more than was written",
      {
        ...plain,
        cache_creation_input_tokens: 200,
        cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 100 },
      },
    ],
  ])("%s is unknown, not zero", (_name, usage) => {
    assert.isNull(parse(usage))
  })

  it("counts thoughts of Gemini's that are in the total alone, as Google's own endpoint has them", () => {
    const of = { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 }
    for (const model of ["google/gemini-2.5-flash", "gemma-4-31b-it"])
      assert.deepInclude(parse(of, model), { outputTokens: 603, reasoningTokens: 405 })
    assert.isNull(parse(of, "another"))
  })
})

/** More than ever fits into a minute. */
const tooLarge = error({
  message:
    "Request too large for gpt-x in organization org-ours on tokens per min (TPM): Limit 30000, Requested 37313. " +
    "The input or output tokens must be reduced in order to run successfully.",
  type: "tokens",
  code: "rate_limit_exceeded",
})

describe("error classification", () => {
  const long = "x".repeat(5000)
  it.each<[name: string, status: number, body: unknown, kind: ProviderErrorKind]>([
    ["400 of a value that nobody takes", 400, errorSamples.badRequest.openai.body, "bad_request"],
    ["400 context_length_exceeded", 400, errorSamples.contextTooLong.openai.body, "context_length_exceeded"],
    [
      "400 context length in words only (vLLM)",
      400,
      { object: "error", message: "This model's maximum context length is 4096 tokens", code: 400 },
      "context_length_exceeded",
    ],
    ["400 content_policy_violation", 400, errorSamples.contentFilter.openai.body, "content_filter"],
    ["400 content_filter (Azure)", 400, error({ code: "content_filter" }), "content_filter"],
    [
      "400 ResponsibleAIPolicyViolation (Azure, inner)",
      400,
      error({ innererror: { code: "ResponsibleAIPolicyViolation" } }),
      "content_filter",
    ],
    ["400 with a bad key", 400, error({ code: "invalid_api_key" }), "auth"],
    ["401", 401, errorSamples.badKey.openai.body, "auth"],
    ["401 without a body", 401, undefined, "auth"],
    ["403 region", 403, errorSamples.forbidden.openai.body, "not_enabled"],
    ["402", 402, error({}), "quota_exhausted"],
    ["404 model_not_found", 404, errorSamples.modelNotFound.openai.body, "model_not_found"],
    ["400 model_not_found", 400, error({ code: "model_not_found" }), "model_not_found"],
    [
      "404 in words only (Ollama)",
      404,
      error({ message: 'model "x" not found, try pulling it first' }),
      "model_not_found",
    ],
    [
      "404 of the model (vLLM)",
      404,
      error({ message: "The model `x` does not exist.", type: "NotFoundError", param: "model", code: 404 }),
      "model_not_found",
    ],
    ["404 of a deployment (Azure)", 404, error({ code: "DeploymentNotFound" }), "model_not_found"],
    [
      "404 of a resource (Azure)",
      404,
      error({ code: "404", message: "Resource not found" }),
      "model_not_found",
    ],
    ["404 of nothing said", 404, { detail: "Not Found" }, "model_not_found"],
    ["404 in HTML", 404, undefined, "model_not_found"],
    ["404 of a path", 404, error({ message: "Invalid URL (POST /v2/chat/completions)" }), "model_not_found"],
    ["404 of a path, as a text", 404, { error: "Not Found" }, "model_not_found"],
    [
      "404 of endpoints (OpenRouter)",
      404,
      error({ code: 404, message: "No endpoints found for x/y." }),
      "model_not_found",
    ],
    [
      "404 of a file",
      404,
      error({ message: "No such File object: the-model.pdf", param: "file_id" }),
      "refused",
    ],
    [
      "404 of a file, by its code",
      404,
      error({ message: "For the model: no", code: "file_not_found" }),
      "refused",
    ],
    ["404 of a file, in words only", 404, error({ message: "File file-1 not found." }), "refused"],
    [
      "404 of what a request allows (OpenRouter)",
      404,
      error({ message: "No allowed providers are available for the selected model." }),
      "refused",
    ],
    [
      "404 of what a request needs (OpenRouter)",
      404,
      error({ code: 404, message: "No endpoints found that support tool use." }),
      "refused",
    ],
    [
      "403 of a moderated prompt (OpenRouter)",
      403,
      error({ code: 403, metadata: { reasons: ["x"] } }),
      "content_filter",
    ],
    ["403 that quotes it", 403, error({ code: 403, metadata: { flagged_input: "a…b" } }), "content_filter"],
    [
      "403 for a reason that is not known",
      403,
      error({ code: 403, metadata: { provider_name: "x" } }),
      "refused",
    ],
    ["403 content_policy_violation", 403, error({ code: "content_policy_violation" }), "content_filter"],
    ["429 of a request too large", 429, tooLarge, "context_length_exceeded"],
    ["413 of a request too large (Groq)", 413, tooLarge, "context_length_exceeded"],
    ["408", 408, error({}), "request_conflict"],
    ["409", 409, error({}), "request_conflict"],
    ["429 rate_limit_exceeded", 429, errorSamples.rateLimited.openai.body, "rate_limited"],
    ["429 without a body", 429, undefined, "rate_limited"],
    ["429 slow_down", 429, error({ type: "rate_limit_error", code: "slow_down" }), "overloaded"],
    ["429 type insufficient_quota", 429, error({ type: "insufficient_quota" }), "quota_exhausted"],
    ["429 code insufficient_quota", 429, error({ code: "insufficient_quota" }), "quota_exhausted"],
    ["429 credit_balance_exhausted", 429, error({ code: "credit_balance_exhausted" }), "quota_exhausted"],
    [
      "429 organization_spend_limit_exceeded",
      429,
      error({ code: "organization_spend_limit_exceeded" }),
      "quota_exhausted",
    ],
    [
      "429 project_spend_limit_exceeded",
      429,
      error({ code: "project_spend_limit_exceeded" }),
      "quota_exhausted",
    ],
    [
      "429 organization_usage_limit_exceeded",
      429,
      error({ code: "organization_usage_limit_exceeded" }),
      "quota_exhausted",
    ],
    ["403 with an exhausted quota", 403, error({ code: "insufficient_quota" }), "quota_exhausted"],
    ["500 server_error", 500, errorSamples.serverError.openai.body, "server_error"],
    ["500 in HTML", 500, undefined, "server_error"],
    ["502 in HTML", 502, undefined, "server_error"],
    ["503 server_is_overloaded", 503, errorSamples.overloaded.openai.body, "overloaded"],
    ["503 without a body", 503, undefined, "overloaded"],
    ["500 server_is_overloaded", 500, error({ code: "server_is_overloaded" }), "overloaded"],
    ["504", 504, errorSamples.deadline.openai.body, "server_error"],
    ["529", 529, undefined, "overloaded"],
    ["413", 413, undefined, "refused"],
    ["422 of an odd server", 422, { detail: [{ msg: "no" }] }, "refused"],
    ["418", 418, error({}), "refused"],
    ["204", 204, undefined, "bad_response"],
    ["301", 301, undefined, "bad_response"],
    ["304", 304, undefined, "bad_response"],
    ["an envelope in an array", 429, [error({ code: "insufficient_quota" })], "quota_exhausted"],
    ["an error that is a text", 400, { error: "maximum context length is 5" }, "context_length_exceeded"],
    [
      "a flat error (vLLM)",
      400,
      { object: "error", message: "no", type: "BadRequestError", param: null, code: 400 },
      "refused",
    ],
  ])("%s", (_name, status, body, kind) => {
    assert.strictEqual(classify(status, body).kind, kind)
  })

  it("gives the client the message and parameter of its own mistake", () => {
    assert.deepInclude(classify(400, errorSamples.badRequest.openai.body), {
      message: "Invalid 'temperature': must be at most 2.",
      param: "temperature",
    })
  })

  it("does not tell the client whose account it is", () => {
    const { message } = classify(429, tooLarge)
    assert.include(
      message,
      "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 37313.",
    )
  })

  it("says something when the provider said nothing", () => {
    assert.deepInclude(classify(400), { message: "The provider refused the request.", param: null })
  })

  it("gives one bounded line without control characters", () => {
    const { message } = classify(400, error({ message: `a\r\n\u001b[31mb\u0000c\u2028d ${long}` }))
    assert.isTrue(message?.startsWith("a [31mb c d xxx"))
    assert.isAtMost(message?.length ?? 0, 1000)
  })

  it("does not cut a character in half", () => {
    const { message } = classify(400, error({ message: `${"x".repeat(999)}😀` }))
    assert.isTrue(message?.isWellFormed())
  })

  it.each([401, 403, 408, 429, 500, 503])("keeps the provider's words out of a %i", (status) => {
    const fault = classify(status, error({ message: "key sk-quoted", param: "sk-quoted", code: "c" }))
    assert.notInclude(JSON.stringify(fault), "sk-quoted")
  })

  it("keeps them out of a missing model, but not of something else that is missing", () => {
    const missing = (code: string) => classify(404, error({ message: "key sk-quoted", code }))
    assert.notInclude(JSON.stringify(missing("model_not_found")), "sk-quoted")
    assert.strictEqual(missing("file_not_found").message, "key sk-quoted")
  })

  it.each([401, 403])("keeps even identifiers out of a %i", (status) => {
    const fault = classify(status, error({ code: "sk-quoted", type: "sk-quoted" }))
    assert.notInclude(JSON.stringify(fault), "sk-quoted")
  })

  it("tells the log of a 403 that nobody knows", () => {
    for (const body of [undefined, {}, error({ message: "the moon is full" })]) {
      assert.match(classify(403, body).detail ?? "", /403/)
    }
  })

  it("tells the log identifiers and no sentences", () => {
    assert.strictEqual(
      classify(429, error({ code: "rate_limit_exceeded", type: "for the key sk-quoted" })).detail,
      "rate_limit_exceeded",
    )
  })

  it("reads how long to wait", () => {
    assert.strictEqual(classify(429, error({}), { retryAfter: "7", retryAfterMs: "6500" }).retryAfterMs, 6500)
    assert.strictEqual(classify(503, undefined, { retryAfter: "2" }).retryAfterMs, 2000)
    assert.isUndefined(classify(429).retryAfterMs)
  })

  it("does not wait as long as a client's words say that are quoted", () => {
    const wait = (words: string) =>
      classify(429, error({ message: `Rate limit of ${words}. Please try again in 2s.` })).retryAfterMs
    assert.strictEqual(wait("the tool 'try again in 3600s'"), 2_000)
    assert.strictEqual(wait("the model"), 2_000)
  })
})
