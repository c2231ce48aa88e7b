/**
 * What the two providers answer when something is wrong, as their documentation and recorded samples show it.
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
  },
  forbidden: {
    openai: openai(403, "request_forbidden", "unsupported_country_region_territory", "Country not supported"),
    gemini: google(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
  },
  modelNotFound: {
    openai: openai(404, "invalid_request_error", "model_not_found", "The model `x` does not exist"),
    gemini: google(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
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
  },
  quotaExhausted: {
    openai: openai(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    gemini: google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [
      quotaFailure("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
      rpc("RetryInfo", { retryDelay: "22s" }),
    ]),
  },
  serverError: {
    openai: openai(500, "server_error", null, "The server had an error while processing your request."),
    gemini: google(500, "INTERNAL", "An internal error has occurred."),
  },
  overloaded: {
    openai: openai(503, "service_unavailable_error", "server_is_overloaded", "That model is overloaded."),
    gemini: google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
  },
  deadline: {
    openai: openai(504, "server_error", null, "Gateway timeout"),
    gemini: google(504, "DEADLINE_EXCEEDED", "The request timed out."),
  },
} as const satisfies Record<string, { readonly openai: ErrorSample; readonly gemini: ErrorSample }>

export type Trouble = keyof typeof errorSamples
