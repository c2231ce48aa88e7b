import { assert, describe, it } from "@effect/vitest"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"
import { protocol } from "./lowering.ts"

const none = { retryAfter: undefined, retryAfterMs: undefined }
const classify = (status: number, body?: unknown, headers: { retryAfter?: string } = {}) =>
  protocol.classify({ status, body, headers: { ...none, ...headers } }, 0)

const error = (type: string, message: string) => ({ type: "error", error: { type, message } })
const invalid = (message: string) => error("invalid_request_error", message)

describe("error classification", () => {
  it.each<[kind: ProviderErrorKind, status: number, body: unknown]>([
    // https://platform.claude.com/docs/en/api/errors
    ["refused", 400, errorSamples.badRequest.anthropic.body],
    ["auth", 401, errorSamples.badKey.anthropic.body],
    ["quota_exhausted", 402, error("billing_error", "There is an issue with your billing.")],
    ["auth", 403, errorSamples.forbidden.anthropic.body],
    ["refused", 403, "not even JSON"],
    ["refused", 403, undefined],
    ["refused", 403, error("permission_error", "You do not have access to this file.")],
    ["refused", 429, error("rate_limit_error", "Extra usage is required for long context requests.")],
    ["quota_exhausted", 400, invalid("You're out of extra usage. Add more at claude.ai/settings/usage")],
    ["quota_exhausted", 400, invalid("This workspace has reached its monthly spend limit.")],
    ["model_not_found", 404, errorSamples.modelNotFound.anthropic.body],
    ["model_not_found", 404, undefined],
    ["refused", 404, error("not_found_error", "File not found: file_01")],
    ["request_conflict", 409, undefined],
    ["refused", 413, error("request_too_large", "Request exceeds the maximum allowed number of bytes.")],
    ["rate_limited", 429, errorSamples.rateLimited.anthropic.body],
    ["server_error", 500, errorSamples.serverError.anthropic.body],
    ["server_error_once", 504, errorSamples.deadline.anthropic.body],
    ["overloaded", 529, errorSamples.overloaded.anthropic.body],
    ["overloaded", 529, undefined],
    ["bad_response", 302, undefined],
    // What stands behind a 400.
    ["quota_exhausted", 400, errorSamples.quotaExhausted.anthropic.body],
    [
      "quota_exhausted",
      400,
      invalid("You have reached your specified API usage limits. You will regain access on 2026-12-01."),
    ],
    ["not_enabled", 400, invalid("This organization has been disabled.")],
    ["context_length_exceeded", 400, errorSamples.contextTooLong.anthropic.body],
    [
      "context_length_exceeded",
      400,
      invalid(
        "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease input length or `max_tokens` and try again",
      ),
    ],
    ["content_filter", 400, errorSamples.contentFilter.anthropic.body],
    ["unsupported", 400, invalid('tool_choice: type "tool" and "any" are not supported for this model.')],
    [
      "unsupported",
      400,
      invalid('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'),
    ],
    ["unsupported", 400, invalid("`temperature` is deprecated for this model.")],
    [
      "unsupported",
      400,
      invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ],
    [
      "unsupported",
      400,
      invalid(
        "This model does not support assistant message prefill. The conversation must end with a user message.",
      ),
    ],
    ["unsupported", 400, invalid("messages.0.foo: Extra inputs are not permitted")],
    // Thoughts that are not (any more) what Claude had.
    ["needs_rewording", 400, invalid("messages.1.content.0: Invalid `signature` in `thinking` block")],
    ["needs_rewording", 400, invalid("messages.1.content.1: Invalid `data` in `redacted_thinking` block")],
    [
      "needs_rewording",
      400,
      invalid(
        "messages.3.content.8: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response.",
      ),
    ],
    [
      "needs_rewording",
      400,
      invalid(
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
      ),
    ],
    [
      "refused",
      400,
      invalid("messages.0.content.0.text: the user wrote of an Invalid `signature` in `thinking` block"),
    ],
    // Bedrock, which does not say which.
    ["needs_rewording", 400, invalid("invalid beta flag")],
    ["refused", 400, invalid("messages.0: the user wrote of an invalid beta flag")],
    // Other vendors that speak it: DeepSeek in OpenAI's envelope, Kimi.
    [
      "needs_rewording",
      400,
      {
        error: {
          message: "The `content[].thinking` in the thinking mode must be passed back to the API.",
          type: "invalid_request_error",
          param: null,
          code: "invalid_request_error",
        },
      },
    ],
    [
      "needs_rewording",
      400,
      invalid(
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
      ),
    ],
    [
      "model_not_found",
      404,
      error("not_found_error", "Not found the model no-such-model or Permission denied"),
    ],
    ["auth", 403, { Message: "Authentication failed: Please make sure your API Key is valid." }],
    ["refused", 403, error("invalid_request_error", "Of the request.")],
  ])("%s: %d %j", (kind, status, body) => {
    assert.strictEqual(classify(status, body).kind, kind)
  })

  it.each([
    ["`temperature` is deprecated for this model.", "temperature"],
    ["temperature is deprecated for this model.", "temperature"],
    ["This model does not support the effort parameter.", "output_config.effort"],
    ['tool_choice: type "tool" and "any" are not supported for this model.', "tool_choice"],
    ["messages.0.foo: Extra inputs are not permitted", "messages.0.foo"],
    // It is about both.
    ["`temperature` and `top_p` cannot both be specified for this model. Please use only one.", null],
    ["The user wrote: `top_p` is deprecated for this model.", null],
  ])("reads the field of %s", (message, param) => {
    assert.strictEqual(classify(400, invalid(message)).param, param)
  })

  it("names the field, and waits as long as it is told", () => {
    const fault = classify(400, errorSamples.badRequest.anthropic.body)
    assert.strictEqual(fault.param, "max_tokens")
    assert.include(fault.message, "64000")
    assert.strictEqual(
      classify(429, errorSamples.rateLimited.anthropic.body, { retryAfter: "7" }).retryAfterMs,
      7000,
    )
  })

  it("says nothing of what concerns the key or the account", () => {
    const { anthropic } = errorSamples.badKey
    assert.deepStrictEqual(classify(401, anthropic.body), {
      kind: "auth",
      retryAfterMs: undefined,
      detail: undefined,
    })
    assert.isUndefined(classify(400, errorSamples.quotaExhausted.anthropic.body).message)
  })
})
