import { embedding, from, type More, row } from "./builtin-row.ts"
import type { ModelConfig } from "./model.ts"

/**
 * Models and list prices the gateway knows without being told, as data; the YAML file overrides any row. Prices are in
 * USD per million tokens. Tests compare each row with `@pydantic/genai-prices` and with LiteLLM's list.
 */

/** OpenAI from GPT-5.4 on; Gemini's Pro. */
const LONG: More = { long: { above: 272_000, input: 2, output: 1.5 } }
const PRO: More = { long: { above: 200_000, input: 2, output: 1.5 }, audio: "as text" }
const AUDIO: More = { audio: "as text" }

/**
 * OpenAI's service tiers. Where only some of a model's prices are known, or the factor is no decimal number, the tier is
 * left out, and its cost is unknown.
 */
const tiers = (factors: Readonly<Record<string, number>>): More => ({ tiers: factors })
const NO_TIERS = tiers({})
const FLEX = tiers({ flex: 0.5 })
const TIERS = tiers({ flex: 0.5, priority: 2 })
/** What OpenAI takes for each search of the web and of files, where the data set says that a model makes them. */
const SEARCHES: More = { webSearch: 0.01, fileSearch: 0.0025 }
/** OpenAI from GPT-5.6 on. */
const WRITES: More = { ...LONG, ...TIERS, ...SEARCHES, cacheWrite: 1.25 }
const GPT_5_5: More = { ...LONG, ...tiers({ flex: 0.5, priority: 2.5 }), ...SEARCHES }
const O3: More = { ...SEARCHES, ...tiers({ flex: 0.5, priority: 1.75 }), ...from("2025-06-10", 10, 0.5, 40) }

/** Google's. Where its flex does not halve the price of cached input too, it is left out. */
const PRIORITY = tiers({ priority: 1.8 })
const FLEX_AND_PRIORITY = tiers({ flex: 0.5, priority: 1.8 })

/** Google's introductory price of these models ends with the year. */
const INTRODUCED: More = { ...AUDIO, ...FLEX_AND_PRIORITY, ...from("2027-01-01", 0.75, 0.075, 3.75) }

/**
 * What OpenAI's models read and refuse. A model that sees reads PDFs: developers.openai.com/api/docs/guides/pdf-files. From
 * GPT-5.1 on, what a model takes besides depends on its effort, which no row says.
 */
const SEES: More = { inputs: ["text", "image", "file"] }
const READS: More = { inputs: ["text"] }
/** learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning, "Not supported"; of GPT-5 also OpenAI's guide to GPT-5.2. */
const REASONING = [
  ...["temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"],
  "logit_bias",
]
const refusing = (...unsupported: ReadonlyArray<string>): More => ({ unsupported })
const O1: More = { ...SEES, ...refusing(...REASONING) }
const O3_MINI: More = { ...READS, ...refusing(...REASONING) }
/** "Not supported with latest reasoning models o3 and o4-mini": developers.openai.com/api/reference/resources/chat. */
const O3_ON: More = { ...SEES, ...refusing(...REASONING, "stop") }
/** The same page of Azure's, "API & feature support" of January 2025. */
const FIRST: More = {
  ...READS,
  ...refusing(...REASONING, "tools", "response_format.type=json_schema", "reasoning_effort"),
}
const efforts = (...names: ReadonlyArray<string>) => names.map((name) => `reasoning_effort=${name}`)
/** The efforts of each: developers.openai.com/api/docs/models; of Astra also the guide to reasoning. */
const GPT_5: More = { ...SEES, ...refusing(...REASONING, ...efforts("none", "xhigh", "max")) }
const GPT_5_1: More = { ...SEES, ...refusing(...efforts("minimal", "xhigh", "max")) }
const GPT_5_2: More = { ...SEES, ...refusing(...efforts("minimal")) }
const ASTRA: More = { ...SEES, ...refusing(...efforts("none")) }
/** Answers by a schema came with gpt-4o: developers.openai.com/api/docs/guides/structured-outputs. */
const NO_SCHEMA: More = { inputs: ["text", "image"], ...refusing("response_format.type=json_schema") }

