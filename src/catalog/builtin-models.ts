import { fromUsd } from "../domain/Money.ts"
import { type ModelConfig, type PriceRow, startOf } from "./model.ts"
import { priceOf, rowsOf } from "./price-history.ts"

/**
 * Models and list prices the gateway knows without being told, as data; the YAML file overrides any row. Prices are the
 * standard tier for text, in USD per million tokens. A test compares each row with `@pydantic/genai-prices`.
 */
const SOURCE = "genai-prices 0.1.8"
const AS_OF = "2026-11-28"

/** What some models have beyond one price each way. */
interface More {
  /** Writing to the cache costs so many times the input. */
  readonly cacheWrite?: number
  /** From more than so many input tokens on, everything costs more. */
  readonly long?: { readonly above: number; readonly input: number; readonly output: number }
  /** Where the price was read, when not where the others were. */
  readonly source?: string
  /** The price holds from this day on; until then input, cached input and output cost what is said here. */
  readonly from?: { readonly day: string; readonly before: readonly [number, number, number] }
}

const ratesOf = (inputUsd: number, cachedInputUsd: number, outputUsd: number, { cacheWrite }: More) => ({
  inputNanoPer1M: fromUsd(inputUsd),
  cachedInputNanoPer1M: fromUsd(cachedInputUsd),
  ...(cacheWrite !== undefined && { cacheWriteNanoPer1M: fromUsd(inputUsd * cacheWrite) }),
  outputNanoPer1M: fromUsd(outputUsd),
})

const priceRow = (inputUsd: number, cachedInputUsd: number, outputUsd: number, more: More): PriceRow => {
  const { long, source = SOURCE } = more
  return {
    ...ratesOf(inputUsd, cachedInputUsd, outputUsd, more),
    ...(long !== undefined && {
      longContext: {
        aboveTokens: long.above,
        ...ratesOf(inputUsd * long.input, cachedInputUsd * long.input, outputUsd * long.output, more),
      },
    }),
    source,
    asOf: AS_OF,
  }
}

const row = (
  name: string,
  inputUsd: number,
  cachedInputUsd: number,
  outputUsd: number,
  contextWindow: number,
  maxOutputTokens: number,
  more: More = {},
): ModelConfig => {
  const price = priceRow(inputUsd, cachedInputUsd, outputUsd, more)
  const { from } = more
  return {
    name,
    kind: "chat",
    contextWindow,
    maxOutputTokens,
    price:
      from === undefined
        ? price
        : { ...price, validFrom: startOf(from.day), earlier: [priceRow(...from.before, more)] },
  }
}

/** OpenAI from GPT-5.4 on, and from GPT-5.6 on with cache writes; Gemini's Pro. */
const LONG: More = { long: { above: 272_000, input: 2, output: 1.5 } }
const WRITES: More = { ...LONG, cacheWrite: 1.25 }
const PRO: More = { long: { above: 200_000, input: 2, output: 1.5 } }

const from = (day: string, ...before: readonly [number, number, number]): More => ({ from: { day, before } })
/** Google's introductory price of these models ends with the year. */
const INTRODUCED = from("2027-01-01", 0.75, 0.075, 3.75)

/** Makes a row of a model that neither caches nor puts out. Its window holds each input of a request by itself. */
const embedding = (name: string, inputUsd: number, contextWindow: number): ModelConfig => ({
  name,
  kind: "embedding",
  contextWindow,
  price: {
    inputNanoPer1M: fromUsd(inputUsd),
    cachedInputNanoPer1M: fromUsd(inputUsd),
    outputNanoPer1M: fromUsd(0),
    source: SOURCE,
    asOf: AS_OF,
  },
})

/** Adds OpenAI's service tiers: flex costs half; what priority costs depends on the model, and nobody keeps a list of it. */
const withTiers = (model: ModelConfig): ModelConfig => {
  const price = model.kind === "chat" ? priceOf(rowsOf(model.price).map(withFlex)) : undefined
  return price === undefined ? model : { ...model, price }
}

const withFlex = (price: PriceRow): PriceRow => ({ ...price, serviceTiers: { flex: 0.5 } })

