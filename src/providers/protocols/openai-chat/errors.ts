import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { upstreamFault } from "../fault.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../json.ts"
import type { ErrorAnswer, Fault } from "../Protocol.ts"
import { parseRetryAfter } from "../retry-after.ts"
import {
  fieldNamedIn,
  isContentFilter,
  isInvalid,
  isNotEnabled,
  isQuota,
  isUnsupported,
  refusesContent,
  saysNoMoney,
  saysNotEnabled,
  saysUnsupported,
} from "./vendor-words.ts"

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
  const said = readError(error)
  const kind = kindOf(status, said)
  const { code, message, param, type } = said
  // What nobody knows about a 403 may be about the key.
  if (status === 403 && kind === "refused") return upstreamFault(kind, { identifiers: [] })
  return upstreamFault(kind, {
    // Whose account it is concerns no client.
    message: message?.replace(/ in organization \S+/i, ""),
    param,
    code,
    identifiers: [code, type],
    retryAfterMs,
  })
}

/** What an error says, wherever its vendor puts it. */
interface Said {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly message: string | undefined
  readonly param: string | undefined
  readonly innerCode: string | undefined
  /** OpenRouter's moderation. */
  readonly flagged: boolean
}

/** An aggregator's own words, which say nothing of what the vendor behind it said. */
const SAYS_NOTHING = /^provider returned error/i

const readError = (error: JsonObject | undefined): Said => {
  const metadata = objectAt(error, "metadata")
  const message = stringAt(error, "message") ?? detailOf(error?.detail)
  if (message === undefined || SAYS_NOTHING.test(message)) {
    // OpenRouter passes on what the vendor said as a text.
    const raw = stringAt(metadata, "raw")
    if (raw !== undefined) {
      const inner = parseJson(raw)
      return readError({
        ...(isObject(inner) ? envelope(inner) : { ...error, message: raw }),
        metadata: undefined,
      })
    }
  }
  return {
    code: stringAt(error, "code"),
    type: stringAt(error, "type"),
    message,
    param: stringAt(error, "param") ?? fieldNamedIn(message),
    innerCode: stringAt(objectAt(error, "innererror"), "code"),
    flagged: isFlagged(metadata),
  }
}

/** Reads `detail`, which servers made with FastAPI send in place of an error: a text, or `[{"loc": […], "msg": "…"}]`. */
const detailOf = (detail: unknown): string | undefined => {
  if (typeof detail === "string") return detail
  if (!Array.isArray(detail)) return undefined
  const lines = detail.filter(isObject).flatMap((each) => {
    const message = stringAt(each, "msg")
    const path = Array.isArray(each.loc) ? each.loc.filter((step) => step !== "body").join(".") : ""
    return message === undefined ? [] : [path === "" ? message : `${path}: ${message}`]
  })
  return lines.length === 0 ? undefined : lines.join("; ")
}

/** Opens `{"error": {…}}`, the same in an array, `{"error": "text"}`, or vLLM's flat `{"object": "error", …}`. */
const envelope = (body: unknown): JsonObject | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  if (!isObject(outer)) return undefined
  const { error } = outer
  return isObject(error) ? error : typeof error === "string" ? { ...outer, message: error } : outer
}

/**
 * Says who has to act. Codes decide before words, and words only where they begin a vendor's own sentence: what a client
 * sent may be quoted in any. What is not known is the candidate's own: the next one is asked, and nobody else suffers.
 */
const kindOf = (status: number, said: Said): ProviderErrorKind => {
  const { code, message, type } = said
  if (status < 400) return "bad_response"
  if (status >= 500) {
    return status === 503 || status === 529 || code === "server_is_overloaded" ? "overloaded" : "server_error"
  }
  if (isContentFilter(code) || isContentFilter(type) || isContentFilter(said.innerCode))
    return "content_filter"
  if ((status === 403 && said.flagged) || refusesContent(message)) return "content_filter"
  // OpenRouter of an account that would do for a shorter answer.
  if (status === 402 && message !== undefined && /fewer max_tokens/i.test(message)) return "refused"
  if (status === 402 || isQuota(code) || isQuota(type) || saysNoMoney(status, message))
    return "quota_exhausted"
  if (isAboutStreamOptions(status, said)) return "needs_rewording"
  if (isUnsupported(code)) return "unsupported"
  if (isNotEnabled(code) || saysNotEnabled(message)) return "not_enabled"
  if (status === 401 || code === "invalid_api_key") return "auth"
  if (status === 403) return isForbidden(said) ? "auth" : "refused"
  if (code === "model_not_found" || (status === 404 && isAboutModel(code, message, said.param))) {
    return "model_not_found"
  }
  if (status === 408 || status === 409) return "request_conflict"
  if (code === "context_length_exceeded" || isContextLength(message)) return "context_length_exceeded"
  if (status === 429) return code === "slow_down" ? "overloaded" : "rate_limited"
  if (saysUnsupported(message)) return "unsupported"
  return isInvalid(code) ? "bad_request" : "refused"
}

/** Recognizes a vendor that does not take `stream_options`, which the gateway sends with each stream. */
const isAboutStreamOptions = (status: number, { message, param }: Said): boolean =>
  (status === 400 || status === 422) &&
  (param === "stream_options" || (message !== undefined && /^.{0,100}\bstream_options\b/i.test(message)))

/** Tells a 403 of the gateway's key or address from one of which nothing is known. */
const isForbidden = ({ code, message, type }: Said): boolean =>
  message === undefined ||
  [code, type].some((word) => word !== undefined && /permission|forbidden|access_denied|auth/i.test(word)) ||
  /\b(permissions?|api[ _-]?key|forbidden|access denied|unauthori[sz]ed|not authori[sz]ed)\b/i.test(message)

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
