/**
 * Codes and sentences by which vendors that speak OpenAI's protocol say who has to act, as public reports show them. A
 * sentence counts only from its beginning: in the middle of another one it may be the client's own, quoted.
 */

type Word = string | undefined

const oneOf = (...words: ReadonlyArray<string>) => {
  const known = new Set(words)
  return (word: Word): boolean => word !== undefined && known.has(word)
}

const begins =
  (pattern: RegExp) =>
  (message: Word): boolean =>
    message !== undefined && pattern.test(message)

/** OpenAI, Azure, Moonshot, Alibaba, image models. */
export const isContentFilter = oneOf(
  "content_policy_violation",
  "content_filter",
  "ResponsibleAIPolicyViolation",
  "content_filter_error",
  "data_inspection_failed",
  "DataInspectionFailed",
  "moderation_blocked",
)

/** xAI by 403, Alibaba, DeepSeek. */
export const refusesContent = begins(
  /^(content violates usage guidelines|(input|output)( text)? data may contain inappropriate content|content exists risk)/i,
)

const isExhausted = oneOf(
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_usage_limit_exceeded",
  "billing_hard_limit_reached",
  "billing_not_active",
  "insufficient_balance",
  "insufficient_credits",
  "exceeded_current_quota_error", // Moonshot
)

export const isQuota = (word: Word): boolean =>
  isExhausted(word) || word?.endsWith("_spend_limit_exceeded") === true

/** Anthropic by 400, xAI by 403 and 429, DeepSeek, OpenRouter, OpenAI. */
const noMoney = begins(
  /^(your credit balance is too low|insufficient (account )?(balance|credits?|funds)|billing hard limit|your account is not active|you have run out of credits|your (newly created )?team (\S+ )?(doesn't have any credits|has either used all)|you have (reached|exceeded) your (specified |monthly |api )*(usage|spend(ing)?) limit)/i,
)

/** In a 429 a quota may be a minute's. */
export const saysNoMoney = (status: number, message: Word): boolean =>
  noMoney(message) || (status !== 429 && begins(/^you exceeded your current quota/i)(message))

export const isNotEnabled = oneOf(
  "unsupported_country_region_territory",
  "account_deactivated",
  "organization_deactivated",
  "organization_not_verified",
)

/** OpenAI, Anthropic. */
export const saysNotEnabled = begins(
  /^(country, region, or territory not supported|your organization must be verified|this organization has been disabled|project \S+ does not have access to model)/i,
)

export const isUnsupported = oneOf("unsupported_parameter", "unsupported_value", "unknown_parameter")

/** OpenAI, Mistral and what is made with pydantic, Groq, Anthropic, llama.cpp, vLLM. */
export const saysUnsupported = (message: Word): boolean =>
  message !== undefined &&
  /\b(is|are) not (yet )?supported\b|\b(does|do)(n't| not) support\b|^unsupported (parameter|value|field)|^unrecognized request argument|^unknown (parameter|field|name)|\bextra inputs are not permitted|\bproperty '[^']+' is unsupported/i.test(
    message,
  )

/** OpenAI's codes of what is wrong with a value as such. */
export const isInvalid = (code: Word): boolean =>
  code !== undefined &&
  /^(invalid_type|missing_required_parameter|empty_(array|string)|(decimal|integer|string|array|object)_(above|below)_(max|min)_(value|length|properties))$/.test(
    code,
  )

/** Finds the field that a sentence is about, where the error does not name one: `Unsupported parameter: 'x'`. */
export const fieldNamedIn = (message: Word): Word =>
  message === undefined
    ? undefined
    : (/^(?:un(?:supported|known|recognized) (?:parameter|value|field|name|request argument)(?: supplied)?:? ['"`]?)([\w.[\]]{1,100})/i.exec(
        message,
      )?.[1] ?? /^([a-z_][\w.]{0,99}): extra inputs are not permitted/i.exec(message)?.[1])
