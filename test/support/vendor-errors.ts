import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"

/** What vendors that speak OpenAI's protocol answer, from their documents and from public reports, and whom it concerns. */
interface VendorError {
  readonly name: string
  readonly status: number
  readonly body: unknown
  readonly kind: ProviderErrorKind
  /** What the client may read of it, when every candidate says so. */
  readonly says?: RegExp
  readonly param?: string
  /** What is used up is of this model alone. */
  readonly modelOnly?: true
}

const openai = (message: string, rest: object = {}) => ({
  error: { message, type: "invalid_request_error", param: null, code: null, ...rest },
})

const extra = (field: string) => ({
  type: "extra_forbidden",
  loc: ["body", field],
  msg: "Extra inputs are not permitted",
  input: null,
})

const uuid = "16f2151a-40f4-4a80-8ad0-cae00c27e8dd"

export const vendorErrors: ReadonlyArray<VendorError> = [
  {
    name: "Anthropic: no credit",
    status: 400,
    body: {
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
      },
    },
    kind: "quota_exhausted",
  },
  {
    name: "Anthropic: usage limit",
    status: 400,
    body: openai("You have reached your specified API usage limits. You will regain access on 2026-12-01."),
    kind: "quota_exhausted",
  },
  {
    name: "Anthropic: disabled organization",
    status: 403,
    body: openai("This organization has been disabled."),
    kind: "not_enabled",
  },
  {
    name: "xAI: no credits",
    status: 403,
    body: {
      code: "The caller does not have permission to execute the specified operation",
      error: `Your newly created team doesn't have any credits yet. You can purchase credits on https://console.x.ai/team/${uuid}.`,
    },
    kind: "quota_exhausted",
  },
  {
    name: "xAI: spent",
    status: 429,
    body: {
      error: `Your team ${uuid} has either used all available credits or reached its monthly spending limit.`,
    },
    kind: "quota_exhausted",
  },
  {
    name: "xAI: refused content",
    status: 403,
    body: {
      code: "The caller does not have permission to execute the specified operation",
      error: `Content violates usage guidelines. Team: ${uuid}, API key ID: 8e13b5a0-11f2, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO`,
    },
    kind: "content_filter",
    says: /^Content violates usage guidelines\. Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO$/,
  },
  {
    name: "Alibaba: refused content",
    status: 400,
    body: openai("Input data may contain inappropriate content.", { code: "data_inspection_failed" }),
    kind: "content_filter",
    says: /inappropriate/,
  },
  {
    name: "DeepSeek: no balance",
    status: 402,
    body: openai("Insufficient Balance"),
    kind: "quota_exhausted",
  },
  {
    name: "OpenRouter: not enough for so long an answer",
    status: 402,
    body: {
      error: {
        code: 402,
        message:
          "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 4000.",
      },
    },
    kind: "refused",
    says: /fewer max_tokens/,
  },
  {
    name: "OpenRouter: what the vendor behind it said",
    status: 400,
    body: {
      error: {
        code: 400,
        message: "Provider returned error",
        metadata: {
          provider_name: "x",
          raw: '{"error":{"message":"Unsupported parameter: \'seed\'","param":"seed","code":"unsupported_parameter"}}',
        },
      },
    },
    kind: "unsupported",
    says: /Unsupported parameter: 'seed'/,
    param: "seed",
  },
  {
    name: "OpenRouter: the same, as a text",
    status: 400,
    body: {
      error: { code: 400, message: "Provider returned error", metadata: { raw: "tools are off today" } },
    },
    kind: "refused",
    says: /tools are off/,
  },
  {
    name: "OpenAI: tools with a reasoning effort",
    status: 400,
    body: openai(
      "Function tools with reasoning_effort are not supported for gpt-6 in /v1/chat/completions. Please use /v1/responses instead.",
      { param: "reasoning_effort" },
    ),
    kind: "unsupported",
    says: /reasoning_effort/,
    param: "reasoning_effort",
  },
  {
    name: "OpenAI: a value of the model's own",
    status: 400,
    body: openai("Unsupported value: 'temperature' does not support 0.2 with this model.", {
      param: "temperature",
      code: "unsupported_value",
    }),
    kind: "unsupported",
    says: /temperature/,
    param: "temperature",
  },
  {
    name: "OpenAI: not verified, for streams",
    status: 400,
    body: openai("Your organization must be verified to stream this model. Please go to: https://platform", {
      param: "stream",
      code: "unsupported_value",
    }),
    kind: "unsupported",
    says: /operator/,
    param: "stream",
  },
  {
    name: "OpenAI: not verified",
    status: 403,
    body: openai("Your organization must be verified to use the model `gpt-6`."),
    kind: "not_enabled",
  },
  {
    name: "OpenAI: a model that the project may not use",
    status: 403,
    body: openai("Project `proj_x` does not have access to model `gpt-6`", { code: "model_not_found" }),
    kind: "not_enabled",
  },
  {
    name: "OpenAI: the billing limit",
    status: 400,
    body: openai("Billing hard limit has been reached", { code: "billing_hard_limit_reached" }),
    kind: "quota_exhausted",
  },
  {
    name: "OpenAI: a type that nobody takes",
    status: 400,
    body: openai("Invalid type for 'temperature': expected a decimal, but got a string instead.", {
      param: "temperature",
      code: "invalid_type",
    }),
    kind: "bad_request",
    says: /expected a decimal/,
    param: "temperature",
  },
  {
    name: "Mistral: an extra field",
    status: 422,
    body: {
      detail: [
        {
          type: "extra_forbidden",
          loc: ["body", "store"],
          msg: "Extra inputs are not permitted",
          input: true,
        },
      ],
    },
    kind: "unsupported",
    says: /store: Extra inputs are not permitted/,
    param: "store",
  },
  {
    name: "Groq: an extra field",
    status: 400,
    body: openai("property 'seed2' is unsupported"),
    kind: "unsupported",
    says: /seed2/,
  },
  {
    name: "FastAPI: a text",
    status: 400,
    body: { detail: "no tools today" },
    kind: "refused",
    says: /no tools today/,
  },
  {
    name: "somebody: a reason that nobody knows",
    status: 400,
    body: openai("Kaboom.", { code: "E-1047" }),
    kind: "refused",
    says: /Kaboom/,
  },
  {
    name: "somebody: a 403 of which nothing is known",
    status: 403,
    body: openai("the moon is full and sk-1234"),
    kind: "refused",
    says: /^The provider refused the request\.$/,
  },
  {
    // Cloudflare's, of a prompt that reads like an attack.
    name: "a firewall in front of a provider",
    status: 403,
    body: undefined,
    kind: "refused",
    says: /^The provider refused the request\.$/,
  },
  {
    name: "a client's words in a provider's",
    status: 400,
    body: openai(
      "Invalid value: 'Your credit balance is too low. Content violates usage guidelines.'. Supported values are: 'user'.",
      { param: "messages[0].role", code: "invalid_value" },
    ),
    kind: "refused",
    param: "messages[0].role",
  },
  {
    name: "Groq: a model that is gone",
    status: 400,
    body: openai("The model `m` has been decommissioned.", { code: "model_decommissioned" }),
    kind: "model_not_found",
  },
  {
    name: "NVIDIA: a function of another account",
    status: 404,
    body: { detail: "Function '23d4': Not found for account 'Qawmu'" },
    kind: "model_not_found",
  },
  {
    name: "NVIDIA: a function in trouble",
    status: 400,
    body: { detail: "Function id '23d4': DEGRADED function cannot be invoked" },
    kind: "overloaded",
  },
  {
    name: "NVIDIA: no authorization",
    status: 403,
    body: { title: "Forbidden", detail: "Authorization failed" },
    kind: "auth",
  },
  {
    name: "OpenRouter: a key's limit",
    status: 403,
    body: openai("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys"),
    kind: "quota_exhausted",
  },
  {
    name: "OpenRouter: no model",
    status: 400,
    body: openai("acme/m is not a valid model ID"),
    kind: "model_not_found",
  },
  {
    name: "Mistral: no model",
    status: 400,
    body: { object: "error", message: "Invalid model: m", type: "invalid_model", code: "1500" },
    kind: "model_not_found",
  },
  {
    name: "DeepSeek: no model",
    status: 400,
    body: openai("Model Not Exist"),
    kind: "model_not_found",
  },
  {
    name: "xAI: no model",
    status: 404,
    body: {
      code: "Some requested entity was not found",
      error: "The model m does not exist or your team 16f2 does not have access to it.",
    },
    kind: "model_not_found",
  },
  {
    name: "xAI: a wrong key",
    status: 400,
    body: { code: "Client specified an invalid argument", error: "Incorrect API key provided: xa***YA." },
    kind: "auth",
  },
  {
    name: "Google's compatible API: a wrong key",
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message: "API key not valid. Please pass a valid API key.",
          status: "INVALID_ARGUMENT",
        },
      },
    ],
    kind: "auth",
  },
  {
    name: "Alibaba: an unpaid account",
    status: 400,
    body: openai("Access denied, please make sure your account is in good standing.", { code: "Arrearage" }),
    kind: "quota_exhausted",
  },
  {
    name: "Fireworks: a suspended account",
    status: 412,
    body: {
      error: {
        message: "Account acme is suspended, possibly due to reaching the monthly spending limit",
        code: "PRECONDITION_FAILED",
      },
    },
    kind: "quota_exhausted",
  },
  {
    name: "New API: no quota",
    status: 403,
    body: { error: { message: "预扣费额度失败", type: "new_api_error", code: "insufficient_user_quota" } },
    kind: "quota_exhausted",
  },
  {
    name: "New API: no channel for the model",
    status: 503,
    body: {
      error: { message: "No available channel for model x", type: "new_api_error", code: "model_not_found" },
    },
    kind: "model_not_found",
  },
  {
    name: "MiniMax: no balance, by 500",
    status: 500,
    body: { error: { type: "api_error", message: "insufficient balance (1008)" } },
    kind: "quota_exhausted",
  },
  {
    name: "Zhipu: an unpaid account",
    status: 429,
    body: { error: { code: "1113", message: "您的账户已欠费，请充值后重试。" } },
    kind: "quota_exhausted",
  },
  {
    name: "Zhipu: a week's limit",
    status: 429,
    body: {
      error: { code: 1310, message: "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-12-01" },
    },
    kind: "quota_exhausted",
  },
  {
    name: "OpenAI: a flagged prompt",
    status: 400,
    body: openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", {
      code: "invalid_prompt",
    }),
    kind: "content_filter",
    says: /flagged as potentially violating/,
  },
  {
    name: "Anthropic: blocked output",
    status: 400,
    body: {
      type: "error",
      error: { type: "invalid_request_error", message: "Output blocked by content filtering policy" },
    },
    kind: "content_filter",
    says: /Output blocked/,
  },
  {
    name: "Alibaba: refused content, behind its own number",
    status: 400,
    body: openai(
      "<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content.",
    ),
    kind: "content_filter",
    says: /inappropriate content/,
  },
  ...[
    ["Anthropic", 400, openai("prompt is too long: 206640 tokens > 200000 maximum")],
    [
      "llama.cpp",
      400,
      openai("the request exceeds the available context size", {
        type: "exceed_context_size_error",
        n_ctx: 4096,
      }),
    ],
    ["llama.cpp by 500", 500, openai("Context size has been exceeded.", { type: "server_error", code: 500 })],
    ["Zhipu", 400, { error: { code: "1261", message: "Prompt exceeds max length" } }],
    [
      "xAI",
      400,
      {
        code: "x",
        error: "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
      },
    ],
    ["Moonshot", 400, openai("Your request exceeded model token limit: 262144")],
    [
      "Alibaba",
      400,
      openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"),
    ],
    ["watsonx", 400, { errors: [{ code: 5021, message: "The maximum context window is exceeded" }] }],
  ].map(
    ([who, status, body]): VendorError => ({
      name: `${who}: too long a prompt`,
      status: Number(status),
      body,
      kind: "context_length_exceeded",
      says: /./,
    }),
  ),
  {
    name: "Groq: a bad call by the model",
    status: 400,
    body: openai("Failed to call a function.", { code: "tool_use_failed", failed_generation: "<f>" }),
    kind: "no_answer",
  },
  {
    name: "Groq: no capacity for flex",
    status: 498,
    body: openai("Flex tier capacity exceeded", { code: "capacity_exceeded" }),
    kind: "tier_unavailable",
  },
  {
    name: "an aggregator: an upstream in trouble, by 403",
    status: 403,
    body: { error: { message: "Upstream request failed: Model is unavailable", type: "server_error" } },
    kind: "server_error",
  },
  {
    name: "OpenAI: an empty list that others take",
    status: 400,
    body: openai("Invalid 'messages[1].tool_calls': empty array.", {
      param: "messages[1].tool_calls",
      code: "empty_array",
    }),
    kind: "refused",
    says: /empty array/,
  },
  {
    name: "OpenAI: an id longer than its own",
    status: 400,
    body: openai("Invalid 'messages[1].tool_calls[0].id': string too long.", {
      code: "string_above_max_length",
    }),
    kind: "refused",
    says: /string too long/,
  },
  {
    name: "somebody: a 403 that quotes a prompt",
    status: 403,
    body: openai("Request blocked: the prompt mentions 'api key'"),
    kind: "refused",
    says: /^The provider refused the request\.$/,
  },
  ...["Invalid API key", "The model m does not exist", "Your credit balance is too low"].flatMap(
    (field): ReadonlyArray<VendorError> => [
      {
        name: `FastAPI: an extra field that is called ${field}`,
        status: 422,
        body: { detail: [{ loc: ["body", field], msg: "Extra inputs are not permitted" }] },
        kind: "unsupported",
        says: /not permitted|operator/,
      },
      {
        name: `Anthropic: an extra field that is called ${field}`,
        status: 400,
        body: openai(`${field}: Extra inputs are not permitted`),
        kind: "unsupported",
        says: /not permitted|operator/,
      },
    ],
  ),
  ...[
    ["Bedrock", 400, openai("input length and `max_tokens` exceed context limit: 199846 + 20000 > 200000")],
    [
      "SGLang",
      400,
      openai("The input (40000 tokens) is longer than the model's context length (32768 tokens)."),
    ],
    [
      "vLLM, of images",
      400,
      openai("The decoder prompt (length 10127) is longer than the maximum model length of 8192."),
    ],
    [
      "TGI",
      422,
      {
        error: "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 65537. Given: 70000",
        error_type: "validation",
      },
    ],
    [
      "LM Studio",
      400,
      {
        error:
          "Trying to keep the first 10237 tokens when context the overflows. However, the model is loaded with 4096.",
      },
    ],
    ["Cohere", 400, { message: "too many tokens: total number of tokens in the prompt cannot exceed 4081" }],
    ["AWS", 400, { message: "Input is too long for requested model." }],
  ].map(
    ([who, status, body]): VendorError => ({
      name: `${who}: more than fits`,
      status: Number(status),
      body,
      kind: "context_length_exceeded",
      says: /./,
    }),
  ),
  {
    name: "SiliconFlow: no balance",
    status: 403,
    body: { code: 30001, message: "Sorry, your account balance is insufficient" },
    kind: "quota_exhausted",
  },
  {
    name: "Novita: no balance",
    status: 403,
    body: { code: 403, reason: "NOT_ENOUGH_BALANCE", message: "not enough balance" },
    kind: "quota_exhausted",
  },
  {
    name: "Google's compatible API: a place where it is not",
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message: "User location is not supported for the API use.",
          status: "FAILED_PRECONDITION",
        },
      },
    ],
    kind: "not_enabled",
  },
  {
    name: "SiliconFlow: no model",
    status: 400,
    body: { code: 20012, message: "Model does not exist. Please check it carefully." },
    kind: "model_not_found",
  },
  {
    name: "Copilot: no model",
    status: 400,
    body: openai("The requested model is not supported.", { code: "model_not_supported", param: "model" }),
    kind: "model_not_found",
  },
  {
    name: "llama.cpp: tools that it was not started for, by 500",
    status: 500,
    body: { error: { code: 500, message: "tools param requires --jinja flag", type: "server_error" } },
    kind: "refused",
    says: /--jinja/,
  },
  {
    name: "llama.cpp: roles that its template does not take, by 500",
    status: 500,
    body: {
      error: {
        code: 500,
        message: "Conversation roles must alternate user/assistant/user/assistant",
        type: "server_error",
      },
    },
    kind: "refused",
    says: /alternate/,
  },
  {
    name: "OpenAI: the client's MCP server does not answer",
    status: 424,
    body: {
      error: {
        message: "Error retrieving tool list from MCP server: 'dice'. Http status code: 401 (Unauthorized)",
        type: "external_connector_error",
        param: "tools",
        code: "http_error",
      },
    },
    kind: "refused",
    says: /'dice'/,
    param: "tools",
  },
  {
    name: "TGI: a failure while it generated",
    status: 424,
    body: {
      error: "Request failed during generation: Server error: CUDA out of memory",
      error_type: "generation",
    },
    kind: "server_error",
  },
  {
    // https://developers.openai.com/api/docs/guides/flex-processing
    name: "OpenAI: no capacity for flex",
    status: 429,
    body: openai("Resource unavailable. Please try again later.", { code: "resource_unavailable" }),
    kind: "tier_unavailable",
  },
  {
    name: "Anthropic: a long context that the subscription does not have",
    status: 429,
    body: {
      type: "error",
      error: { type: "rate_limit_error", message: "Extra usage is required for long context requests." },
    },
    kind: "refused",
    says: /operator/,
  },
  {
    name: "OpenRouter: too long a prompt for the account",
    status: 402,
    body: {
      error: {
        code: 402,
        message:
          "Prompt tokens limit exceeded: 64128 > 6964. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account",
      },
    },
    kind: "refused",
    says: /^Prompt tokens limit exceeded: 64128 > 6964\.$/,
  },
  {
    name: "OpenRouter: an account that can afford nothing",
    status: 402,
    body: {
      error: {
        code: 402,
        message:
          "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 0. To increase, visit https://openrouter.ai/settings/keys",
      },
    },
    kind: "quota_exhausted",
  },
  ...["model", "set-model"].map(
    (tool): VendorError => ({
      name: `OpenRouter: no tools, of which one is called ${tool}`,
      status: 404,
      body: {
        error: { code: 404, message: `No endpoints found that support tool use. Try disabling "${tool}".` },
      },
      kind: "refused",
      says: /support tool use/,
    }),
  ),
  {
    name: "OpenRouter: the account's data policy",
    status: 404,
    body: {
      error: {
        code: 404,
        message: "No endpoints found matching your data policy (Free model publication).",
      },
    },
    kind: "model_not_found",
  },
  ...[
    "The model `m` does not exist or you do not have access to it.",
    "Model not found, inaccessible, and/or not deployed",
    "Publisher Model `projects/p/locations/l/publishers/q/models/m` was not found or your project does not have access to it.",
    "models/m is not found for API version v1main, or is not supported for generateContent.",
    "Unable to access model m. Please visit https://api.together.ai/models to view the list of supported models.",
    "This model version has reached the end of its life.",
    "The API deployment for this resource does not exist.",
  ].map(
    (message): VendorError => ({
      name: `a model that is not there: ${message}`,
      status: 404,
      body: openai(message),
      kind: "model_not_found",
    }),
  ),
  {
    name: "a server made with Express: no such path",
    status: 404,
    body: { message: "Cannot POST /v2/chat/completions", error: "Not Found", statusCode: 404 },
    kind: "model_not_found",
  },
  ...["Your request was forbidden by safety policy", "Output blocked by content filtering policy"].map(
    (message): VendorError => ({
      name: `a guard, by 403: ${message}`,
      status: 403,
      body: openai(message, { type: "permission_error" }),
      kind: "content_filter",
      says: /policy/,
    }),
  ),
  ...[
    ["New API by 429", 429, "blocked: prompt: BlockedReasonProhibitedContent ()", "do_request_failed"],
    ["Google behind a proxy", 400, "Request blocked due to PROHIBITED_CONTENT", null],
    ["a proxy by its code", 451, "No.", "content_blocked"],
    ["a guard by its code", 403, "No.", "guardrail_violation"],
    ["New API", 400, "user sensitive words detected", "sensitive_words_detected"],
  ].map(
    ([who, status, message, code]): VendorError => ({
      name: `${who}: refused content`,
      status: Number(status),
      body: openai(String(message), { code }),
      kind: "content_filter",
      says: /./,
    }),
  ),
  {
    name: "a vendor of a file that is not the account's",
    status: 403,
    body: openai("You do not have access to this file", { type: "permission_error" }),
    kind: "refused",
    says: /^The provider refused the request\.$/,
  },
  ...[
    ["a proxy", { error: { code: "no_access", message: "No access to model: openai/gpt-5" } }],
    ["New API", openai("该令牌无权访问模型 gpt-5", { type: "new_api_error" })],
    ["OpenAI", openai("You are not allowed to sample from this model")],
    ["Bedrock", { message: "Model access is denied due to IAM user or service role is not authorized" }],
    ["LiteLLM", openai("key not allowed to access model. This key can only access models=['a']")],
  ].map(
    ([who, body]): VendorError => ({
      name: `${who}: a model that the key may not use`,
      status: 403,
      body,
      kind: "not_enabled",
    }),
  ),
  {
    name: "Bedrock: no permission",
    status: 403,
    body: {
      Message:
        "User: arn:aws:iam::123456789012:user/gw is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/m",
    },
    kind: "auth",
  },
  ...[
    ["Anthropic", 400, "You're out of extra usage. Add more at claude.ai/settings/usage and keep going."],
    ["Anthropic", 400, "This workspace has reached its monthly spend limit."],
    ["a proxy", 400, "Prepaid credits depleted for workspace acme-prod"],
    ["a proxy in China", 400, "账户余额不足，请充值"],
    ["Zhipu", 400, "余额不足或无可用资源包,请充值。"],
    ["a proxy", 400, "please recharge your wallet; balance=0.00"],
    ["a proxy", 400, "Your account balance is insufficient for this request."],
    [
      "Together",
      403,
      "Credit limit exceeded. Please navigate to https://api.together.xyz/settings/billing to add credit or upgrade your plan.",
    ],
    [
      "SiliconFlow",
      403,
      "The selected model requires paid balance. Your paid balance is insufficient. Please top up and try again.",
    ],
    ["a plan", 429, "You've reached your weekly usage limit. It resets on Monday."],
    ["a proxy", 400, "Error: Insufficient credits"],
    ["a proxy", 400, "Insufficient balance: 0.00"],
    ["LiteLLM", 400, "Budget has been exceeded! Current cost: 0.3, Max budget: 0.2"],
    ["Google", 429, "Your prepayment credits are depleted. Please go to AI Studio to manage your project."],
    ["Google", 429, "Your project has exceeded its monthly spending cap."],
  ].map(
    ([who, status, message]): VendorError => ({
      name: `${who}: money: ${message}`,
      status: Number(status),
      body: openai(String(message)),
      kind: "quota_exhausted",
    }),
  ),
  {
    name: "an aggregator: words about money in the middle of others",
    status: 400,
    body: openai("Upstream m1 said: account balance is too low, please top up"),
    kind: "refused",
    says: /operator/,
  },
  ...[
    ["a vendor", openai("Your API key has been revoked.")],
    [
      "Google's compatible API",
      [
        {
          error: { code: 403, message: "Your API key was reported as leaked.", status: "PERMISSION_DENIED" },
        },
      ],
    ],
    [
      "Google's compatible API, by its status alone",
      [{ error: { code: 403, message: "Kaboom.", status: "PERMISSION_DENIED" } }],
    ],
    [
      "Google",
      openai("Method doesn't allow unregistered callers (callers without established identity). Please use"),
    ],
    ["Groq", openai("Kaboom.", { type: "permissions_error" })],
    ["Anthropic", { type: "error", error: { type: "forbidden", message: "Request not allowed" } }],
    [
      "Azure",
      openai("Key based authentication is disabled for this resource.", {
        code: "AuthenticationTypeDisabled",
      }),
    ],
    [
      "Hugging Face",
      {
        error: "This authentication method does not have sufficient permissions to call Inference Providers",
      },
    ],
    ["xAI", { code: "The caller does not have permission", error: "Team is not authorized to do this." }],
    ["Bedrock", { message: "The security token included in the request is expired" }],
    ["Bedrock", { message: "The security token included in the request is invalid." }],
    ["a vendor", { message: "The token has expired" }],
    ["a vendor", { message: "Credentials have been deactivated" }],
  ].map(
    ([who, body]): VendorError => ({
      name: `${who}: a key that is not taken, by 403: ${JSON.stringify(body)}`,
      status: 403,
      body,
      kind: "auth",
    }),
  ),
  ...[
    [
      403,
      "permissions_error",
      "model_permission_blocked_project",
      "The model `m` is blocked at the project.",
    ],
    [
      403,
      "permissions_error",
      "model_permission_blocked_org",
      "The model `m` is blocked at the organization.",
    ],
    [400, "invalid_request_error", "organization_restricted", "Organization has been restricted."],
    [400, "invalid_request_error", "model_terms_required", "The model `m` requires terms acceptance."],
  ].map(
    ([status, type, code, message]): VendorError => ({
      name: `Groq: ${code}`,
      status: Number(status),
      body: openai(String(message), { type, code }),
      kind: "not_enabled",
    }),
  ),
  {
    name: "Alibaba: a model's free tier is used up",
    status: 403,
    body: openai("The free tier of the model has been exhausted.", { code: "AllocationQuota.FreeTierOnly" }),
    kind: "quota_exhausted",
    modelOnly: true,
  },
  ...[
    "You do not have access to skill skill_01",
    "You do not have permission to use voice voice_1",
    "Not authorized to use MCP connector acme",
    "Not allowed to use knowledge base kb_1",
    "Workspace does not have access to file_01",
    "You don't have access to the assistant asst_1",
    "Your account has no access to this collection",
  ].map(
    (message): VendorError => ({
      name: `what a client named, by 403: ${message}`,
      status: 403,
      body: openai(message, { type: "permission_error" }),
      kind: "refused",
      says: /^The provider refused the request\.$/,
    }),
  ),
  ...[
    "Billing limit reached.pdf: unsupported file type",
    "your account balance is insufficient is not a valid role",
    "your account balance is insufficient for role x is not known",
    "No credits left.py: cannot be read",
    "Error: payment required is not of type object - 'tools.0'",
    "budget limit exceeded: thinking budget 5000 > 4096",
    "recharge must be a string",
    "invalid api key format is not a valid enum member",
    "Invalid API key.txt: no such file",
    "This organization has been disabled.csv: no such file",
  ].map(
    (message): VendorError => ({
      name: `a client's words at the beginning: ${message}`,
      status: 400,
      body: openai(message),
      kind: "refused",
      says: /./,
    }),
  ),
  {
    name: "words about money, of a field",
    status: 400,
    body: openai("Budget limit exceeded.", { param: "thinking.budget_tokens" }),
    kind: "refused",
    param: "thinking.budget_tokens",
  },
  {
    name: "OpenAI: whose account it is, in a refusal",
    status: 400,
    body: openai("The store of organization org-Secret123 takes no images."),
    kind: "refused",
    says: /^The store takes no images\.$/,
  },
  ...[
    ["Mistral", { detail: [extra("n")] }],
    ["a list", [extra("n")]],
    [
      "vLLM",
      "[{'type': 'extra_forbidden', 'loc': ('body', 'n'), 'msg': 'Extra inputs are not permitted', 'input': 3}]",
    ],
  ].map(
    ([who, message]): VendorError => ({
      // https://github.com/nomtek/mistralai_client_dart/issues/44, https://github.com/1Panel-dev/MaxKB/issues/2912
      name: `${who}: an extra field, within the message`,
      status: 422,
      body: { object: "error", message, type: "invalid_request_error", param: null, code: null },
      kind: "unsupported",
      says: /^n: Extra inputs are not permitted$/,
      param: "n",
    }),
  ),
  ...Object.entries({
    "in another error": { error: { error: { message: "tools are off today" } } },
    "in a list of errors": { error: [{ message: "tools are off today" }] },
    "as `msg`": { code: 1, msg: "tools are off today" },
    "as `error_msg`": { error_code: 336003, error_msg: "tools are off today" },
    "in `detail`": { detail: { error: { message: "tools are off today" } } },
    "as JSON in a text": { error: { message: '{"error":{"message":"tools are off today"}}' } },
    "as JSON behind a proxy's names": {
      error: {
        message: 'litellm.BadRequestError: XException - {"error":{"message":"tools are off today"}}',
      },
    },
    "beside the name of its status": { status: 400, error: "Bad Request", message: "tools are off today" },
    "as an object of OpenRouter": {
      error: { message: "Provider returned error", metadata: { raw: { message: "tools are off today" } } },
    },
    "behind two OpenRouters": {
      error: {
        message: "Provider returned error",
        metadata: {
          raw: JSON.stringify({
            error: { message: "Provider returned error", metadata: { raw: "tools are off today" } },
          }),
        },
      },
    },
    "as a bare text": "tools are off today",
  }).map(
    ([where, body]): VendorError => ({
      name: `somebody: a reason ${where}`,
      status: 400,
      body,
      kind: "refused",
      says: /^tools are off today$/,
    }),
  ),
]
