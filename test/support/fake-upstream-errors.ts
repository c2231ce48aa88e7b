/**
 * What the providers answer when something is wrong, as their documentation and recorded samples show it.
 * One name per trouble, so that a test says what happened and not in whose words.
 */
export interface ErrorSample {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const openai = (
  status: number,
  type: string,
  code: string | null,
  message: string,
  param: string | null = null,
) => ({
  status,
  body: { error: { message, type, param, code } },
})

const google = (status: number, name: string, message: string, details: ReadonlyArray<unknown> = []) => ({
  status,
  body: { error: { code: status, message, status: name, ...(details.length > 0 && { details }) } },
})

const claude = (status: number, type: string, message: string) => ({
  status,
  body: { type: "error", error: { type, message }, request_id: "req_fake" },
})

const rpc = (type: string, fields: object) => ({
  "@type": `type.googleapis.com/google.rpc.${type}`,
  ...fields,
})

const quotaFailure = (quotaId: string) =>
  rpc("QuotaFailure", {
    violations: [
      {
        quotaMetric: "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        quotaId,
        quotaDimensions: { location: "global", model: "gemini-2.5-flash" },
        quotaValue: "20",
      },
    ],
  })

export const errorSamples = {
  badRequest: {
    openai: openai(
      400,
      "invalid_request_error",
      "decimal_above_max_value",
      "Invalid 'temperature': must be at most 2.",
      "temperature",
    ),
    gemini: google(400, "INVALID_ARGUMENT", "Invalid value at 'generation_config.temperature'.", [
      rpc("BadRequest", {
        fieldViolations: [{ field: "generation_config.temperature", description: "Invalid" }],
      }),
    ]),
    anthropic: claude(
      400,
      "invalid_request_error",
      "max_tokens: 200000 > 64000, which is the maximum allowed number of output tokens for this model.",
    ),
  },
  contextTooLong: {
    openai: openai(
      400,
      "invalid_request_error",
      "context_length_exceeded",
      "This model's maximum context length is 128000 tokens.",
      "messages",
    ),
    gemini: google(
      400,
      "INVALID_ARGUMENT",
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    anthropic: claude(400, "invalid_request_error", "prompt is too long: 218849 tokens > 200000 maximum"),
  },
  contentFilter: {
    openai: openai(
      400,
      "invalid_request_error",
      "content_policy_violation",
      "Rejected by our safety system.",
    ),
    gemini: {
      status: 200,
      body: {
        promptFeedback: { blockReason: "SAFETY", safetyRatings: [] },
        usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 },
        modelVersion: "gemini-2.5-flash",
      },
    },
    anthropic: claude(400, "invalid_request_error", "Output blocked by content filtering policy"),
  },
  badKey: {
    openai: openai(
      401,
      "invalid_request_error",
      "invalid_api_key",
      "Incorrect API key provided: sk-up***eam.",
    ),
    gemini: google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
      rpc("ErrorInfo", { reason: "API_KEY_INVALID", domain: "googleapis.com" }),
    ]),
    anthropic: claude(401, "authentication_error", "invalid x-api-key"),
  },
  forbidden: {
    openai: openai(403, "request_forbidden", "unsupported_country_region_territory", "Country not supported"),
    gemini: google(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
    anthropic: claude(
      403,
      "permission_error",
      "Your API key does not have permission to use the specified resource.",
    ),
  },
  modelNotFound: {
    openai: openai(404, "invalid_request_error", "model_not_found", "The model `x` does not exist"),
    gemini: google(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
    anthropic: claude(404, "not_found_error", "model: claude-x"),
  },
  rateLimited: {
    openai: {
      ...openai(429, "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
      headers: { "retry-after": "7", "retry-after-ms": "6500" },
    },
    gemini: google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [
      quotaFailure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
      rpc("RetryInfo", { retryDelay: "22s" }),
    ]),
    anthropic: {
      ...claude(429, "rate_limit_error", "This request would exceed the rate limit for your organization."),
      headers: { "retry-after": "7" },
    },
  },
  quotaExhausted: {
    openai: openai(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    gemini: google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [
      quotaFailure("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
      rpc("RetryInfo", { retryDelay: "22s" }),
    ]),
    anthropic: claude(
      400,
      "invalid_request_error",
      "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    ),
  },
  serverError: {
    openai: openai(500, "server_error", null, "The server had an error while processing your request."),
    gemini: google(500, "INTERNAL", "An internal error has occurred."),
    anthropic: claude(500, "api_error", "Internal server error"),
  },
  overloaded: {
    openai: openai(503, "service_unavailable_error", "server_is_overloaded", "That model is overloaded."),
    gemini: google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    anthropic: claude(529, "overloaded_error", "Overloaded"),
  },
  deadline: {
    openai: openai(504, "server_error", null, "Gateway timeout"),
    gemini: google(504, "DEADLINE_EXCEEDED", "The request timed out."),
    anthropic: claude(504, "timeout_error", "Request timed out"),
  },
} as const satisfies Record<
  string,
  { readonly openai: ErrorSample; readonly gemini: ErrorSample; readonly anthropic: ErrorSample }
>

export type Trouble = keyof typeof errorSamples
