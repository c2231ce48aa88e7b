import { anthropicModels, geminiModels, openaiModels } from "./builtin-models.ts"
import { embedding, from, type More, row, withoutCalls } from "./builtin-row.ts"
import type { Endpoint, Preset } from "./preset.ts"

/**
 * Vendors as data, a row each. Prices are in USD per million tokens, and a test compares them with
 * `@pydantic/genai-prices`. A new vendor is a row here, and a fixture in `test/fixtures/vendors` that the row is tested with.
 */

const GROK: More = { long: { above: 200_000, input: 2, output: 2 } }
const WRITES: More = { cacheWrite: 1.25 }
const CLAUDE: More = { ...WRITES, cacheWrite1h: 2 }
const LUNA: More = { ...WRITES, webSearch: 0.01, long: { above: 272_000, input: 2, output: 1.5 } }
/** The same price, for a lesser promise: console.groq.com/docs/flex-processing. */
const GROQ: More = { tiers: { flex: 1 } }
const BEDROCK: More = { tiers: { flex: 0.5, priority: 1.75 } }
/** DeepSeek's price of 01-04 and 06-10 UTC, which is twice that of the other hours: a row knows no hours, and no cost should be too low. */
const PEAK: More = { source: "genai-prices 0.1.8, peak hours" }
const NEW_PEAK: More = { source: "api-docs.deepseek.com/quick_start/pricing, peak hours" }
/** Of Together's models the data set has only old ones. */
const TOGETHER: More = { source: "docs.together.ai/docs/serverless/models" }
const LITELLM: More = { source: "LiteLLM 1.110.2" }

/**
 * On Azure a deployment has the name that its owner gave it, mostly that of the model. Claude's there cost what they do at Anthropic.
 * What a search costs there is another matter.
 */
const azureModels = [
  ...openaiModels.filter(({ name }) => /^(gpt-(4\.1|5|6)|o3|o4|text-embedding-3)/.test(name)),
  ...anthropicModels.filter(({ name }) => !/\d{8}$/.test(name)),
].map(withoutCalls)
/** Without aliases and previews, which Vertex AI does not have. */
const vertexModels = geminiModels.filter(({ kind, name }) => kind === "chat" && !/latest|preview/.test(name))

const VLLM = "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"

/** Where a dialect is spoken, and the page that says so. */
const at = (path: string, source: string, more: Omit<Endpoint, "path"> = {}) => ({ path, source, ...more })

/** What most rows have in common. */
const USUAL = { kind: "openai-compatible", models: [], unserved: [], auto: [], asOf: "2026-11-28" } as const

