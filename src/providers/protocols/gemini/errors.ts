import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { unknownForbidden, upstreamFault } from "../fault.ts"
import { readError, type Said } from "../openai-chat/said.ts"
import { decided, isModelMissing } from "../openai-chat/vendor-words.ts"
import type { ErrorAnswer, Fault } from "../Protocol.ts"
import { parseDuration, waitInWords, waitOf } from "../retry-after.ts"

/** Classifies an answer that is not a 200. */
export const classify = (answer: ErrorAnswer, nowMs: number): Fault => {
  const error = envelope(answer.body)
  const name = stringAt(error, "status")
  const said = { ...readError(error), type: name }
  const { message } = said
  const details = objectsAt(error, "details")
  const delay = parseDuration(detail(details, "RetryInfo")?.retryDelay)
  const reason = stringAt(detail(details, "ErrorInfo"), "reason")
  const kind = kindOf(answer.status, said, reason, details)
  if (answer.status === 403 && kind === "refused") return unknownForbidden()
  const fault = upstreamFault(kind, {
    message,
    param: stringAt(objectsAt(detail(details, "BadRequest"), "fieldViolations")[0], "field"),
    identifiers: [name, reason],
    retryAfterMs: delay ?? waitOf(answer.headers, nowMs, waitInWords(answer.status, said.sentence)),
  })
  // Such as GenerateRequestsPerDayPerProjectPerModel-FreeTier.
  return fault.kind === "quota_exhausted" && hasQuota(details, "PerModel")
    ? { ...fault, modelOnly: true }
    : fault
}

/** Classifies an error inside of a 200, where it alone tells a status; undefined when the JSON is no error. */
export const classifyInBand = (json: unknown): Fault | undefined => {
  const error = envelope(json)
  if (error === undefined) return undefined
  const { code } = error
  const status = typeof code === "number" && code >= 400 ? code : 500
  return classify({ status, headers: { retryAfter: undefined, retryAfterMs: undefined }, body: json }, 0)
}

/** Returns the fault of a prompt that was not let through, which is the client's own doing. */
export const blockedPrompt = (body: JsonObject): Fault | undefined => {
  const reason = stringAt(objectAt(body, "promptFeedback"), "blockReason")
  return reason === undefined
    ? undefined
    : upstreamFault("content_filter", {
        message: `The provider blocked the prompt: ${reason}`,
        identifiers: [],
      })
}

/** Opens `{"error": {…}}`, or the same in an array. */
const envelope = (body: unknown): JsonObject | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  return isObject(outer) ? objectAt(outer, "error") : undefined
}

/** Finds the google.rpc detail of this type, e.g. `type.googleapis.com/google.rpc.RetryInfo`. */
const detail = (details: ReadonlyArray<JsonObject>, type: string): JsonObject | undefined =>
  details.find((each) => stringAt(each, "@type")?.endsWith(`.${type}`) === true)

const kindOf = (
  status: number,
  said: Said,
  reason: string | undefined,
  details: ReadonlyArray<JsonObject>,
): ProviderErrorKind => {
  const { message, sentence, type: name } = said
  if (status < 400) return "bad_response"
  // Its docs call 500 and 504 possibly deterministic: an input too long for the model or for the deadline.
  if (status === 500 || status === 504) return "server_error_once"
  // 499: Google's side gave it up.
  if (status >= 499) return status === 503 ? "overloaded" : "server_error"
  if (name === "FAILED_PRECONDITION" || isAboutProject(reason)) return "not_enabled"
  if (reason === "API_KEY_INVALID") return "auth"
  const known = decided(status, said)
  if (known !== undefined) return known
  switch (status) {
    case 401:
      return "auth"
    case 402:
      return "quota_exhausted"
    case 404:
      return isModelMissing(said) ? "model_not_found" : "refused"
    case 408:
    case 409:
      return "request_conflict"
    case 429:
      return isPerDay(details) ? "quota_exhausted" : "rate_limited"
  }
  if (message !== undefined && /input token count.*exceeds/i.test(message)) return "context_length_exceeded"
  if (message !== undefined && /\bthought[_ ]?signature/i.test(message)) return "needs_rewording"
  return saysUnsupported(sentence) ? "unsupported" : "refused"
}

/** Tells of a Google Cloud project that its owner has to look after: https://cloud.google.com/apis/design/errors. */
const isAboutProject = (reason: string | undefined): boolean =>
  reason !== undefined &&
  /^(SERVICE_DISABLED|BILLING_DISABLED|CONSUMER_(SUSPENDED|INVALID)|LOCATION_(POLICY|ORG_POLICY)_VIOLATED|USER_PROJECT_DENIED)$/.test(
    reason,
  )

const saysUnsupported = (sentence: string | undefined): boolean =>
  sentence !== undefined &&
  /\b(is|are) not (yet )?(supported|enabled)\b|\b(does|do)(n't| not) support\b|\bunknown name\b|\bunsupported\b/i.test(
    sentence,
  )

/** Recognizes a per-day quota, which comes with a RetryInfo of seconds all the same: waiting those does not help. */
const isPerDay = (details: ReadonlyArray<JsonObject>): boolean => hasQuota(details, "PerDay")

const hasQuota = (details: ReadonlyArray<JsonObject>, name: string): boolean =>
  objectsAt(detail(details, "QuotaFailure"), "violations").some(
    (violation) => stringAt(violation, "quotaId")?.includes(name) === true,
  )
