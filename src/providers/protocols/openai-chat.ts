import { Result } from "effect"
import type { OpenAI } from "openai"
import type { ChatRequest, Completion, FinishReason } from "../../domain/Chat.ts"
import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import { makeUsage, type Usage } from "../../domain/Usage.ts"
import { parseRetryAfter } from "../retry-after.ts"
import { badResponse, upstreamFault } from "./fault.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "./json.ts"
import type { ErrorAnswer, Fault, Protocol } from "./Protocol.ts"

/** OpenAI chat completions, as OpenAI and the many servers that imitate it speak it. */
export const openAiChat = (options: {
  /** OpenAI wants the new name only; imitators may know either, so they get what the client sent. */
  readonly renameMaxTokens: boolean
}): Protocol => ({
  lower: (model, request) => Result.succeed(lower(model, request, options.renameMaxTokens)),
  parse,
  classify,
})

// --- request lowering

const lower = (model: string, request: ChatRequest, renameMaxTokens: boolean): string => {
  if (!renameMaxTokens || request.max_tokens === undefined) return JSON.stringify({ ...request, model })
  const { max_tokens, ...rest } = request
  return JSON.stringify({ max_completion_tokens: max_tokens, ...rest, model })
}

// --- response parsing

const parse = (model: string, body: unknown): Result.Result<Completion, Fault> => {
  if (!isObject(body)) return Result.fail(badResponse("body is not a JSON object"))
  const choice = objectsAt(body, "choices")[0]
  const message = objectAt(choice, "message")
  if (message === undefined) return Result.fail(badResponse("no choice with a message"))
  const { usage } = body
  return Result.succeed({
    text: stringAt(message, "content") || stringAt(message, "refusal") || "",
    finishReason: finishReason(choice?.finish_reason),
    model: stringAt(body, "model") ?? model,
    usage: readUsage(usage),
    rawUsage: usage ?? null,
  })
}

// --- usage

const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  return makeUsage({
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    cachedTokens: objectAt(usage, "prompt_tokens_details")?.cached_tokens,
    reasoningTokens: objectAt(usage, "completion_tokens_details")?.reasoning_tokens,
  })
}

// --- finish reasons

const finishReasons = new Map<unknown, FinishReason>(
  Object.entries({
    stop: "stop",
    length: "length",
    content_filter: "content_filter",
    tool_calls: "tool_calls",
    function_call: "tool_calls",
  } satisfies Record<OpenAI.ChatCompletion.Choice["finish_reason"], FinishReason>),
)

const finishReason = (value: unknown): FinishReason => finishReasons.get(value) ?? "other"

// --- error classification

const classify = (answer: ErrorAnswer, nowMs: number): Fault => {
  const error = envelope(answer.body)
  const code = stringAt(error, "code")
  const type = stringAt(error, "type")
  const message = stringAt(error, "message")
  return upstreamFault(kindOf(answer.status, code, type, message, error), {
    message,
    param: stringAt(error, "param"),
    identifiers: [code, type],
    retryAfterMs: parseRetryAfter(answer.headers, nowMs),
  })
}

/** `{"error": {…}}`, the same in an array, `{"error": "text"}`, or vLLM's flat `{"object": "error", …}`. */
const envelope = (body: unknown): JsonObject | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  if (!isObject(outer)) return undefined
  const { error } = outer
  return isObject(error) ? error : typeof error === "string" ? { message: error } : outer
}

const kindOf = (
  status: number,
  code: string | undefined,
  type: string | undefined,
  message: string | undefined,
  error: JsonObject | undefined,
): ProviderErrorKind => {
  if (status < 400) return "bad_response"
  if (status >= 500) {
    return status === 503 || status === 529 || code === "server_is_overloaded" ? "overloaded" : "server_error"
  }
  if (status === 402 || isQuota(code) || isQuota(type)) return "quota_exhausted"
  if (status === 401 || status === 403 || code === "invalid_api_key") return "auth"
  if (status === 404 || code === "model_not_found") return "model_not_found"
  if (status === 408 || status === 409) return "request_conflict"
  if (status === 429) return code === "slow_down" ? "overloaded" : "rate_limited"
  if (code === "context_length_exceeded" || tellsContextLength(message)) return "context_length_exceeded"
  if (isContentFilter(code) || isContentFilter(stringAt(objectAt(error, "innererror"), "code"))) {
    return "content_filter"
  }
  return "bad_request"
}

const isQuota = (word: string | undefined): boolean =>
  word === "insufficient_quota" ||
  word === "credit_balance_exhausted" ||
  word === "organization_usage_limit_exceeded" ||
  word?.endsWith("_spend_limit_exceeded") === true

/** vLLM and others say it in words only. */
const tellsContextLength = (message: string | undefined): boolean =>
  message !== undefined && /maximum context length|exceeds? the context (length|window|size)/i.test(message)

const isContentFilter = (word: string | undefined): boolean =>
  word === "content_policy_violation" || word === "content_filter" || word === "ResponsibleAIPolicyViolation"
