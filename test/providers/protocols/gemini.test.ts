import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { ChatMessage, ChatRequest } from "../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../src/domain/ProviderError.ts"
import { gemini } from "../../../src/providers/protocols/gemini.ts"
import { errorSamples } from "../../support/fake-upstream-errors.ts"

const none = { retryAfter: undefined, retryAfterMs: undefined }
const classify = (status: number, body?: unknown, headers: { retryAfter?: string } = {}) =>
  gemini.classify({ status, body, headers: { ...none, ...headers } }, 0)
const error = (status: string, message = "said", details: ReadonlyArray<unknown> = []) => ({
  error: { code: 1, message, status, details },
})

describe("request lowering", () => {
  const lower = (request: ChatRequest) => JSON.parse(Result.getOrThrow(gemini.lower("g", request)))
  const refused = (request: ChatRequest) => {
    const lowered = gemini.lower("g", request)
    return Result.isFailure(lowered) ? lowered.failure : undefined
  }
  const user: ChatMessage = { role: "user", content: "hi" }

  it("gathers system and developer messages, and names the assistant model", () => {
    assert.deepStrictEqual(
      lower({
        messages: [
          { role: "system", content: "be brief" },
          user,
          { role: "assistant", content: "hello" },
          { role: "developer", content: [{ type: "text", text: "and kind" }] },
          {
            role: "user",
            content: [
              { type: "text", text: "a" },
              { type: "text", text: "b" },
            ],
          },
        ],
      }),
      {
        systemInstruction: { role: "user", parts: [{ text: "be brief" }, { text: "and kind" }] },
        contents: [
          { role: "user", parts: [{ text: "hi" }] },
          { role: "model", parts: [{ text: "hello" }] },
          { role: "user", parts: [{ text: "a" }, { text: "b" }] },
        ],
      },
    )
  })

  it("translates the generation settings", () => {
    assert.deepStrictEqual(
      lower({ messages: [user], max_tokens: 5, temperature: 0, top_p: 0.9, stop: "x", seed: 7 })
        .generationConfig,
      { maxOutputTokens: 5, temperature: 0, topP: 0.9, stopSequences: ["x"], seed: 7 },
    )
    assert.deepStrictEqual(
      lower({ messages: [user], max_completion_tokens: 9, max_tokens: 5, stop: ["x", "y"] }).generationConfig,
      { maxOutputTokens: 9, stopSequences: ["x", "y"] },
    )
  })

  it.each<[param: string, request: ChatRequest]>([
    [
      "messages[1].content[1]",
      { messages: [user, { role: "user", content: [{ type: "text", text: "a" }, { type: "image_url" }] }] },
    ],
    ["messages[0].content[0]", { messages: [{ role: "user", content: [{ type: "text" }] }] }],
    ["messages[0].role", { messages: [{ role: "tool", content: "42", tool_call_id: "c" }] }],
    [
      "messages[0].tool_calls",
      { messages: [{ role: "assistant", content: null, tool_calls: [{ id: "c" }] }] },
    ],
    ["tools", { messages: [user], tools: [{ type: "function" }] }],
    ["functions", { messages: [user], functions: [{}] }],
    ["response_format", { messages: [user], response_format: { type: "json_object" } }],
    ["n", { messages: [user], n: 2 }],
    ["logprobs", { messages: [user], logprobs: true }],
  ])("refuses %s by name", (param, request) => {
    assert.deepInclude(refused(request), { kind: "bad_request", param })
  })

  it("takes unsupported fields that ask for nothing", () => {
    assert.isUndefined(
      refused({
        messages: [{ role: "assistant", content: "a", tool_calls: [] }],
        tools: [],
        functions: null,
        response_format: { type: "text" },
        n: 1,
        logprobs: false,
      }),
    )
  })
})

