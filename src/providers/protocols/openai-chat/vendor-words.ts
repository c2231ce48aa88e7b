import { dispositions, type ProviderErrorKind } from "../../../domain/ProviderError.ts"
import { ABOUT_MONEY } from "../money.ts"
import { isOfValue, sentences } from "../sentences.ts"
import type { Said } from "./said.ts"

/**
 * Codes and sentences by which vendors that speak OpenAI's protocol say who has to act, as public reports show them. A
 * sentence counts only from its beginning: in the middle of another one it may be the client's own, quoted.
 */
interface Row {
  readonly kind: ProviderErrorKind
  /** Codes, or types. */
  readonly words?: ReadonlyArray<string>
  /** The same where each vendor has a spelling of its own. */
  readonly named?: RegExp
  readonly says?: RegExp
  /** What `says` is narrowed to where nothing else backs it, for rows about the account: see `Sentences`. */
  readonly alone?: RegExp
  /** The only statuses with which it counts. */
  readonly at?: ReadonlyArray<number>
  /** Where a sentence of this status means something else. */
  readonly unless?: number
}

/** What a client names in a request, and may not use: that is no matter of the gateway's key. */
const THINGS =
  // Also before an underscore, as in `file_01`.
  "(files?|images?|documents?|containers?|vector[ _]stores?|threads?|conversations?|responses?|attachments?|urls?|cached ?contents?|skills?|voices?|(mcp )?connectors?|mcp servers?|prompts?|assistants?|batch(es)?|knowledge bases?|collections?|datasets?)(?![a-z])"