/** A dated name is one fixed snapshot; the undated one beside it is the provider's alias for it. */
export const openaiModels: ReadonlyArray<ModelConfig> = [
  // name, input, cached input, output, context window, output limit
  row("o4-mini", 1.1, 0.275, 4.4, 200_000, 100_000, FLEX, O3_ON, SEARCHES),
  row("o4-mini-2025-04-16", 1.1, 0.275, 4.4, 200_000, 100_000, FLEX, O3_ON, SEARCHES),
  row("o3", 2, 0.5, 8, 200_000, 100_000, O3, O3_ON),
  row("o3-2025-04-16", 2, 0.5, 8, 200_000, 100_000, O3, O3_ON),
  row("o3-mini", 1.1, 0.55, 4.4, 200_000, 100_000, NO_TIERS, O3_MINI),
  row("o3-mini-2025-01-31", 1.1, 0.55, 4.4, 200_000, 100_000, NO_TIERS, O3_MINI),
  row("o1", 15, 7.5, 60, 200_000, 100_000, NO_TIERS, O1),
  row("o1-2024-12-17", 15, 7.5, 60, 200_000, 100_000, NO_TIERS, O1),
  row("o1-preview", 15, 7.5, 60, 128_000, 32_768, NO_TIERS, FIRST),
  row("o1-preview-2024-09-12", 15, 7.5, 60, 128_000, 32_768, NO_TIERS, FIRST),
  row("o1-mini", 1.1, 0.55, 4.4, 128_000, 65_536, NO_TIERS, FIRST),
  row("o1-mini-2024-09-12", 1.1, 0.55, 4.4, 128_000, 65_536, NO_TIERS, FIRST),
  row("gpt-5", 1.25, 0.125, 10, 400_000, 128_000, TIERS, GPT_5, SEARCHES),
  row("gpt-5-2025-08-07", 1.25, 0.125, 10, 400_000, 128_000, TIERS, GPT_5, SEARCHES),
  row("gpt-5.1", 1.25, 0.125, 10, 400_000, 128_000, TIERS, GPT_5_1, SEARCHES),
  row("gpt-5.1-2025-11-13", 1.25, 0.125, 10, 400_000, 128_000, TIERS, GPT_5_1, SEARCHES),
  row("gpt-5.2", 1.75, 0.175, 14, 400_000, 128_000, TIERS, GPT_5_2, SEARCHES),
  row("gpt-5.2-2025-12-11", 1.75, 0.175, 14, 400_000, 128_000, TIERS, GPT_5_2, SEARCHES),
  row("gpt-5.5", 5, 0.5, 30, 1_050_000, 128_000, GPT_5_5, SEES),
  row("gpt-5.5-2026-04-23", 5, 0.5, 30, 1_050_000, 128_000, GPT_5_5, SEES),
  row("gpt-5.6-sol", 4, 0.4, 20, 1_050_000, 128_000, WRITES, from("2026-08-21", 5, 0.5, 30)),
  row("gpt-5.6-terra", 2, 0.2, 12, 1_050_000, 128_000, WRITES, from("2026-07-30", 2.5, 0.25, 15)),
  row("gpt-5.6-luna", 0.2, 0.02, 1.2, 1_050_000, 128_000, WRITES, from("2026-07-30", 1, 0.1, 6)),
  row("gpt-6-astra", 10, 1, 50, 1_050_000, 128_000, WRITES, ASTRA),
  row("gpt-6-sol", 2, 0.2, 10, 1_050_000, 128_000, WRITES),
  row("gpt-6-luna", 0.1, 0.01, 0.5, 1_050_000, 128_000, WRITES),
  row("gpt-5.4", 2.5, 0.25, 15, 1_050_000, 128_000, LONG, TIERS, SEES, SEARCHES),
  row("gpt-5.4-2026-03-05", 2.5, 0.25, 15, 1_050_000, 128_000, LONG, TIERS, SEES, SEARCHES),
  row("gpt-5.4-mini", 0.75, 0.075, 4.5, 400_000, 128_000, TIERS, SEES, SEARCHES),
  row("gpt-5.4-mini-2026-03-17", 0.75, 0.075, 4.5, 400_000, 128_000, TIERS, SEES, SEARCHES),
  row("gpt-5.4-nano", 0.2, 0.02, 1.25, 400_000, 128_000, FLEX, SEES, SEARCHES),
  row("gpt-5.4-nano-2026-03-17", 0.2, 0.02, 1.25, 400_000, 128_000, FLEX, SEES, SEARCHES),
  row("gpt-5-mini", 0.25, 0.025, 2, 400_000, 128_000, tiers({ flex: 0.5, priority: 1.8 }), GPT_5, SEARCHES),
  row(
    "gpt-5-mini-2025-08-07",
    0.25,
    0.025,
    2,
    400_000,
    128_000,
    tiers({ flex: 0.5, priority: 1.8 }),
    GPT_5,
    SEARCHES,
  ),
  row("gpt-5-nano", 0.05, 0.005, 0.4, 400_000, 128_000, FLEX, GPT_5, SEARCHES),
  row("gpt-5-nano-2025-08-07", 0.05, 0.005, 0.4, 400_000, 128_000, FLEX, GPT_5, SEARCHES),
  row("gpt-4.1", 2, 0.5, 8, 1_000_000, 32_768, tiers({ priority: 1.75 }), SEES, SEARCHES),
  row("gpt-4.1-2025-04-14", 2, 0.5, 8, 1_000_000, 32_768, tiers({ priority: 1.75 }), SEES, SEARCHES),
  row("gpt-4.1-mini", 0.4, 0.1, 1.6, 1_000_000, 32_768, tiers({ priority: 1.75 }), SEES, SEARCHES),
  row("gpt-4.1-mini-2025-04-14", 0.4, 0.1, 1.6, 1_000_000, 32_768, tiers({ priority: 1.75 }), SEES, SEARCHES),
  row("gpt-4.1-nano", 0.1, 0.025, 0.4, 1_000_000, 32_768, tiers({ priority: 2 }), SEES),
  row("gpt-4.1-nano-2025-04-14", 0.1, 0.025, 0.4, 1_000_000, 32_768, tiers({ priority: 2 }), SEES),
  row("gpt-4.5-preview", 75, 37.5, 150, 128_000, 16_384, NO_TIERS, SEES),
  row("gpt-4o", 2.5, 1.25, 10, 128_000, 16_384, tiers({ priority: 1.7 }), SEES, SEARCHES),
  row("gpt-4o-2024-11-20", 2.5, 1.25, 10, 128_000, 16_384, tiers({ priority: 1.7 }), SEES, SEARCHES),
  row("gpt-4-turbo", 10, 10, 30, 128_000, 4_096, NO_TIERS, NO_SCHEMA),
  row("gpt-4-turbo-2024-04-09", 10, 10, 30, 128_000, 4_096, NO_TIERS, NO_SCHEMA),
  row("gpt-4o-mini", 0.15, 0.075, 0.6, 128_000, 16_384, NO_TIERS, SEES, SEARCHES),
  row("gpt-4o-mini-2024-07-18", 0.15, 0.075, 0.6, 128_000, 16_384, NO_TIERS, SEES, SEARCHES),
  row("chatgpt-4o-latest", 5, 5, 15, 128_000, 16_384, NO_TIERS, SEES),
  embedding("text-embedding-3-small", 0.02, 8_192),
  embedding("text-embedding-3-large", 0.13, 8_192),
  embedding("text-embedding-ada-002", 0.1, 8_192),
]

