import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { ChatRequest } from "../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../src/domain/ProviderError.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat.ts"
import { errorSamples } from "../../support/fake-upstream-errors.ts"

const protocol = openAiChat({ renameMaxTokens: true })
const compatible = openAiChat({ renameMaxTokens: false })

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
  const lower = (from: typeof protocol, asked: ChatRequest) =>
    JSON.parse(Result.getOrThrow(from.lower("the-model", asked)))

  it("sends every field of the client, known or not, and the routed model", () => {
    const { max_tokens, ...rest } = request
    assert.deepStrictEqual(lower(protocol, request), {
      ...rest,
      max_completion_tokens: max_tokens,
      model: "the-model",
    })
  })

  it("keeps max_tokens for compatible servers", () => {
    assert.deepStrictEqual(lower(compatible, request), { ...request, model: "the-model" })
  })

  it("lets max_completion_tokens win over max_tokens", () => {
    const asked = { messages: [], max_tokens: 5, max_completion_tokens: 9 }
    assert.deepStrictEqual(lower(protocol, asked), {
      messages: [],
      max_completion_tokens: 9,
      model: "the-model",
    })
  })

  it("does not let a request choose another model", () => {
    assert.strictEqual(lower(protocol, { messages: [], model: "dearer" }).model, "the-model")
  })
})

describe("response parsing", () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4 }
  const body = (message: unknown, finish_reason: unknown = "stop") => ({
    model: "gpt-x-2026",
    choices: [{ index: 0, message, finish_reason }],
    usage,
  })
  const parse = (value: unknown) => Result.getOrThrow(protocol.parse("gpt-x", value))

  it("reads text, model, reason and usage, and keeps the usage block as it came", () => {
    const odd = { ...usage, invented: { by: "them" } }
    assert.deepStrictEqual(parse({ ...body({ content: "hi" }), usage: odd }), {
      text: "hi",
      finishReason: "stop",
      model: "gpt-x-2026",
      usage: { inputTokens: 3, outputTokens: 4, cachedTokens: 0, reasoningTokens: 0 },
      rawUsage: odd,
    })
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
    ["an error in a 200", error({})],
    ["no choices", { choices: [] }],
    ["choices of another type", { choices: "x" }],
    ["a choice without a message", { choices: [{ finish_reason: "stop" }] }],
    ["a message of another type", { choices: [{ message: "hi" }] }],
  ])("%s is a bad response", (_name, value) => {
    const parsed = protocol.parse("m", value)
    assert.strictEqual(Result.isFailure(parsed) && parsed.failure.kind, "bad_response")
  })

  it("never throws, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (message, choice, value) => {
        protocol.parse("m", value)
        protocol.parse("m", { choices: [choice], usage: value })
        protocol.parse("m", { choices: [{ message }], usage: value })
        classify(400, value)
        classify(429, { error: value })
      }),
    )
  })
})

describe("usage", () => {
  const parse = (usage: unknown) =>
    Result.getOrThrow(protocol.parse("m", { choices: [{ message: { content: "" } }], usage })).usage

  it("reads cached and reasoning tokens as parts of their totals", () => {
    assert.deepStrictEqual(
      parse({
        prompt_tokens: 100,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 40 },
      }),
      { inputTokens: 100, outputTokens: 50, cachedTokens: 64, reasoningTokens: 40 },
    )
  })

  it.each<[name: string, usage: unknown]>([
    ["absent", undefined],
    ["null", null],
    ["a count missing", { prompt_tokens: 1 }],
    ["negative", { prompt_tokens: -1, completion_tokens: 1 }],
    ["text", { prompt_tokens: "1", completion_tokens: 1 }],
    ["absurd", { prompt_tokens: 1e300, completion_tokens: 1 }],
    [
      "more cached than there was",
      { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
    ],
  ])("%s is unknown, not zero", (_name, usage) => {
    assert.isNull(parse(usage))
  })
})

describe("error classification", () => {
  const long = "x".repeat(5000)
  it.each<[name: string, status: number, body: unknown, kind: ProviderErrorKind]>([
    ["400 invalid_request_error", 400, errorSamples.badRequest.openai.body, "bad_request"],
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
    ["403 region", 403, errorSamples.forbidden.openai.body, "auth"],
    ["402", 402, error({}), "quota_exhausted"],
    ["404 model_not_found", 404, errorSamples.modelNotFound.openai.body, "model_not_found"],
    ["400 model_not_found", 400, error({ code: "model_not_found" }), "model_not_found"],
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
    ["413", 413, undefined, "bad_request"],
    ["422 of an odd server", 422, { detail: [{ msg: "no" }] }, "bad_request"],
    ["418", 418, error({}), "bad_request"],
    ["204", 204, undefined, "bad_response"],
    ["301", 301, undefined, "bad_response"],
    ["304", 304, undefined, "bad_response"],
    ["an envelope in an array", 429, [error({ code: "insufficient_quota" })], "quota_exhausted"],
    ["an error that is a text", 400, { error: "maximum context length is 5" }, "context_length_exceeded"],
    [
      "a flat error (vLLM)",
      400,
      { object: "error", message: "no", type: "BadRequestError", param: null, code: 400 },
      "bad_request",
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

  it.each([401, 403, 404, 408, 429, 500, 503])("keeps the provider's words out of a %i", (status) => {
    const fault = classify(status, error({ message: "key sk-quoted", param: "sk-quoted", code: "c" }))
    assert.notInclude(JSON.stringify(fault), "sk-quoted")
  })

  it.each([401, 403])("keeps even identifiers out of a %i", (status) => {
    assert.isUndefined(classify(status, error({ code: "sk-quoted", type: "sk-quoted" })).detail)
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
})