/** A dated name is one fixed snapshot; the undated one beside it is the provider's alias for it. */
export const openaiModels: ReadonlyArray<ModelConfig> = [
  // name, input, cached input, output, context window, output limit
  row("o4-mini", 1.1, 0.275, 4.4, 200_000, 100_000),
  row("o4-mini-2025-04-16", 1.1, 0.275, 4.4, 200_000, 100_000),
  row("o3", 2, 0.5, 8, 200_000, 100_000, from("2025-06-10", 10, 0.5, 40)),
  row("o3-2025-04-16", 2, 0.5, 8, 200_000, 100_000, from("2025-06-10", 10, 0.5, 40)),
  row("o3-mini", 1.1, 0.55, 4.4, 200_000, 100_000),
  row("o3-mini-2025-01-31", 1.1, 0.55, 4.4, 200_000, 100_000),
  row("o1", 15, 7.5, 60, 200_000, 100_000),
  row("o1-2024-12-17", 15, 7.5, 60, 200_000, 100_000),
  row("o1-preview", 15, 7.5, 60, 128_000, 32_768),
  row("o1-preview-2024-09-12", 15, 7.5, 60, 128_000, 32_768),
  row("o1-mini", 1.1, 0.55, 4.4, 128_000, 65_536),
  row("o1-mini-2024-09-12", 1.1, 0.55, 4.4, 128_000, 65_536),
  row("gpt-5", 1.25, 0.125, 10, 400_000, 128_000),
  row("gpt-5-2025-08-07", 1.25, 0.125, 10, 400_000, 128_000),
  row("gpt-5.1", 1.25, 0.125, 10, 400_000, 128_000),
  row("gpt-5.1-2025-11-13", 1.25, 0.125, 10, 400_000, 128_000),
  row("gpt-5.2", 1.75, 0.175, 14, 400_000, 128_000),
  row("gpt-5.2-2025-12-11", 1.75, 0.175, 14, 400_000, 128_000),
  row("gpt-5.5", 5, 0.5, 30, 1_050_000, 128_000, LONG),
  row("gpt-5.5-2026-04-23", 5, 0.5, 30, 1_050_000, 128_000, LONG),
  row("gpt-5.6-sol", 4, 0.4, 20, 1_050_000, 128_000, { ...WRITES, ...from("2026-08-21", 5, 0.5, 30) }),
  row("gpt-5.6-terra", 2, 0.2, 12, 1_050_000, 128_000, { ...WRITES, ...from("2026-07-30", 2.5, 0.25, 15) }),
  row("gpt-5.6-luna", 0.2, 0.02, 1.2, 1_050_000, 128_000, { ...WRITES, ...from("2026-07-30", 1, 0.1, 6) }),
  row("gpt-6-astra", 10, 1, 50, 1_050_000, 128_000, WRITES),
  row("gpt-6-sol", 2, 0.2, 10, 1_050_000, 128_000, WRITES),
  row("gpt-6-luna", 0.1, 0.01, 0.5, 1_050_000, 128_000, WRITES),
  row("gpt-5.4", 2.5, 0.25, 15, 1_050_000, 128_000, LONG),
  row("gpt-5.4-2026-03-05", 2.5, 0.25, 15, 1_050_000, 128_000, LONG),
  row("gpt-5.4-mini", 0.75, 0.075, 4.5, 400_000, 128_000),
  row("gpt-5.4-mini-2026-03-17", 0.75, 0.075, 4.5, 400_000, 128_000),
  row("gpt-5.4-nano", 0.2, 0.02, 1.25, 400_000, 128_000),
  row("gpt-5.4-nano-2026-03-17", 0.2, 0.02, 1.25, 400_000, 128_000),
  row("gpt-5-mini", 0.25, 0.025, 2, 400_000, 128_000),
  row("gpt-5-mini-2025-08-07", 0.25, 0.025, 2, 400_000, 128_000),
  row("gpt-5-nano", 0.05, 0.005, 0.4, 400_000, 128_000),
  row("gpt-5-nano-2025-08-07", 0.05, 0.005, 0.4, 400_000, 128_000),
  row("gpt-4.1", 2, 0.5, 8, 1_000_000, 32_768),
  row("gpt-4.1-2025-04-14", 2, 0.5, 8, 1_000_000, 32_768),
  row("gpt-4.1-mini", 0.4, 0.1, 1.6, 1_000_000, 32_768),
  row("gpt-4.1-mini-2025-04-14", 0.4, 0.1, 1.6, 1_000_000, 32_768),
  row("gpt-4.1-nano", 0.1, 0.025, 0.4, 1_000_000, 32_768),
  row("gpt-4.1-nano-2025-04-14", 0.1, 0.025, 0.4, 1_000_000, 32_768),
  row("gpt-4.5-preview", 75, 37.5, 150, 128_000, 16_384),
  row("gpt-4o", 2.5, 1.25, 10, 128_000, 16_384),
  row("gpt-4o-2024-11-20", 2.5, 1.25, 10, 128_000, 16_384),
  row("gpt-4-turbo", 10, 10, 30, 128_000, 4_096),
  row("gpt-4-turbo-2024-04-09", 10, 10, 30, 128_000, 4_096),
  row("gpt-4o-mini", 0.15, 0.075, 0.6, 128_000, 16_384),
  row("gpt-4o-mini-2024-07-18", 0.15, 0.075, 0.6, 128_000, 16_384),
  row("chatgpt-4o-latest", 5, 5, 15, 128_000, 16_384),
  embedding("text-embedding-3-small", 0.02, 8_192),
  embedding("text-embedding-3-large", 0.13, 8_192),
  embedding("text-embedding-ada-002", 0.1, 8_192),
].map(withTiers)