describe("response parsing", () => {
  const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 }
  const candidate = (parts: unknown, finishReason: unknown = "STOP") => ({
    candidates: [{ content: { role: "model", parts }, finishReason }],
    usageMetadata,
    modelVersion: "gemini-x-001",
  })
  const parse = (value: unknown) => Result.getOrThrow(gemini.parse("gemini-x", value))
  const fault = (value: unknown) => {
    const parsed = gemini.parse("gemini-x", value)
    return Result.isFailure(parsed) ? parsed.failure : undefined
  }

  it("joins the text parts and leaves thoughts out", () => {
    assert.deepStrictEqual(
      parse(candidate([{ text: "hm", thought: true }, { text: "a" }, { text: "b", thought: false }])),
      {
        text: "ab",
        finishReason: "stop",
        model: "gemini-x-001",
        usage: { inputTokens: 3, outputTokens: 4, cachedTokens: 0, reasoningTokens: 0 },
        rawUsage: usageMetadata,
      },
    )
  })

  it.each([
    ["STOP", "stop"],
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content_filter"],
    ["RECITATION", "content_filter"],
    ["BLOCKLIST", "content_filter"],
    ["PROHIBITED_CONTENT", "content_filter"],
    ["SPII", "content_filter"],
    ["LANGUAGE", "content_filter"],
    ["IMAGE_SAFETY", "content_filter"],
    ["MALFORMED_FUNCTION_CALL", "other"],
    ["OTHER", "other"],
    ["A_REASON_OF_2030", "other"],
    [null, "other"],
    [7, "other"],
  ])("finish reason %j is %s", (reason, expected) => {
    assert.strictEqual(parse(candidate([{ text: "x" }], reason)).finishReason, expected)
  })

  it("tells a function call from an ordinary stop", () => {
    assert.strictEqual(parse(candidate([{ functionCall: { name: "f" } }])).finishReason, "tool_calls")
  })

  it("gives a blocked answer as an empty one", () => {
    const { text, finishReason } = parse({
      candidates: [{ finishReason: "SAFETY", index: 0 }],
      usageMetadata,
    })
    assert.deepStrictEqual({ text, finishReason }, { text: "", finishReason: "content_filter" })
  })

  it("gives a blocked prompt as a content_filter error that names the reason", () => {
    assert.deepStrictEqual(fault(errorSamples.contentFilter.gemini.body), {
      kind: "content_filter",
      message: "The provider blocked the prompt: SAFETY",
      param: null,
    })
  })

  it.each<[name: string, value: unknown]>([
    ["no JSON", undefined],
    ["null", null],
    ["an array", [candidate([{ text: "x" }])]],
    ["no candidates and no block reason", { usageMetadata }],
    ["empty candidates", { candidates: [], promptFeedback: {} }],
    ["candidates of another type", { candidates: "x" }],
    ["an empty candidate", { candidates: [{}] }],
  ])("%s is a bad response", (_name, value) => {
    assert.strictEqual(fault(value)?.kind, "bad_response")
  })

  it("never throws, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        gemini.parse("m", a)
        gemini.parse("m", { candidates: [a], usageMetadata: b })
        gemini.parse("m", { candidates: [{ content: a, finishReason: b }] })
        gemini.parse("m", { candidates: [{ content: { parts: [a, b] } }] })
        classify(400, a)
        classify(429, { error: { message: a, details: [b, { "@type": "x.QuotaFailure", violations: a }] } })
      }),
    )
  })
})

describe("usage", () => {
  const parse = (usageMetadata: unknown) =>
    Result.getOrThrow(gemini.parse("m", { candidates: [{ finishReason: "STOP" }], usageMetadata })).usage

  it("adds thoughts to the output and tool results to the input; cached tokens are in the prompt already", () => {
    assert.deepStrictEqual(
      parse({
        promptTokenCount: 100,
        cachedContentTokenCount: 64,
        toolUsePromptTokenCount: 11,
        candidatesTokenCount: 20,
        thoughtsTokenCount: 30,
        totalTokenCount: 161,
      }),
      { inputTokens: 111, outputTokens: 50, cachedTokens: 64, reasoningTokens: 30 },
    )
  })

  it("finds a candidates count that was left out for being zero", () => {
    assert.deepStrictEqual(parse({ promptTokenCount: 10, thoughtsTokenCount: 5, totalTokenCount: 15 }), {
      inputTokens: 10,
      outputTokens: 5,
      cachedTokens: 0,
      reasoningTokens: 5,
    })
  })

  it.each<[name: string, usage: unknown]>([
    ["absent", undefined],
    ["null", null],
    ["no prompt count", { candidatesTokenCount: 1 }],
    ["no candidates and no total", { promptTokenCount: 1 }],
    ["a total below its parts", { promptTokenCount: 10, thoughtsTokenCount: 9, totalTokenCount: 12 }],
    ["negative thoughts", { promptTokenCount: 1, candidatesTokenCount: 5, thoughtsTokenCount: -1 }],
    ["a negative prompt", { promptTokenCount: -1, toolUsePromptTokenCount: 5, candidatesTokenCount: 5 }],
    ["negative tool tokens", { promptTokenCount: 5, toolUsePromptTokenCount: -1, candidatesTokenCount: 5 }],
    ["negative candidates", { promptTokenCount: 1, candidatesTokenCount: -1, thoughtsTokenCount: 5 }],
    ["text", { promptTokenCount: "1", candidatesTokenCount: 1 }],
    ["a text among the parts", { promptTokenCount: 1, candidatesTokenCount: 1, thoughtsTokenCount: "1" }],
  ])("%s is unknown, not zero", (_name, usage) => {
    assert.isNull(parse(usage))
  })
})