/** Alibaba's code of a model whose free tier is used up, where its owner does not want to pay. */
export const FREE_TIER_ONLY = "AllocationQuota.FreeTierOnly"

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
      // New API; guards in front of others.
      ...["sensitive_words_detected", "prompt_blocked", "content_blocked", "guardrail_violation"],
    ],
    // xAI by 403, Alibaba, DeepSeek, Anthropic; OpenAI by a code that OpenRouter's Responses have for whatever is wrong.
    says: /^(<\d+> InternalError\.Algo\.\w+: )?(invalid prompt: your prompt was flagged|content violates usage guidelines|(input|output)( text)? data may contain inappropriate content|content exists risk)/i,
  },
  {
    // Anthropic, Google behind others (New API: "blocked: prompt: BlockedReasonProhibitedContent"), guards.
    kind: "content_filter",
    says: /^((the |your |this )?(request|prompt|input|output|response|content|message|image|candidate|generation|completion) )?(is |was |has been )?((blocked|rejected|refused|forbidden|denied|flagged|filtered|stopped) (by|due to|because of) (the |our |its |a )?([\w-]+ )?((content|safety|moderation|usage)[ _-]?(filter\w*|polic\w+|system|management)\b|moderation\b|guardrails?\b|PROHIBITED_CONTENT\b|BLOCKLIST\b|SAFETY\b|RECITATION\b|SPII\b)|blocked: (prompt|candidate): )/i,
  },
  // llama.cpp by 500, of what a request has.
  {
    kind: "refused",
    says: /^(\s*-+\s*while executing \w+ at line|conversation roles must alternate|tools param requires --jinja|unsupported param: )/i,
  },
  // OpenRouter of an account that can afford nothing.
  {
    kind: "quota_exhausted",
    says: /^this request requires more credits, or fewer max_tokens\b.*\bcan only afford (-\d+|0)\b/i,
    unless: 400,
  },
  // OpenRouter of an account that would do for a shorter answer or prompt; Anthropic of one that would for a prompt of 200k.
  {
    kind: "refused",
    says: /^(this request requires more credits, or fewer max_tokens|(prompt tokens|max_tokens) limit exceeded: \d+ > \d+|extra usage is required for long context)/i,
    unless: 400,
  },
  // Flex: OpenAI by 429 (https://developers.openai.com/api/docs/guides/flex-processing), Groq by 498.
  { kind: "tier_unavailable", words: ["resource_unavailable"], says: /^resource unavailable\b/i, at: [429] },
  // Before the limits that are of money.
  {
    kind: "rate_limited",
    at: [403, 429],
    says: /^[\w' -]{0,40}\blimit\b.{0,80}(\bper (second|minute|hour)\b|\/ ?(s|sec|second|min|minute|h|hour)\b|\b[rtq]p[sm]\b)/i,
  },
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
      "budget_exceeded", // LiteLLM
      FREE_TIER_ONLY,
    ],
    ...ABOUT_MONEY,
  },
  // In a 429 a quota may be a minute's.
  { kind: "quota_exhausted", says: /^you exceeded your current quota/i, unless: 429 },
  {
    // What a prompt is too long for; llama.cpp by 500.
    kind: "context_length_exceeded",
    words: ["context_length_exceeded", "exceed_context_size_error", "1261"],
    // More tokens than a minute's limit are a 429 (OpenAI) or 413 (Groq), but never fit, however long one waits.
    says: /maximum context (length|window)|exceeds? the (available )?context (length|window|size)|^request too large for .*\blimit:? \d+, requested:? \d|^(the )?prompt is too long|^context size has been exceeded|maximum prompt length is|^prompt exceeds max length|exceeded model token limit|^(<\d+> InternalError\.Algo\.\w+: )?range of input length should be|^input validation error: '' tokens \+ '' must be|^input length and '' exceed context limit|^the (input|(decoder|engine) prompt)\b.{0,40} (is longer than|exceeds) the (model's context length|maximum model length|max_model_len)|^trying to keep the first \d+ tokens when context|^too many tokens: |^input is too long for requested model/i,
  },
  // Before the next: OpenAI says of streams alone that an organization must be verified for them.
  { kind: "unsupported", words: ["unsupported_parameter", "unsupported_value", "unknown_parameter"] },
  {
    kind: "not_enabled",
    words: [
      ...["unsupported_country_region_territory", "account_deactivated", "organization_deactivated"],
      ...["organization_not_verified", "ModelNotOpen", "AccessDenied.Unpurchased"],
      // Groq.
      ...["model_permission_blocked_project", "model_permission_blocked_org"],
      ...["organization_restricted", "model_terms_required"],
    ],
    // OpenAI, Anthropic.
    ...sentences(
      String.raw`(user location is not supported|country, region, or territory not supported|your organization must be verified|this organization has been disabled|project \S+ does not have access to model( '')?)`,
    ),
  },
  {
    kind: "auth",
    words: ["invalid_api_key"],
    ...sentences(
      String.raw`(incorrect api key provided|api key (not valid|expired)|invalid api[- _]key( provided)?)(: (\S*\*\S*|''))?`,
    ),
  },
  {
    kind: "model_not_found",
    words: [
      ...["unknown_model", "model_not_available", "model_not_supported", "20012"],
      ...["model_not_found", "model_decommissioned", "invalid_model", "DeploymentNotFound", "ModelNotFound"],
      "InvalidEndpointOrModel.NotFound", // Volcengine
    ],
    // Groq, DeepSeek, OpenRouter, NVIDIA.
    says: /^((the )?(requested )?model \S+ (has been (decommissioned|deprecated)|does not exist|(is|was) not found)|model not exist|invalid model\b|\S+ is not a valid model id|function '': not found for account)/i,
  },
  // Of an MCP server, which the client named itself.
  { kind: "refused", words: ["external_connector_error"] },
  // The model's own call or JSON was bad, of which Groq tells by 400.
  { kind: "no_answer", words: ["tool_use_failed", "json_validate_failed"] },
  {
    kind: "overloaded",
    words: ["server_is_overloaded", "slow_down"],
    says: /^function id '': DEGRADED function\b/i,
  },
  // Anthropic's, of the whole key, which reads like one request's.
  { kind: "auth", at: [403], says: /^request not allowed\W*$/i },
  // What a 403 may be about besides the key, before what it says of that. Google says of a key's scopes that the request lacks them.
  {
    kind: "refused",
    at: [403],
    says: new RegExp(
      String.raw`^((the |your |this )?(request|prompt|input|content|message|conversation)\b(?!.{0,40}\b(authenticat|authori[sz]))|[^:]{0,80}\b(access|permissions?|not (authori[sz]ed|allowed))\b.{0,30}\b${THINGS}|${THINGS})`,
      "i",
    ),
  },
  {
    kind: "not_enabled",
    at: [403],
    words: ["no_access", "key_model_access_denied", "team_model_access_denied"], // The last of LiteLLM.
    // Also New API ("该令牌无权访问模型"), TrueFoundry, OpenAI, Bedrock.
    says: /^(no access to (the )?model\b|you are not allowed to sample from this model|model access is denied\b|(the )?(api )?(key|team|user|organi[sz]ation|project|account)( \S+)? (is )?not (allowed|authori[sz]ed) to (access|call|use) (the )?model|(您|该|此|当前)?的?(令牌|密钥|账户|账号|用户)?(无权|没有权限)(访问|使用)(该)?模型)/i,
  },
  {
    kind: "auth",
    at: [403],
    words: ["AuthenticationTypeDisabled"], // Azure
    named:
      /^(\w+[_.])?(permissions?|access_?denied|unauthori[sz]ed|not_?authori[sz]ed|authori[sz]ation|authentication|insufficient_permissions?)(_?denied)?(_?(error|exception))?$/i,
    // AWS, NVIDIA, Anthropic, OpenAI, Google, Hugging Face, xAI.
    says: /^\W*(((insufficient|missing|invalid|no) )?(permissions?|api[ _-]?key)\b|(access (is )?denied|unauthori[sz]ed|not authori[sz]ed|(authori[sz]ation|authentication) (failed|required))\b|user:? \S+ is not authori[sz]ed to|((your|this|the) )?((current|own|given|provided|supplied|service|security|access) )?(api[ _-]?key|key|token(?! (limit|count|budget|usage))|credentials?|authentication method|account|organi[sz]ation|project|team|workspace|plan|subscription|caller|principal|ip address)\b.{0,60}\b(permissions?|access|(un)?authori[sz]ed|forbidden|not allowed|disabled|deactivated|suspended|restricted|blocked|revoked|expired|leaked|invalid|not (valid|active))\b|method doesn't allow unregistered callers|you (do not|don't|are not|aren't|have no|have insufficient|lack|need) .{0,40}\b(permissions?|authori[sz]ed|access)\b|(您|该|此|当前)?的?(令牌|密钥|账户|账号|用户)?(无权|没有权限))/i,
  },
]

/** Rows that describe what is wrong with a request, when its status says no more than that something is. */
const descriptive: ReadonlyArray<Row> = [
  {
    // OpenAI, Mistral and what is made with pydantic, Groq, Anthropic, llama.cpp, vLLM.
    kind: "unsupported",
    says: /\b(is|are) not (yet )?supported\b|\b(does|do)(n't| not) support\b|^unsupported (parameter|value|field)|^unrecognized request argument|^unknown (parameter|field|name)|\bextra inputs are not permitted|\bproperty '' is unsupported/i,
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

/** Recognizes a status, code or type that says of the account what a sentence says. */
const backs = (status: number, { code, type }: Said): boolean =>
  [401, 402, 403, 429].includes(status) ||
  /authenti|authori|permission|billing|quota|credit|balance|payment/i.test(`${code} ${type}`)

/** Tells whether a row's sentence is the vendor's own. Nothing that a client can write may trip a candidate. */
const fits = ({ alone, kind, says, unless }: Row, status: number, said: Said): boolean => {
  const { param, sentence } = said
  if (says === undefined || sentence === undefined || status === unless || !says.test(sentence)) return false
  const isBacked = backs(status, said)
  if (!isBacked && dispositions[kind].breaker !== "ignore" && isOfValue(sentence)) return false
  if (alone === undefined) return true
  return (!param || param === "model") && (isBacked || alone.test(sentence))
}

const finder = (rows: ReadonlyArray<Row>) => {
  const known = rows.map((row) => ({ row, words: new Set(row.words) }))
  return (status: number, said: Said): ProviderErrorKind | undefined =>
    known.find(
      ({ row, words }) =>
        (row.at === undefined || row.at.includes(status)) &&
        ([said.code, said.type, said.innerCode].some(
          (word) => word !== undefined && (words.has(word) || row.named?.test(word) === true),
        ) ||
          fits(row, status, said)),
    )?.row.kind
}

export const decided = finder(decisive)
export const described = finder(descriptive)

/**
 * Tells whether a 404 is about the model. Anything else that is missing (a file, a tool) the client named, and a client
 * must not be able to take the model from everybody. A wrong URL is the configuration's, and so like a wrong model.
 */
export const isModelMissing = ({
  code,
  param,
  sentence,
}: Pick<Said, "code" | "param" | "sentence">): boolean => {
  if (param) return param === "model"
  // xAI's code is a sentence.
  if (code && /^[\w.-]+$/.test(code) && !/^(\d+|not_?found)$/i.test(code)) {
    return /model|deployment/i.test(code)
  }
  return !sentence || MODEL_MISSING.test(sentence)
}

/** Matches sentences whose first noun is the model, of which a vendor has no more than a few words before, and those of a URL. */
const MODEL_MISSING =
  /^\W{0,3}((the|this|that|your|an?|api|publisher|requested|provided|specified|foundation|unknown|invalid|unsupported|no such|not found( the)?|(could not|cannot|failed to) (find|resolve)( the)?|unable to access) ){0,4}(models?\b|deployment\b)|^no endpoints (found|available) (for|matching)\b|^(404 )?((page|resource) )?not found[.!]?$|^requested entity was not found|^invalid url|^cannot post \//i