/** Models that answer OpenAI's Responses API alone, which no call of the gateway goes to. */
export const openaiResponsesModels: ReadonlyArray<ModelConfig> = [
  // name, input, cached input, output, context window, output limit
  row("o3-deep-research", 10, 2.5, 40, 200_000, 100_000),
  row("o4-mini-deep-research", 2, 0.5, 8, 200_000, 100_000),
  row("o3-pro", 20, 20, 80, 200_000, 100_000),
  row("o3-pro-2025-06-10", 20, 20, 80, 200_000, 100_000),
  row("o1-pro", 150, 150, 600, 200_000, 100_000),
  row("o1-pro-2025-03-19", 150, 150, 600, 200_000, 100_000),
  row("gpt-5-pro", 15, 15, 120, 400_000, 272_000),
  row("gpt-5-pro-2025-10-06", 15, 15, 120, 400_000, 272_000),
  row("gpt-5.2-pro", 21, 21, 168, 400_000, 128_000),
  row("gpt-5.2-pro-2025-12-11", 21, 21, 168, 400_000, 128_000),
  row("gpt-5.2-codex", 1.75, 0.175, 14, 400_000, 128_000),
  row("gpt-5.3-codex", 1.75, 0.175, 14, 400_000, 128_000),
  row("gpt-5.4-pro", 30, 30, 180, 1_050_000, 128_000, LONG),
  row("gpt-5.4-pro-2026-03-05", 30, 30, 180, 1_050_000, 128_000, LONG),
  row("gpt-5.5-pro", 30, 30, 180, 1_050_000, 128_000, LONG),
  row("gpt-5.5-pro-2026-04-23", 30, 30, 180, 1_050_000, 128_000, LONG),
].map(withTiers)

export const geminiModels: ReadonlyArray<ModelConfig> = [
  row("gemini-3.8-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  row("gemini-3.7-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  row("gemini-3.6-flash", 1.5, 0.15, 7.5, 1_048_576, 65_536, INTRODUCED),
  row("gemini-3.5-flash-lite", 0.3, 0.03, 2.5, 1_048_576, 65_536),
  row("gemini-3.5-flash", 1.5, 0.15, 9, 1_048_576, 65_536),
  row("gemini-3.1-pro-preview", 2, 0.2, 12, 1_048_576, 65_536, PRO),
  row("gemini-3.1-flash-lite", 0.25, 0.025, 1.5, 1_048_576, 65_536),
  row("gemini-3-pro-preview", 2, 0.2, 12, 1_048_576, 65_536, PRO),
  row("gemini-3-flash-preview", 0.5, 0.05, 3, 1_048_576, 65_536),
  row("gemini-2.5-pro", 1.25, 0.125, 10, 1_048_576, 65_536, PRO),
  row("gemini-flash-latest", 0.3, 0.075, 2.5, 1_048_576, 65_536, {
    source: "third-party model list, unverified",
  }),
  row("gemini-2.5-flash", 0.3, 0.03, 2.5, 1_048_576, 65_536),
  row("gemini-2.5-flash-lite-preview-09-2025", 0.1, 0.01, 0.4, 65_536, 32_768),
  embedding("gemini-embedding-001", 0.15, 2_048),
]
