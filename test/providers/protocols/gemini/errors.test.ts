import { assert, describe, it } from "@effect/vitest"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"

const none = { retryAfter: undefined, retryAfterMs: undefined }
const classify = (status: number, body?: unknown, headers: { retryAfter?: string } = {}) =>
  gemini.classify({ status, body, headers: { ...none, ...headers } }, 0)
const error = (status: string, message = "said", details: ReadonlyArray<unknown> = []) => ({
  error: { code: 1, message, status, details },
})

describe("error classification", () => {
  const violation = (quotaId: string) => ({
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    violations: [{ quotaId }],
  })
  const retryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "22s" }

  it.each<[name: string, status: number, body: unknown, kind: ProviderErrorKind]>([
    ["400 INVALID_ARGUMENT", 400, errorSamples.badRequest.gemini.body, "refused"],
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
    [
      "400 FAILED_PRECONDITION",
      400,
      error("FAILED_PRECONDITION", "User location is not supported"),
      "not_enabled",
    ],
    ["401", 401, error("UNAUTHENTICATED"), "auth"],
    ["403 PERMISSION_DENIED", 403, errorSamples.forbidden.gemini.body, "auth"],
    ["403 in HTML", 403, undefined, "refused"],
    [
      "403 of the key's scopes",
      403,
      error("PERMISSION_DENIED", "Request had insufficient authentication scopes."),
      "auth",
    ],
    [
      "403 of a file that the client named",
      403,
      error("PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."),
      "refused",
    ],
    ["402", 402, undefined, "quota_exhausted"],
    ["404 NOT_FOUND", 404, errorSamples.modelNotFound.gemini.body, "model_not_found"],
    ["404 in HTML", 404, undefined, "model_not_found"],
    [
      "404 of a cached content that the client named",
      404,
      error("NOT_FOUND", "CachedContent not found (or permission denied)"),
      "refused",
    ],
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
    [
      "429 prepaid credits",
      429,
      error("RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio."),
      "quota_exhausted",
    ],
    ["429 without a body", 429, undefined, "rate_limited"],
    ["499 CANCELLED", 499, error("CANCELLED"), "server_error"],
    ["500 INTERNAL", 500, errorSamples.serverError.gemini.body, "server_error_once"],
    ["502 in HTML", 502, undefined, "server_error"],
    ["503 UNAVAILABLE", 503, errorSamples.overloaded.gemini.body, "overloaded"],
    ["504 DEADLINE_EXCEEDED", 504, errorSamples.deadline.gemini.body, "server_error_once"],
    ["204", 204, undefined, "bad_response"],
    ["302", 302, undefined, "bad_response"],
    ["an envelope in an array", 429, [errorSamples.quotaExhausted.gemini.body], "quota_exhausted"],
    ["an error that is a text", 400, { error: "no" }, "refused"],
  ])("%s", (_name, status, body, kind) => {
    assert.strictEqual(classify(status, body).kind, kind)
  })

  it("reads how long to wait from RetryInfo before the header", () => {
    const body = error("RESOURCE_EXHAUSTED", "q", [violation("XPerMinute"), retryInfo])
    assert.strictEqual(classify(429, body, { retryAfter: "7" }).retryAfterMs, 22_000)
    assert.strictEqual(classify(429, undefined, { retryAfter: "7" }).retryAfterMs, 7000)
    assert.isUndefined(classify(429).retryAfterMs)
  })

  it("tells a quota of one model from what concerns the whole account", () => {
    assert.isTrue(classify(429, errorSamples.quotaExhausted.gemini.body).modelOnly)
    for (const [status, body] of [
      [429, error("RESOURCE_EXHAUSTED", "q", [violation("GenerateRequestsPerDayPerProject")])],
      [429, error("RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.")],
      [402, undefined],
    ] as const) {
      const { kind, modelOnly } = classify(status, body)
      assert.deepStrictEqual([kind, modelOnly], ["quota_exhausted", undefined])
    }
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
