import type { Content, FinishReason as GeminiFinishReason, GenerationConfig, Part } from "@google/genai"
import { Result } from "effect"
import {
  type ChatMessage,
  type ChatRequest,
  type Completion,
  type FinishReason,
  maxOutputTokens,
} from "../../domain/Chat.ts"
import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import { makeUsage, type Usage } from "../../domain/Usage.ts"
import { parseDuration, parseRetryAfter } from "../retry-after.ts"
import { badRequest, badResponse, upstreamFault } from "./fault.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "./json.ts"
import type { ErrorAnswer, Fault, Protocol } from "./Protocol.ts"

/** Gemini `generateContent`. The model travels in the path, not in the body. */
export const gemini: Protocol = {
  lower: (_model, request) => lower(request),
  parse: (model, body) => parse(model, body),
  classify: (answer, nowMs) => classify(answer, nowMs),
}

// --- request lowering

interface Wire {
  readonly contents: ReadonlyArray<Content>
  readonly systemInstruction: Content | undefined
  readonly generationConfig: GenerationConfig | undefined
}

/** Fields that decide what the answer is: dropping one in silence would answer another question. */
const unsupportedFields = ["tools", "functions", "response_format", "n", "logprobs"] as const

const lower = (request: ChatRequest): Result.Result<string, Fault> => {
  for (const field of unsupportedFields) {
    if (isAsked(field, request[field])) {
      return Result.fail(badRequest(`${field} is not supported with this provider.`, field))
    }
  }
  const system: Array<Part> = []
  const contents: Array<Content> = []
  for (const [index, message] of request.messages.entries()) {
    const parts = lowerParts(message, `messages[${index}]`)
    if (Result.isFailure(parts)) return Result.fail(parts.failure)
    if (message.role === "system" || message.role === "developer") system.push(...parts.success)
    else contents.push({ parts: parts.success, role: message.role === "assistant" ? "model" : "user" })
  }
  const wire: Wire = {
    contents,
    systemInstruction: system.length > 0 ? { parts: system, role: "user" } : undefined,
    generationConfig: generationConfig(request),
  }
  return Result.succeed(JSON.stringify(wire))
}

const generationConfig = (request: ChatRequest): GenerationConfig | undefined => {
  const { temperature, top_p, stop, seed } = request
  const config: GenerationConfig = {}
  const maximum = maxOutputTokens(request)
  if (maximum !== undefined) config.maxOutputTokens = maximum
  if (temperature !== undefined) config.temperature = temperature
  if (top_p !== undefined) config.topP = top_p
  if (stop !== undefined) config.stopSequences = typeof stop === "string" ? [stop] : [...stop]
  if (seed !== undefined) config.seed = seed
  return Object.keys(config).length > 0 ? config : undefined
}

const isAsked = (field: (typeof unsupportedFields)[number], value: unknown): boolean => {
  if (value === undefined || value === null || value === false) return false
  if (field === "n") return value !== 1
  if (field === "response_format") return !isObject(value) || value.type !== "text"
  return !Array.isArray(value) || value.length > 0
}

const lowerParts = (message: ChatMessage, path: string): Result.Result<Array<Part>, Fault> => {
  if (message.role === "tool")
    return Result.fail(badRequest("Tool messages are not supported.", `${path}.role`))
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0) {
    return Result.fail(badRequest("Tool calls are not supported.", `${path}.tool_calls`))
  }
  const { content } = message
  if (content === undefined || content === null) return Result.succeed([{ text: "" }])
  if (typeof content === "string") return Result.succeed([{ text: content }])
  const parts: Array<Part> = []
  for (const [index, part] of content.entries()) {
    if (part.type !== "text" || typeof part.text !== "string") {
      return Result.fail(badRequest("Only text content is supported.", `${path}.content[${index}]`))
    }
    parts.push({ text: part.text })
  }
  return Result.succeed(parts)
}

// --- response parsing

const parse = (model: string, body: unknown): Result.Result<Completion, Fault> => {
  if (!isObject(body)) return Result.fail(badResponse("body is not a JSON object"))
  const candidate = objectsAt(body, "candidates")[0]
  if (candidate === undefined) {
    const reason = stringAt(objectAt(body, "promptFeedback"), "blockReason")
    if (reason === undefined) return Result.fail(badResponse("no candidate"))
    return Result.fail(
      upstreamFault("content_filter", {
        message: `The provider blocked the prompt: ${reason}`,
        identifiers: [],
      }),
    )
  }
  const content = objectAt(candidate, "content")
  if (content === undefined && candidate.finishReason === undefined) {
    return Result.fail(badResponse("empty candidate"))
  }
  let text = ""
  let called = false
  for (const part of objectsAt(content, "parts")) {
    if (part.thought !== true) text += stringAt(part, "text") ?? ""
    if (part.functionCall !== undefined) called = true
  }
  const { usageMetadata } = body
  return Result.succeed({
    text,
    finishReason: finishReason(candidate.finishReason, called),
    model: stringAt(body, "modelVersion") ?? model,
    usage: readUsage(usageMetadata),
    rawUsage: usageMetadata ?? null,
  })
}

