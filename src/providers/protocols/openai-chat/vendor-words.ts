import type { ProviderErrorKind } from "../../../domain/ProviderError.ts"
import type { Said } from "./said.ts"

/**
 * Codes and sentences by which vendors that speak OpenAI's protocol say who has to act, as public reports show them. A
 * sentence counts only from its beginning: in the middle of another one it may be the client's own, quoted.
 */
interface Row {
  readonly kind: ProviderErrorKind
  /** Codes, or types. */
  readonly words?: ReadonlyArray<string>
  readonly says?: RegExp
  /** The only status with which it counts. */
  readonly at?: number
  /** Where a sentence of this status means something else. */
  readonly unless?: number
}

/** Rows that decide whatever the status is, the first that fits. */
const decisive: ReadonlyArray<Row> = [
  {
    // OpenAI, Azure, Moonshot, Alibaba, Zhipu, image models.
    kind: "content_filter",
    words: [
      ...[
        "content_policy_violation",
        "content_filter",
        "ResponsibleAIPolicyViolation",
        "content_filter_error",
      ],
      ...["data_inspection_failed", "DataInspectionFailed", "moderation_blocked", "1301"],
      ...["bio_policy", "cyber_policy", "misalignment_policy_violation", "image_content_policy_violation"],
    ],
    // xAI by 403, Alibaba, DeepSeek, Anthropic; OpenAI by a code that OpenRouter's Responses have for whatever is wrong.
    says: /^(<\d+> InternalError\.Algo\.\w+: )?(invalid prompt: your prompt was flagged|content violates usage guidelines|(input|output)( text)? data may contain inappropriate content|content exists risk|output blocked by content filtering)/i,
  },
  // llama.cpp by 500, of what a request has.
  {
    kind: "refused",
    says: /^(\s*-+\s*while executing \w+ at line|conversation roles must alternate|tools param requires --jinja|unsupported param: )/i,
  },
  // OpenRouter of an account that would do for a shorter answer.
  { kind: "refused", says: /^.{0,200}\bfewer max_tokens/i, unless: 400 },
  // Flex: OpenAI by 429 (https://developers.openai.com/api/docs/guides/flex-processing), Groq by 498.
  { kind: "tier_unavailable", words: ["resource_unavailable"], says: /^resource unavailable\b/i, at: 429 },
  {
    kind: "quota_exhausted",
    words: [
      ...["insufficient_quota", "credit_balance_exhausted", "organization_usage_limit_exceeded"],
      ...["billing_hard_limit_reached", "billing_not_active", "insufficient_balance", "insufficient_credits"],
      "exceeded_current_quota_error", // Moonshot
      ...["Arrearage", "AccountOverdueError"], // Alibaba, Volcengine
      ...["insufficient_user_quota", "pre_consume_token_quota_failed"], // New API
      ...["1113", "1310"], // Zhipu
      ...["NOT_ENOUGH_BALANCE", "30001"], // Novita, SiliconFlow
      ...["organization_spend_limit_exceeded", "project_spend_limit_exceeded", "user_spend_limit_exceeded"],
    ],
    // Anthropic by 400, xAI by 403 and 429, DeepSeek, OpenRouter, OpenAI, MiniMax by 500, Fireworks by 412, Zhipu by 429.
    says: /^(your credit balance is too low|insufficient (account )?(balance|credits?|funds)|billing hard limit|your account is not active|you have run out of credits|your (newly created )?team (\S+ )?(doesn't have any credits|has either used all)|you have (reached|exceeded) your (specified |monthly |api )*(usage|spend(ing)?) limit|(api )?key (budget )?limit exceeded|account \S+ is suspended|weekly\/monthly limit exhausted)/i,
  },
  // In a 429 a quota may be a minute's.
  { kind: "quota_exhausted", says: /^you exceeded your current quota/i, unless: 429 },
  {
    // What a prompt is too long for; llama.cpp by 500.
    kind: "context_length_exceeded",
    words: ["context_length_exceeded", "exceed_context_size_error", "1261"],
    // More tokens than a minute's limit are a 429 (OpenAI) or 413 (Groq), but never fit, however long one waits.
    says: /maximum context (length|window)|exceeds? the (available )?context (length|window|size)|^request too large for .*\blimit:? \d+, requested:? \d|^(the )?prompt is too long|^context size has been exceeded|maximum prompt length is|^prompt exceeds max length|exceeded model token limit|^(<\d+> InternalError\.Algo\.\w+: )?range of input length should be|^input validation error: .inputs. tokens \+ .max_new_tokens. must be|^input length and .max_tokens. exceed context limit|^the (input|(decoder|engine) prompt)\b.{0,40} (is longer than|exceeds) the (model's context length|maximum model length|max_model_len)|^trying to keep the first \d+ tokens when context|^too many tokens: |^input is too long for requested model/i,
  },
  // Before the next: OpenAI says of streams alone that an organization must be verified for them.
  { kind: "unsupported", words: ["unsupported_parameter", "unsupported_value", "unknown_parameter"] },
  {
    kind: "not_enabled",
    words: [
      ...["unsupported_country_region_territory", "account_deactivated", "organization_deactivated"],
      ...["organization_not_verified", "ModelNotOpen", "AccessDenied.Unpurchased"],
    ],
    // OpenAI, Anthropic.
    says: /^(user location is not supported|country, region, or territory not supported|your organization must be verified|this organization has been disabled|project \S+ does not have access to model)/i,
  },
  {
    kind: "auth",
    words: ["invalid_api_key"],
    says: /^(incorrect api key provided|api key not valid|invalid api[- _]key)/i,
  },
  {
    kind: "model_not_found",
    words: [
      ...["unknown_model", "model_not_available", "model_not_supported", "20012"],
      ...["model_not_found", "model_decommissioned", "invalid_model", "DeploymentNotFound", "ModelNotFound"],
      "InvalidEndpointOrModel.NotFound", // Volcengine
    ],
    // Groq, DeepSeek, OpenRouter, NVIDIA.
    says: /^((the )?(requested )?model [`'"]?[^\s`'"]+[`'"]? (has been (decommissioned|deprecated)|does not exist|(is|was) not found)|model not exist|invalid model\b|\S+ is not a valid model id|function '\S+': not found for account)/i,
  },
  // Of an MCP server, which the client named itself.
  { kind: "refused", words: ["external_connector_error"] },
  // The model's own call or JSON was bad, of which Groq tells by 400.
  { kind: "no_answer", words: ["tool_use_failed", "json_validate_failed"] },
  { kind: "overloaded", words: ["server_is_overloaded", "slow_down"], says: /^.{0,80}\bDEGRADED function\b/ },
]

/** Rows that describe what is wrong with a request, when its status says no more than that something is. */
const descriptive: ReadonlyArray<Row> = [
  {
    // OpenAI, Mistral and what is made with pydantic, Groq, Anthropic, llama.cpp, vLLM.
    kind: "unsupported",
    says: /\b(is|are) not (yet )?supported\b|\b(does|do)(n't| not) support\b|^unsupported (parameter|value|field)|^unrecognized request argument|^unknown (parameter|field|name)|\bextra inputs are not permitted|\bproperty '[^']+' is unsupported/i,
  },
  {
    // OpenAI's codes of a value that makes no sense to anybody. Its bounds of lengths and of output are its own.
    kind: "bad_request",
    words: [
      ...[
        "invalid_type",
        "missing_required_parameter",
        "decimal_above_max_value",
        "decimal_below_min_value",
        "integer_below_min_value",
      ],
      ...["string_below_min_length", "array_below_min_length", "object_below_min_properties"],
    ],
  },
]

const finder = (rows: ReadonlyArray<Row>) => {
  const known = rows.map((row) => ({ ...row, words: new Set(row.words) }))
  return (status: number, { code, innerCode, sentence, type }: Said): ProviderErrorKind | undefined =>
    known.find(
      ({ at, says, unless, words }) =>
        (at === undefined || at === status) &&
        ([code, type, innerCode].some((word) => word !== undefined && words.has(word)) ||
          (says !== undefined && sentence !== undefined && status !== unless && says.test(sentence))),
    )?.kind
}

export const decided = finder(decisive)
export const described = finder(descriptive)