/** Models for which OpenAI's Responses API alone answers. */
export const openaiResponsesModels: ReadonlyArray<ModelConfig> = [
  // name, input, cached input, output, context window, output limit
  row("o3-deep-research", 10, 2.5, 40, 200_000, 100_000, NO_TIERS),
  row("o4-mini-deep-research", 2, 0.5, 8, 200_000, 100_000, NO_TIERS),
  row("o3-pro", 20, 20, 80, 200_000, 100_000, NO_TIERS, O3_ON),
  row("o3-pro-2025-06-10", 20, 20, 80, 200_000, 100_000, NO_TIERS, O3_ON),
  row("o1-pro", 150, 150, 600, 200_000, 100_000, NO_TIERS, O1),
  row("o1-pro-2025-03-19", 150, 150, 600, 200_000, 100_000, NO_TIERS, O1),
  row("gpt-5-pro", 15, 15, 120, 400_000, 272_000, NO_TIERS, O1, SEARCHES),
  row("gpt-5-pro-2025-10-06", 15, 15, 120, 400_000, 272_000, NO_TIERS, O1, SEARCHES),
  row("gpt-5.2-pro", 21, 21, 168, 400_000, 128_000, NO_TIERS, SEES, SEARCHES),
  row("gpt-5.2-pro-2025-12-11", 21, 21, 168, 400_000, 128_000, NO_TIERS, SEES, SEARCHES),
  row("gpt-5.2-codex", 1.75, 0.175, 14, 400_000, 128_000, NO_TIERS, SEARCHES),
  row("gpt-5.3-codex", 1.75, 0.175, 14, 400_000, 128_000, tiers({ priority: 2 })),
  row("gpt-5.4-pro", 30, 30, 180, 1_050_000, 128_000, LONG, FLEX, SEES, SEARCHES),
  row("gpt-5.4-pro-2026-03-05", 30, 30, 180, 1_050_000, 128_000, LONG, FLEX, SEES, SEARCHES),
  row("gpt-5.5-pro", 30, 30, 180, 1_050_000, 128_000, LONG, FLEX, SEES, SEARCHES),
  row("gpt-5.5-pro-2026-04-23", 30, 30, 180, 1_050_000, 128_000, LONG, FLEX, SEES, SEARCHES),
]

/**
 * Anthropic's. An answer of the fast mode or of a priority tier has a price that is not known. All see and read PDFs:
 * platform.claude.com/docs/en/build-with-claude/pdf-support.
 */
