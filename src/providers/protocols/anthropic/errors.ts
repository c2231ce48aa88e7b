import type { ErrorType } from "@anthropic-ai/sdk/resources/shared"
import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"
import { unknownForbidden, upstreamFault } from "../fault.ts"
import { envelope, readError, type Said } from "../openai-chat/said.ts"
import { decided, described, isModelMissing } from "../openai-chat/vendor-words.ts"
import type { ErrorAnswer, Fault } from "../Protocol.ts"
import { waitOf } from "../retry-after.ts"
import { BETAS } from "./wire.ts"

/** Classifies an answer that is not a 200: `{"type":"error","error":{"type","message"},"request_id"}`. */
export const classify = (answer: ErrorAnswer, nowMs: number): Fault =>
  faultOf(answer.status, envelope(answer.body), waitOf(answer.headers, nowMs))

/** Classifies an error inside of a 200, where its type stands for the status; undefined when the JSON is no error. */
export const classifyInBand = (json: unknown): Fault | undefined => {
  if (!isObject(json) || (json.type !== "error" && !isObject(json.error))) return undefined
  const error = envelope(json)
  return faultOf(statuses.get(error?.type) ?? 500, error, undefined)
}

/**
 * The status that each type of error has: https://platform.claude.com/docs/en/api/errors. With a new type in Anthropic's own
 * package, this does not compile.
 */
const statuses: ReadonlyMap<unknown, number> = new Map(
  Object.entries({
    invalid_request_error: 400,
    authentication_error: 401,
    billing_error: 402,
    permission_error: 403,
    not_found_error: 404,
    conflict_error: 409,
    // Of stored memories, which no message has.
    memory_path_conflict_error: 409,
    memory_precondition_failed_error: 412,
    request_too_large: 413,
    rate_limit_error: 429,
    api_error: 500,
    timeout_error: 504,
    overloaded_error: 529,
  } satisfies Readonly<Record<ErrorType, number>> & Readonly<Record<string, number>>),
)

const faultOf = (status: number, error: JsonObject | undefined, retryAfterMs: number | undefined): Fault => {
  const said = readError(error)
  const { code, message, type } = said
  const kind = kindOf(status, said)
  if (status === 403 && kind === "refused") return unknownForbidden()
  return upstreamFault(kind, {
    message,
    param: refusesBetas(message) ? BETAS : (said.param ?? fieldOf(message)),
    code: type === "invalid_request_error" ? undefined : type,
    identifiers: [type, code],
    retryAfterMs,
  })
}

/**
 * Reads the field that Claude's sentence begins with: `messages.1.content.0.text: Field required`, "`temperature` is deprecated
 * for this model.", "This model does not support the effort parameter."
 */
const fieldOf = (message: string | undefined): string | undefined => {
  if (message === undefined) return undefined
  if (/^this model does not support the effort parameter/i.test(message)) return "output_config.effort"
  return /^(?:([a-z_]+(?:\.\w+){0,10}): |`?([a-z_]{1,60})`? is deprecated for this model)/
    .exec(message)
    ?.slice(1)
    .find((field) => field !== undefined)
}

const kindOf = (status: number, said: Said): ProviderErrorKind => {
  const { message, type } = said
  if (status < 400) return "bad_response"
  if (status === 400 && (refusesThoughts(message) || refusesBetas(message))) return "needs_rewording"
  const known = decided(status, said)
  if (known !== undefined) return known
  if (status === 504 || type === "timeout_error") return "server_error_once"
  if (status === 529 || status === 503 || type === "overloaded_error") return "overloaded"
  if (status >= 500) return "server_error"
  switch (status) {
    case 401:
      return "auth"
    case 402:
      return "quota_exhausted"
    case 404:
      return isModelMissing(said) ? "model_not_found" : "refused"
    case 405:
      return "model_not_found"
    case 408:
    case 409:
      return "request_conflict"
    case 429:
      return "rate_limited"
  }
  return saysUnsupported(message) ? "unsupported" : (described(status, said) ?? "refused")
}

/**
 * Recognizes that a model does not take the thoughts of earlier turns back, or misses them: they are of another model or
 * account, or not as they were; the last ones are DeepSeek's and Kimi's words. A client's own words do not come so early in a
 * sentence.
 */
const refusesThoughts = (message: string | undefined): boolean =>
  message !== undefined &&
  /^(messages\.\d+(\.\w+)*: )?(invalid (`?signature`?|`?data`?) in `?(redacted_)?thinking|.{0,40}`?\b(redacted_)?thinking`? .{0,120}\b(block|found|signature|account|model)|expected `?(redacted_)?thinking|the `?content\[\]\.thinking`? in the thinking mode must be passed back|thinking is enabled but reasoning_content is missing)/i.test(
    message,
  )

/** Recognizes that Bedrock does not take a beta, of which Claude Code sends many and it knows few; it does not say which. */
const refusesBetas = (message: string | undefined): boolean =>
  message !== undefined && /^(the model returned the following errors: )?invalid beta flag\b/i.test(message)

/** Recognizes what some models do not take (any more), in words that others do not use. */
const saysUnsupported = (message: string | undefined): boolean =>
  message !== undefined &&
  /^[`"\w.]{1,60}:? .{0,60}\b((is|are) deprecated for this model|cannot both be specified)/i.test(message)
