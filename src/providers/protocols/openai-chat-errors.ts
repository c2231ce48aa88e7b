import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import { parseRetryAfter } from "../retry-after.ts"
import { upstreamFault } from "./fault.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "./json.ts"
import type { ErrorAnswer, Fault } from "./Protocol.ts"

/** Errors of an OpenAI-speaking provider: as an answer with a status, and inside a stream that began well. */
export const classify = (answer: ErrorAnswer, nowMs: number): Fault =>
  faultOf(answer.status, envelope(answer.body), parseRetryAfter(answer.headers, nowMs))

/** The same table; the status, which the stream's 200 took the place of, is what the error's own words stand for. */
export const classifyInBand = (data: unknown): Fault => {
  const error = envelope(data)
  return faultOf(statusOf(error), error, undefined)
}

/** Whether an event's data is an error: `{"error": …}` as everyone has it, or vLLM's flat `{"object": "error", …}`. */
export const isError = ({ error, object }: JsonObject): boolean =>
  isObject(error) || (typeof error === "string" && error !== "") || object === "error"

const faultOf = (status: number, error: JsonObject | undefined, retryAfterMs: number | undefined): Fault => {
  const code = stringAt(error, "code")
  const type = stringAt(error, "type")
  const message = stringAt(error, "message")
  return upstreamFault(kindOf(status, code, type, message, error), {
    message,
    param: stringAt(error, "param"),
    identifiers: [code, type],
    retryAfterMs,
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

const statusOf = (error: JsonObject | undefined): number => {
  const code = error?.code
  const status = typeof code === "string" ? Number(code) : code
  if (typeof status === "number" && status >= 400 && status < 600) return status
  for (const word of [stringAt(error, "code"), stringAt(error, "type")]) {
    if (word === undefined) continue
    if (isQuota(word)) return 402
    if (isContentFilter(word)) return 400
    const known = statusOfWord.get(word)
    if (known !== undefined) return known
  }
  return tellsContextLength(stringAt(error, "message")) ? 400 : 500
}

const statusOfWord = new Map([
  ["invalid_request_error", 400],
  ["context_length_exceeded", 400],
  ["invalid_api_key", 401],
  ["authentication_error", 401],
  ["permission_error", 403],
  ["request_forbidden", 403],
  ["model_not_found", 404],
  ["not_found_error", 404],
  ["rate_limit_exceeded", 429],
  ["rate_limit_error", 429],
  ["requests", 429],
  ["tokens", 429],
  ["slow_down", 429],
  ["server_is_overloaded", 503],
  ["service_unavailable_error", 503],
  ["overloaded_error", 503],
])

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