const CLAUDE: More = { cacheWrite: 1.25, cacheWrite1h: 2, webSearch: 0.01, ...NO_TIERS, ...SEES }
/** From 4.6 on, an answer that had to be made in the United States costs a tenth more. */
const WORLDWIDE: More = { ...CLAUDE, ...tiers({ us: 1.1 }) }
/** From 4.7 on, any but the default is a 400: platform.claude.com/docs/en/about-claude/models/migration-guide. */
const UNSAMPLED: More = { ...WORLDWIDE, ...refusing("temperature", "top_p", "top_k") }
/** Cached input of Sonnet 5.5 costs half as much since then. */
const SONNET: More = { ...from("2026-10-07", 2, 0.2, 10), source: "LiteLLM 1.110.2" }
/** Haiku 5.5 costs five times as much for long prompts. */
const HAIKU: More = { long: { above: 100_000, input: 5, output: 5 }, source: "LiteLLM 1.110.2" }

export const anthropicModels: ReadonlyArray<ModelConfig> = [
  row("claude-fable-5-1", 10, 0.25, 50, 1_000_000, 128_000, UNSAMPLED),
  row("claude-opus-5-5", 4, 0.2, 20, 1_000_000, 128_000, UNSAMPLED),
  row("claude-sonnet-5-5", 2, 0.1, 10, 1_000_000, 128_000, UNSAMPLED, SONNET),
  row("claude-haiku-5-5", 0.1, 0.01, 0.5, 1_000_000, 128_000, UNSAMPLED, HAIKU),
  row("claude-fable-5", 10, 1, 50, 1_000_000, 128_000, UNSAMPLED),
  row("claude-opus-5", 5, 0.5, 25, 1_000_000, 128_000, UNSAMPLED),
  row("claude-sonnet-5", 2, 0.2, 10, 1_000_000, 128_000, UNSAMPLED),
  row("claude-opus-4-8", 5, 0.5, 25, 1_000_000, 128_000, UNSAMPLED),
  row("claude-opus-4-7", 5, 0.5, 25, 1_000_000, 128_000, UNSAMPLED),
  row("claude-opus-4-6", 5, 0.5, 25, 1_000_000, 128_000, WORLDWIDE),
  row("claude-sonnet-4-6", 3, 0.3, 15, 1_000_000, 128_000, WORLDWIDE),
  row("claude-haiku-4-5", 1, 0.1, 5, 200_000, 64_000, CLAUDE),
  row("claude-haiku-4-5-20251001", 1, 0.1, 5, 200_000, 64_000, CLAUDE),
  row("claude-opus-4-5", 5, 0.5, 25, 200_000, 64_000, CLAUDE),
  row("claude-opus-4-5-20251101", 5, 0.5, 25, 200_000, 64_000, CLAUDE),
]

/** All of Google's chat models take all of these: ai.google.dev/gemini-api/docs/models. */
const gemini = (...stated: Parameters<typeof row>): ModelConfig =>
  row(...stated, { inputs: ["text", "image", "audio", "video", "file"] })

export const geminiModels: ReadonlyArray<ModelConfig> = [
  gemini("gemini-3.8-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  gemini("gemini-3.7-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  gemini("gemini-3.6-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  gemini("gemini-3.5-flash-lite", 0.3, 0.03, 2.5, 1_048_576, 65_536, AUDIO, NO_TIERS),
  gemini("gemini-3.5-flash", 1.5, 0.15, 9, 1_048_576, 65_536, AUDIO, PRIORITY),
  gemini("gemini-3.1-pro-preview", 2, 0.2, 12, 1_048_576, 65_536, PRO, PRIORITY),
  gemini("gemini-3.1-flash-lite", 0.25, 0.025, 1.5, 1_048_576, 65_536, { audio: 0.5 }, FLEX_AND_PRIORITY),
  gemini("gemini-3-pro-preview", 2, 0.2, 12, 1_048_576, 65_536, PRO, NO_TIERS),
  gemini("gemini-3-flash-preview", 0.5, 0.05, 3, 1_048_576, 65_536, { audio: 1 }, PRIORITY),
  gemini("gemini-2.5-pro", 1.25, 0.125, 10, 1_048_576, 65_536, PRO, PRIORITY),
  // An alias of Google's for the newest of them.
  gemini("gemini-flash-latest", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED, { source: "LiteLLM 1.110.2" }),
  gemini("gemini-2.5-flash", 0.3, 0.03, 2.5, 1_048_576, 65_536, { audio: 1 }, PRIORITY),
  gemini("gemini-2.5-flash-lite-preview-09-2025", 0.1, 0.01, 0.4, 65_536, 32_768, { audio: 0.3 }, NO_TIERS),
  embedding("gemini-embedding-001", 0.15, 2_048),
]
