import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { usedUpLimits } from "../../http/used-up-limits.ts"
import { unknownForbidden, upstreamFault } from "../fault.ts"
import { stopped } from "../gemini/finish-reason.ts"
import type { ErrorAnswer, Fault } from "../Protocol.ts"
import { parseDuration, untilReset, waitInWords, waitOf } from "../retry-after.ts"
import { failureOf } from "./finish-reason.ts"
import { envelope, isError, readError, type Said } from "./said.ts"
import { refusedOfTurns } from "./turn-refusals.ts"
import { decided, described, FREE_TIER_ONLY, isModelMissing } from "./vendor-words.ts"

/** Classifies an answer of an OpenAI-speaking provider that is not a 200. */
export const classify = (answer: ErrorAnswer, nowMs: number): Fault => {
  const error = envelope(answer.body)
  const inBody = waitInBody(answer.status, error) ?? untilReset(limitsInBody(error), nowMs)
  return faultOf(answer.status, error, waitOf(answer.headers, nowMs, inBody))
}

/** Reads how long to wait from the body: of Google's compatible API, or in words. */
const waitInBody = (status: number, error: JsonObject | undefined): number | undefined =>
  objectsAt(error, "details")
    .map((detail) => parseDuration(detail.retryDelay))
    .find((delay) => delay !== undefined) ?? waitInWords(status, readError(error).sentence)

/** Reads the header fields that OpenRouter puts into the body. */
const limitsInBody = (error: JsonObject | undefined): ReadonlyArray<string> | undefined => {
  const headers = objectAt(objectAt(error, "metadata"), "headers")
  if (headers === undefined) return undefined
  const fields = Object.entries(headers).slice(0, 20)
  return usedUpLimits(
    Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), String(value)])),
    true,
  )
}

/** Classifies an error inside of a 200: its own words stand for the status that the 200 took the place of. */
export const classifyInBand = (data: unknown): Fault => {
  const error = envelope(data)
  const status = statusOf(error)
  return faultOf(status, error, waitInBody(status, error))
}

/** Returns the error that a 200 or an event with these choices is instead of an answer; undefined when it is none. */
export const inBandFault = (json: JsonObject, choices: ReadonlyArray<JsonObject>): Fault | undefined => {
  if (isError(json)) return classifyInBand(json)
  for (const { error, finish_reason, native_finish_reason } of choices) {
    const kind = failureOf(finish_reason)
    if (kind !== undefined) return stopped(kind, finish_reason)
    // Some end an answer that failed on its way like any other; OpenRouter with the error in the choice.
    if (failures.has(finish_reason) || failures.has(native_finish_reason)) {
      return classifyInBand({ error: error ?? { code: failures.get(finish_reason), type: finish_reason } })
    }
  }
  return undefined
}

/** Finish reasons of answers that are none, and what would have said so in an error. */
const failures = new Map<unknown, string | undefined>([
  ["error", undefined], // OpenRouter
  ["network_error", undefined], // Zhipu, OpenRouter
  ["network-error", undefined],
  ["abort", undefined], // vLLM, SGLang
  ["insufficient_system_resource", "server_is_overloaded"], // DeepSeek
])

const faultOf = (status: number, error: JsonObject | undefined, retryAfterMs: number | undefined): Fault => {
  const said = readError(error)
  const kind = kindOf(status, said)
  const { code, message, param, type } = said
  if (status === 403 && kind === "refused") return unknownForbidden()
  const turns = kind === "needs_rewording" ? refusedOfTurns(status, said) : undefined
  const fault = upstreamFault(kind, {
    message,
    param: kind === "needs_rewording" && refusesStreamOptions(param, message) ? "stream_options" : param,
    code,
    identifiers: [code, type],
    retryAfterMs,
  })
  if (kind === "quota_exhausted" && code === FREE_TIER_ONLY) return { ...fault, modelOnly: true }
  return turns === undefined ? fault : { ...fault, turns }
}

/**
 * Says who has to act. Codes decide before words, and words before statuses, which vendors choose as they like. What is not
 * known is the candidate's own: the next one is asked, and nobody else suffers.
 */
const kindOf = (status: number, said: Said): ProviderErrorKind => {
  const { type } = said
  if (status < 400) return "bad_response"
  if (status === 403 && said.flagged) return "content_filter"
  if (needsRewording(status, said) || refusedOfTurns(status, said)) return "needs_rewording"
  const known = decided(status, said)
  if (known !== undefined) return known
  // Groq's own, of flex alone.
  if (status === 498) return "tier_unavailable"
  // 529: Anthropic's own; 424: TGI's.
  if (status === 503 || status === 529) return "overloaded"
  if (status >= 500 || status === 424 || type === "server_error") return "server_error"
  switch (status) {
    case 401:
      return "auth"
    case 402:
      return "quota_exhausted"
    case 404:
      if (isModelMissing(said)) return "model_not_found"
      break
    case 405:
      // Of a wrong URL, which is the configuration's.
      return "model_not_found"
    case 408:
    case 409:
      return "request_conflict"
    case 429:
      return "rate_limited"
  }
  return described(status, said) ?? "refused"
}

/**
 * Recognizes a vendor that does not take `stream_options`, which the gateway sends with each stream, or what is newer in
 * messages than it is. A client's own words may read like that too: then they are refused once more in other words.
 */
const needsRewording = (status: number, { code, message, param }: Said): boolean =>
  (status === 400 || status === 422) &&
  (refusesStreamOptions(param, message) ||
    // Of reasoning in Responses that it has not encrypted, or for another account.
    code === "invalid_encrypted_content" ||
    (param !== undefined && /^messages\b.*\b(annotations|audio|function_call|refusal)$/.test(param)) ||
    (message !== undefined &&
      /^.{0,200}(\brole\b.{0,60}\bdeveloper\b|\bdeveloper\b.{0,60}\brole\b|unknown variant `developer`|'developer' is not one of)/is.test(
        message,
      )))

const refusesStreamOptions = (param: string | undefined, message: string | undefined): boolean =>
  param === "stream_options" || (message !== undefined && /^.{0,100}\bstream_options\b/i.test(message))

const statusOf = (error: JsonObject | undefined): number => {
  const code = error?.code
  const status = typeof code === "string" ? Number(code) : code
  if (typeof status === "number" && status >= 400 && status < 600) return status
  for (const word of [stringAt(error, "code"), stringAt(error, "type")]) {
    const known = word === undefined ? undefined : statusOfWord.get(word)
    if (known !== undefined) return known
  }
  return 500
}

const statusOfWord = new Map([
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["permission_error", 403],
  ["request_forbidden", 403],
  ["not_found_error", 404],
  ["rate_limit_exceeded", 429],
  ["rate_limit_error", 429],
  ["requests", 429],
  ["tokens", 429],
  ["service_unavailable_error", 503],
  ["overloaded_error", 503],
])