const rows = {
  azure: {
    ...USUAL,
    title: "Azure OpenAI",
    apiKeyEnv: "AZURE_OPENAI_API_KEY",
    baseUrl: "{AZURE_OPENAI_ENDPOINT}/openai/v1",
    baseUrlEnv: "AZURE_OPENAI_BASE_URL",
    keyHeader: "api-key",
    dialects: {
      messages: at(
        "../../anthropic/v1/messages",
        "https://learn.microsoft.com/azure/foundry/foundry-models/how-to/use-foundry-models-claude",
        { keyHeader: "x-api-key", models: "claude", alone: true },
      ),
      responses: at("responses", "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses", {
        encrypts: "OpenAI's",
      }),
    },
    unserved: azureModels,
    pricesOf: "openai",
    source: "https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle",
  },
  bedrock: {
    ...USUAL,
    title: "Amazon Bedrock",
    apiKeyEnv: "AWS_BEARER_TOKEN_BEDROCK",
    baseUrl: "https://bedrock-runtime.{AWS_REGION}.amazonaws.com/openai/v1",
    baseUrlEnv: "AWS_BEDROCK_BASE_URL",
    dialects: {
      messages: at(
        "../../anthropic/v1/messages",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html",
        { keyHeader: "x-api-key", models: "claude", alone: true },
      ),
      // Those of gpt-oss are at another endpoint of Bedrock's.
      responses: at(
        "responses",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html",
        { models: "gpt-\\d", encrypts: "OpenAI's" },
      ),
    },
    listsModels: false,
    models: [
      row("openai.gpt-oss-120b-1:0", 0.15, 0.15, 0.6, 128_000, undefined, BEDROCK),
      row("openai.gpt-oss-20b-1:0", 0.07, 0.07, 0.3, 128_000, undefined, BEDROCK),
    ],
    unserved: [
      row("global.anthropic.claude-opus-5-5", 4, 0.2, 20, 1_000_000, 128_000, CLAUDE),
      row("us.anthropic.claude-opus-5-5", 4.4, 0.22, 22, 1_000_000, 128_000, CLAUDE),
      row("global.anthropic.claude-opus-5", 5, 0.5, 25, 1_000_000, 128_000, CLAUDE),
      row("us.anthropic.claude-opus-5", 5.5, 0.55, 27.5, 1_000_000, 128_000, CLAUDE),
      row("global.anthropic.claude-haiku-4-5-20251001-v1:0", 1, 0.1, 5, 200_000, 64_000, CLAUDE),
      row("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1.1, 0.11, 5.5, 200_000, 64_000, CLAUDE),
    ],
    auto: ["openai.gpt-oss-120b-1:0"],
    pricesOf: "aws",
    source: "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
  },
  vertex: {
    ...USUAL,
    title: "Vertex AI",
    kind: "gemini",
    apiKeyEnv: "VERTEX_API_KEY",
    baseUrl: "https://aiplatform.googleapis.com",
    baseUrlEnv: "VERTEX_BASE_URL",
    modelPath: "/v1/publishers/google/models",
    listsModels: false,
    models: vertexModels,
    auto: ["gemini-3.8-flash"],
    pricesOf: "google",
    source:
      "https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference",
  },
  mistral: {
    ...USUAL,
    title: "Mistral",
    apiKeyEnv: "MISTRAL_API_KEY",
    baseUrl: "https://api.mistral.ai/v1",
    baseUrlEnv: "MISTRAL_BASE_URL",
    takesStreamOptions: false,
    turns: {
      reasoning: ["thinking"],
      only: ["prefix"],
      source: "https://github.com/mistralai/client-ts/blob/main/src/models/components/assistantmessage.ts",
    },
    models: [
      row("mistral-medium-latest", 1.5, 0.15, 7.5, 262_144, undefined, from("2026-06-16", 0.4, 0.04, 2)),
      row("mistral-large-2512", 0.5, 0.05, 1.5, 262_144, undefined),
      row("mistral-small-2603", 0.15, 0.015, 0.6, 262_144, undefined),
      row("ministral-8b-2512", 0.15, 0.015, 0.15, 262_144, undefined),
      row("codestral-2508", 0.3, 0.03, 0.9, 256_000, undefined),
      row("devstral-2512", 0.4, 0.04, 2, 262_144, undefined),
      embedding("mistral-embed", 0.1, 8_192),
    ],
    auto: ["mistral-medium-latest"],
    pricesOf: "mistral",
    source: "https://docs.mistral.ai/api",
  },
  groq: {
    ...USUAL,
    title: "Groq",
    apiKeyEnv: "GROQ_API_KEY",
    baseUrl: "https://api.groq.com/openai/v1",
    baseUrlEnv: "GROQ_BASE_URL",
    dialects: {
      responses: at("responses", "https://console.groq.com/docs/responses-api", {
        tools: ["browser_search", "code_interpreter", "mcp"],
        without: ["store", "truncation", "include", "safety_identifier", "prompt_cache_key"],
      }),
    },
    turns: {
      reasoning: ["reasoning"],
      only: ["function_call", "name"],
      source: "https://console.groq.com/docs/api-reference",
    },
    models: [
      row("openai/gpt-oss-120b", 0.15, 0.075, 0.6, 131_072, 65_536, GROQ),
      row("openai/gpt-oss-20b", 0.075, 0.0375, 0.3, 131_072, 65_536, GROQ),
    ],
    auto: ["openai/gpt-oss-120b"],
    pricesOf: "groq",
    source: "https://console.groq.com/docs/models",
  },
  deepseek: {
    ...USUAL,
    title: "DeepSeek",
    apiKeyEnv: "DEEPSEEK_API_KEY",
    baseUrl: "https://api.deepseek.com",
    baseUrlEnv: "DEEPSEEK_BASE_URL",
    dialects: {
      messages: at("anthropic/v1/messages", "https://api-docs.deepseek.com/guides/anthropic_api", {
        keyHeader: "x-api-key",
        tools: ["web_search"],
      }),
      responses: at("responses", "https://api-docs.deepseek.com/guides/responses_api", {
        tools: ["web_search"],
      }),
    },
    turns: {
      reasoning: ["reasoning_content"],
      source: "https://api-docs.deepseek.com/guides/thinking_mode",
    },
    models: [
      row("deepseek-flash", 0.3, 0.006, 1.2, 1_000_000, 393_216, NEW_PEAK),
      row(
        "deepseek-v4-pro",
        ...([1.32, 0.044, 3.96, 1_000_000, 393_216] as const),
        PEAK,
        from("2026-08-17", 0.435, 0.003625, 0.87),
      ),
    ],
    // Answered by deepseek-flash since September 2026 and billed like it, under a name that the list of models has no more.
    unserved: [
      row(
        "deepseek-v4-flash",
        ...([0.3, 0.006, 1.2, 1_000_000, 393_216] as const),
        NEW_PEAK,
        from("2026-09-10", 0.44, 0.014, 1.32),
      ),
    ],
    auto: ["deepseek-flash"],
    pricesOf: "deepseek",
    source: "https://api-docs.deepseek.com/quick_start/pricing",
  },
  xai: {
    ...USUAL,
    title: "xAI",
    apiKeyEnv: "XAI_API_KEY",
    baseUrl: "https://api.x.ai/v1",
    baseUrlEnv: "XAI_BASE_URL",
    dialects: {
      responses: at("responses", "https://docs.x.ai/developers/model-capabilities/text/comparison", {
        tools: ["web_search", "x_search", "code_interpreter", "mcp"],
        encrypts: "all",
      }),
    },
    turns: {
      reasoning: [],
      source: "https://docs.x.ai/developers/model-capabilities/text/best-practices",
    },
    reportsCost: "above 0",
    models: [
      row("grok-4.6", 2, 0.5, 6, 500_000, undefined, GROK),
      row("grok-4.5", 2, 0.3, 6, 500_000, undefined, GROK),
      row("grok-4.3", 1.25, 0.2, 2.5, 1_000_000, undefined, GROK),
    ],
    auto: ["grok-4.3"],
    pricesOf: "x-ai",
    source: "https://docs.x.ai/docs/models",
  },
  openrouter: {
    ...USUAL,
    title: "OpenRouter",
    apiKeyEnv: "OPENROUTER_API_KEY",
    baseUrl: "https://openrouter.ai/api/v1",
    baseUrlEnv: "OPENROUTER_BASE_URL",
    dialects: {
      messages: at(
        "messages",
        "https://openrouter.ai/docs/api/api-reference/anthropic-messages/create-a-message",
        { tools: [] },
      ),
      responses: at("responses", "https://openrouter.ai/docs/api/api-reference/responses/create-responses", {
        tools: [],
      }),
    },
    keyPath: "/key",
    turns: {
      reasoning: ["reasoning", "reasoning_details"],
      source: "https://openrouter.ai/docs/use-cases/reasoning-tokens",
    },
    // Nothing for its free models, and next to nothing for a key of one's own at the vendor.
    reportsCost: "any",
    models: [
      row("openai/gpt-5.4-mini", 0.75, 0.075, 4.5, 400_000, 128_000),
      row("openai/gpt-6-luna", 0.1, 0.01, 0.5, 1_050_000, 128_000, LUNA),
      row("anthropic/claude-opus-5.5", 4, 0.2, 20, 1_000_000, undefined, WRITES),
      row("anthropic/claude-sonnet-5", 2, 0.2, 10, 1_000_000, undefined, WRITES),
      row("anthropic/claude-haiku-4.5", 1, 0.1, 5, 200_000, undefined, WRITES),
      row("x-ai/grok-4.3", 1.25, 0.2, 2.5, 1_000_000, undefined),
      row("moonshotai/kimi-k3", 3, 0.3, 15, 1_048_576, undefined),
      row("mistralai/mistral-medium-3-5", 1.5, 1.5, 7.5, 262_144, undefined),
    ],
    auto: ["openai/gpt-5.4-mini"],
    pricesOf: "openrouter",
    source: "https://openrouter.ai/docs/api/reference/overview",
  },
  together: {
    ...USUAL,
    title: "Together AI",
    apiKeyEnv: "TOGETHER_API_KEY",
    baseUrl: "https://api.together.xyz/v1",
    baseUrlEnv: "TOGETHER_BASE_URL",
    turns: {
      reasoning: ["reasoning", "reasoning_content"],
      source:
        "https://github.com/togethercomputer/together-typescript/blob/main/src/resources/chat/completions.ts",
    },
    models: [
      row("openai/gpt-oss-120b", 0.15, 0.15, 0.6, 131_072, undefined, TOGETHER),
      row("deepseek-ai/DeepSeek-V4-Flash-0731", 0.14, 0.03, 0.28, 1_000_000, undefined, LITELLM),
      row("meta-llama/Llama-3.3-70B-Instruct-Turbo", 1.04, 1.04, 1.04, 131_072, undefined, LITELLM),
    ],
    auto: ["openai/gpt-oss-120b"],
    pricesOf: "together",
    source: "https://docs.together.ai/docs/serverless/models",
  },
  fireworks: {
    ...USUAL,
    title: "Fireworks",
    apiKeyEnv: "FIREWORKS_API_KEY",
    baseUrl: "https://api.fireworks.ai/inference/v1",
    baseUrlEnv: "FIREWORKS_BASE_URL",
    dialects: {
      messages: at("messages", "https://docs.fireworks.ai/tools-sdks/anthropic-compatibility", { tools: [] }),
      responses: at("responses", "https://docs.fireworks.ai/guides/response-api", { tools: ["mcp"] }),
    },
    turns: {
      reasoning: ["reasoning_content"],
      source: "https://docs.fireworks.ai/guides/reasoning",
    },
    models: [
      row("accounts/fireworks/models/gpt-oss-120b", 0.15, 0.014, 0.6, 131_072, undefined),
      row("accounts/fireworks/models/deepseek-v4-flash", 0.14, 0.028, 0.28, 1_040_000, undefined),
      row("accounts/fireworks/models/deepseek-v4-pro", 1.74, 0.145, 3.48, 1_048_576, undefined),
      row("accounts/fireworks/models/glm-5p2", 1.4, 0.14, 4.4, 1_040_000, undefined),
      row("accounts/fireworks/models/kimi-k2p6", 0.95, 0.16, 4, 262_144, undefined),
      row("accounts/fireworks/models/kimi-k3", 3, 0.3, 15, 1_040_000, undefined),
    ],
    auto: ["accounts/fireworks/models/gpt-oss-120b"],
    pricesOf: "fireworks",
    source: "https://docs.fireworks.ai/tools-sdks/openai-compatibility",
  },
  cerebras: {
    ...USUAL,
    title: "Cerebras",
    apiKeyEnv: "CEREBRAS_API_KEY",
    baseUrl: "https://api.cerebras.ai/v1",
    baseUrlEnv: "CEREBRAS_BASE_URL",
    turns: {
      reasoning: ["reasoning"],
      only: ["name"],
      source: "https://inference-docs.cerebras.ai/capabilities/reasoning",
    },
    models: [
      row("gpt-oss-120b", 0.35, 0.35, 0.75, 131_072, undefined),
      row("gemma-4-31b", 0.99, 0.99, 1.49, 131_072, undefined),
    ],
    auto: ["gpt-oss-120b"],
    pricesOf: "cerebras",
    source: "https://inference-docs.cerebras.ai/models/overview",
  },
  moonshot: {
    ...USUAL,
    title: "Moonshot AI (Kimi)",
    apiKeyEnv: "MOONSHOT_API_KEY",
    baseUrl: "https://api.moonshot.ai/v1",
    baseUrlEnv: "MOONSHOT_BASE_URL",
    dialects: {
      messages: at("../anthropic/v1/messages", "https://platform.kimi.ai/docs/api/messages", { tools: [] }),
      responses: at("responses", "https://platform.kimi.ai/docs/api/responses", {
        tools: ["custom", "namespace", "web_search"],
      }),
    },
    turns: {
      reasoning: ["reasoning_content"],
      source: "https://platform.kimi.ai/docs/guide/use-kimi-k2-thinking-model",
    },
    models: [
      row("kimi-k3", 3, 0.3, 15, 1_048_576, undefined),
      row("kimi-k2.7-code", 0.95, 0.19, 4, 262_144, undefined),
      row("kimi-k2.6", 0.95, 0.16, 4, 262_144, undefined),
      row("kimi-k2.5", 0.6, 0.1, 3, 262_144, undefined),
    ],
    auto: ["kimi-k2.6"],
    pricesOf: "moonshotai",
    source: "https://platform.kimi.ai/docs/models",
  },
  ollama: {
    ...USUAL,
    title: "Ollama",
    baseUrl: "http://127.0.0.1:11434/v1",
    baseUrlEnv: "OLLAMA_BASE_URL",
    dialects: {
      messages: at("messages", "https://docs.ollama.com/api/anthropic-compatibility", { tools: [] }),
      responses: at("responses", "https://docs.ollama.com/api/openai-compatibility", { tools: [] }),
    },
    turns: {
      reasoning: ["reasoning"],
      source: "https://github.com/ollama/ollama/blob/main/openai/openai.go",
    },
    source: "https://docs.ollama.com/api/openai-compatibility",
  },
  vllm: {
    ...USUAL,
    title: "vLLM",
    // Its own default is port 8000 of this machine, where the gateway is.
    baseUrl: "{VLLM_BASE_URL}",
    baseUrlEnv: "VLLM_BASE_URL",
    dialects: {
      messages: at("messages", "https://docs.vllm.ai/en/stable/serving/integrations/claude_code/", {
        tools: [],
      }),
      responses: at("responses", VLLM, { tools: [] }),
    },
    source: VLLM,
  },
  lmstudio: {
    ...USUAL,
    title: "LM Studio",
    baseUrl: "http://127.0.0.1:1234/v1",
    baseUrlEnv: "LMSTUDIO_BASE_URL",
    dialects: {
      messages: at("messages", "https://lmstudio.ai/docs/developer/anthropic-compat", { tools: [] }),
      responses: at("responses", "https://lmstudio.ai/docs/developer/rest", { tools: ["mcp"] }),
    },
    source: "https://lmstudio.ai/docs/developer/openai-compat",
  },
} satisfies Readonly<Record<string, Omit<Preset, "name">>>

export type PresetName = keyof typeof rows

/** `keys` forgets which names there are. */
export const presetNames = Object.keys(rows) as ReadonlyArray<PresetName>

export const presetOf = (name: PresetName): Preset => ({ name, ...rows[name] })

export const presets: ReadonlyArray<Preset> = presetNames.map(presetOf)