describe("error classification", () => {
  const violation = (quotaId: string) => ({
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    violations: [{ quotaId }],
  })
  const retryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "22s" }

  it.each<[name: string, status: number, body: unknown, kind: ProviderErrorKind]>([
    ["400 INVALID_ARGUMENT", 400, errorSamples.badRequest.gemini.body, "bad_request"],
    ["400 too many input tokens", 400, errorSamples.contextTooLong.gemini.body, "context_length_exceeded"],
    ["400 API_KEY_INVALID", 400, errorSamples.badKey.gemini.body, "auth"],
    [
      "400 API key not valid, in words only",
      400,
      error("INVALID_ARGUMENT", "API key not valid. Please pass one."),
      "auth",
    ],
    [
      "400 API key expired",
      400,
      error("INVALID_ARGUMENT", "API key expired. Please renew the API key."),
      "auth",
    ],
    ["400 FAILED_PRECONDITION", 400, error("FAILED_PRECONDITION", "User location is not supported"), "auth"],
    ["401", 401, error("UNAUTHENTICATED"), "auth"],
    ["403 PERMISSION_DENIED", 403, errorSamples.forbidden.gemini.body, "auth"],
    ["402", 402, undefined, "quota_exhausted"],
    ["404 NOT_FOUND", 404, errorSamples.modelNotFound.gemini.body, "model_not_found"],
    ["409 ABORTED", 409, error("ABORTED"), "request_conflict"],
    ["429 per minute", 429, errorSamples.rateLimited.gemini.body, "rate_limited"],
    [
      "429 per day, with a RetryInfo of seconds",
      429,
      errorSamples.quotaExhausted.gemini.body,
      "quota_exhausted",
    ],
    [
      "429 per minute and per day",
      429,
      error("RESOURCE_EXHAUSTED", "q", [
        {
          "@type": "t/google.rpc.QuotaFailure",
          violations: [{ quotaId: "APerMinute" }, { quotaId: "BPerDay" }],
        },
      ]),
      "quota_exhausted",
    ],
    [
      "429 spending cap",
      429,
      error("RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap."),
      "quota_exhausted",
    ],
    ["429 without a body", 429, undefined, "rate_limited"],
    ["499 CANCELLED", 499, error("CANCELLED"), "bad_request"],
    ["500 INTERNAL", 500, errorSamples.serverError.gemini.body, "server_error_once"],
    ["502 in HTML", 502, undefined, "server_error"],
    ["503 UNAVAILABLE", 503, errorSamples.overloaded.gemini.body, "overloaded"],
    ["504 DEADLINE_EXCEEDED", 504, errorSamples.deadline.gemini.body, "server_error_once"],
    ["204", 204, undefined, "bad_response"],
    ["302", 302, undefined, "bad_response"],
    ["an envelope in an array", 429, [errorSamples.quotaExhausted.gemini.body], "quota_exhausted"],
    ["an error that is a text", 400, { error: "no" }, "bad_request"],
  ])("%s", (_name, status, body, kind) => {
    assert.strictEqual(classify(status, body).kind, kind)
  })

  it("reads how long to wait from RetryInfo before the header", () => {
    const body = error("RESOURCE_EXHAUSTED", "q", [violation("XPerMinute"), retryInfo])
    assert.strictEqual(classify(429, body, { retryAfter: "7" }).retryAfterMs, 22_000)
    assert.strictEqual(classify(429, undefined, { retryAfter: "7" }).retryAfterMs, 7000)
    assert.isUndefined(classify(429).retryAfterMs)
  })

  it("gives the client the message and field of its own mistake", () => {
    assert.deepInclude(classify(400, errorSamples.badRequest.gemini.body), {
      message: "Invalid value at 'generation_config.temperature'.",
      param: "generation_config.temperature",
    })
  })

  it.each<[number, string]>([
    [400, "FAILED_PRECONDITION"],
    [401, "UNAUTHENTICATED"],
    [403, "PERMISSION_DENIED"],
    [404, "NOT_FOUND"],
    [429, "RESOURCE_EXHAUSTED"],
    [500, "INTERNAL"],
  ])("keeps the provider's words out of a %i %s", (status, name) => {
    assert.notInclude(JSON.stringify(classify(status, error(name, "API key: AIza-quoted"))), "AIza-quoted")
  })

  it("tells the log the status name", () => {
    assert.strictEqual(classify(429, error("RESOURCE_EXHAUSTED", "sentence")).detail, "RESOURCE_EXHAUSTED")
  })
})