// --- usage

/**
 * Thoughts are an addend beside the candidates; tool results are input beside the prompt, which includes cached
 * tokens. Google's JSON leaves zeros out, so a missing candidates count is what the total leaves for it, and
 * unknown without a total.
 */
const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  const prompt = usage.promptTokenCount
  const toolUse = usage.toolUsePromptTokenCount ?? 0
  const thoughts = usage.thoughtsTokenCount ?? 0
  const total = usage.totalTokenCount
  if (typeof prompt !== "number" || typeof toolUse !== "number" || typeof thoughts !== "number") return null
  if (prompt < 0 || toolUse < 0) return null
  const candidates =
    usage.candidatesTokenCount ??
    (typeof total === "number" ? total - prompt - toolUse - thoughts : undefined)
  if (typeof candidates !== "number") return null
  return makeUsage({
    inputTokens: prompt + toolUse,
    outputTokens: candidates + thoughts,
    cachedTokens: usage.cachedContentTokenCount,
    reasoningTokens: thoughts,
  })
}

// --- finish reasons

const finishReasons = new Map<unknown, FinishReason>(
  Object.entries({
    STOP: "stop",
    MAX_TOKENS: "length",
    SAFETY: "content_filter",
    RECITATION: "content_filter",
    LANGUAGE: "content_filter",
    BLOCKLIST: "content_filter",
    PROHIBITED_CONTENT: "content_filter",
    SPII: "content_filter",
    IMAGE_SAFETY: "content_filter",
  } satisfies { readonly [reason in keyof typeof GeminiFinishReason]?: FinishReason }),
)

const finishReason = (value: unknown, called: boolean): FinishReason => {
  const reason = finishReasons.get(value) ?? "other"
  return reason === "stop" && called ? "tool_calls" : reason
}

// --- error classification

const classify = (answer: ErrorAnswer, nowMs: number): Fault => {
  const error = envelope(answer.body)
  const message = stringAt(error, "message")
  const details = objectsAt(error, "details")
  const delay = parseDuration(detail(details, "RetryInfo")?.retryDelay)
  const reason = stringAt(detail(details, "ErrorInfo"), "reason")
  return upstreamFault(kindOf(answer.status, stringAt(error, "status"), reason, message, details), {
    message,
    param: stringAt(objectsAt(detail(details, "BadRequest"), "fieldViolations")[0], "field"),
    identifiers: [stringAt(error, "status"), reason],
    retryAfterMs: delay ?? parseRetryAfter(answer.headers, nowMs),
  })
}

/** `{"error": {…}}`, or the same in an array. */
const envelope = (body: unknown): JsonObject | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  return isObject(outer) ? objectAt(outer, "error") : undefined
}

/** The google.rpc detail of this type, e.g. `type.googleapis.com/google.rpc.RetryInfo`. */
const detail = (details: ReadonlyArray<JsonObject>, type: string): JsonObject | undefined =>
  details.find((each) => stringAt(each, "@type")?.endsWith(`.${type}`) === true)

const kindOf = (
  status: number,
  name: string | undefined,
  reason: string | undefined,
  message: string | undefined,
  details: ReadonlyArray<JsonObject>,
): ProviderErrorKind => {
  if (status < 400) return "bad_response"
  // Its docs call 500 and 504 possibly deterministic: an input too long for the model or for the deadline.
  if (status === 500 || status === 504) return "server_error_once"
  if (status >= 500) return status === 503 ? "overloaded" : "server_error"
  if (status === 402) return "quota_exhausted"
  if (status === 401 || status === 403 || reason === "API_KEY_INVALID" || tellsBadKey(message)) return "auth"
  if (name === "FAILED_PRECONDITION") return "auth"
  if (status === 404) return "model_not_found"
  if (status === 408 || status === 409) return "request_conflict"
  if (status === 429) return isPerDay(details) || tellsNoMoney(message) ? "quota_exhausted" : "rate_limited"
  if (message !== undefined && /input token count.*exceeds/i.test(message)) return "context_length_exceeded"
  return "bad_request"
}

const tellsBadKey = (message: string | undefined): boolean =>
  message !== undefined && /^API key (not valid|expired)/i.test(message)

/** A per-day quota comes with a RetryInfo of seconds all the same; waiting those does not help. */
const isPerDay = (details: ReadonlyArray<JsonObject>): boolean =>
  objectsAt(detail(details, "QuotaFailure"), "violations").some(
    (violation) => stringAt(violation, "quotaId")?.includes("PerDay") === true,
  )

const tellsNoMoney = (message: string | undefined): boolean =>
  message !== undefined && /spend(ing)? cap|prepay(ment)? credits/i.test(message)
