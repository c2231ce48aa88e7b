import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { upstreamFault } from "../fault.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../json.ts"
import type { ErrorAnswer, Fault } from "../Protocol.ts"
import { parseRetryAfter } from "../retry-after.ts"

/** Classifies an answer of an OpenAI-speaking provider that is not a 200. */
export const classify = (answer: ErrorAnswer, nowMs: number): Fault =>
  faultOf(answer.status, envelope(answer.body), parseRetryAfter(answer.headers, nowMs))

/** Classifies an error inside of a 200: its own words stand for the status that the 200 took the place of. */
export const classifyInBand = (data: unknown): Fault => {
  const error = envelope(data)
  return faultOf(statusOf(error), error, undefined)
}

/** Returns the error that a 200 or an event with these choices is instead of an answer; undefined when it is none. */
export const inBandFault = (json: JsonObject, choices: ReadonlyArray<JsonObject>): Fault | undefined => {
  if (isError(json)) return classifyInBand(json)
  // OpenRouter ends an answer that failed on its way like any other, with the error in the choice.
  const failed = choices.find((choice) => choice.finish_reason === "error")
  return failed && classifyInBand({ error: failed.error ?? {} })
}

/** Recognizes `{"error": …}` as everyone has it, and vLLM's flat `{"object": "error", …}`. */
const isError = ({ error, object }: JsonObject): boolean =>
  isObject(error) || (typeof error === "string" && error !== "") || object === "error"

const faultOf = (status: number, error: JsonObject | undefined, retryAfterMs: number | undefined): Fault => {
  const code = stringAt(error, "code")
  const type = stringAt(error, "type")
  const message = stringAt(error, "message")
  return upstreamFault(kindOf(status, code, type, message, error), {
    // Whose account it is concerns no client.
    message: message?.replace(/ in organization \S+/i, ""),
    param: stringAt(error, "param"),
    identifiers: [code, type],
    retryAfterMs,
  })
}

/** Opens `{"error": {…}}`, the same in an array, `{"error": "text"}`, or vLLM's flat `{"object": "error", …}`. */
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
  if (isContentFilter(code) || isContentFilter(stringAt(objectAt(error, "innererror"), "code"))) {
    return "content_filter"
  }
  if (status === 403 && isFlagged(objectAt(error, "metadata"))) return "content_filter"
  if (status === 401 || status === 403 || code === "invalid_api_key") return "auth"
  if (
    code === "model_not_found" ||
    (status === 404 && isAboutModel(code, message, stringAt(error, "param")))
  ) {
    return "model_not_found"
  }
  if (status === 408 || status === 409) return "request_conflict"
  if (code === "context_length_exceeded" || isContextLength(message)) return "context_length_exceeded"
  if (status === 429) return code === "slow_down" ? "overloaded" : "rate_limited"
  return "bad_request"
}

/**
 * Tells whether a 404 is about the model. Anything else that is missing (a file, a tool) the client named, and a client
 * must not be able to take the model from everybody. A wrong URL is the configuration's, and so like a wrong model.
 */
const isAboutModel = (
  code: string | undefined,
  message: string | undefined,
  param: string | undefined,
): boolean => {
  if (param) return param === "model"
  if (code && !/^(\d+|not_?found)$/i.test(code)) return /model|deployment/i.test(code)
  if (!message) return true
  return (
    /\bmodel\b|^no endpoints found for|^(resource )?not found$|^invalid url/i.test(message) &&
    // OpenRouter of the providers that a request allows.
    !/^no allowed providers/i.test(message)
  )
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
  return isContextLength(stringAt(error, "message")) ? 400 : 500
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

/**
 * Recognizes a prompt that is too long, which vLLM and others say in words only. More tokens than a minute's limit are a 429 (OpenAI) or 413 (Groq), but never fit,
 * however long one waits.
 */
const isContextLength = (message: string | undefined): boolean =>
  message !== undefined &&
  /maximum context length|exceeds? the context (length|window|size)|^request too large for .*\blimit:? \d+, requested:? \d/i.test(
    message,
  )

/** Recognizes OpenRouter's moderation. */
const isFlagged = (metadata: JsonObject | undefined): boolean =>
  metadata !== undefined && (Array.isArray(metadata.reasons) || typeof metadata.flagged_input === "string")

const isContentFilter = (word: string | undefined): boolean =>
  word === "content_policy_violation" || word === "content_filter" || word === "ResponsibleAIPolicyViolation"
