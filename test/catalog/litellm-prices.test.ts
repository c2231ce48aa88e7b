import { assert, describe, it } from "vitest"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../../src/catalog/builtin-models.ts"
import type { Price, PriceRow } from "../../src/catalog/model.ts"
import { priceAt } from "../../src/catalog/price-history.ts"
import { presets } from "../../src/catalog/vendors.ts"
import fixture from "../fixtures/litellm-prices.json" with { type: "json" }

/** The built-in prices of today beside a second list, which others keep from the vendors' pages by themselves. */

type Theirs = Readonly<Record<string, number | undefined>>

const list: Readonly<Record<string, Theirs | undefined>> = fixture.models

/** Deviations, `model: field`, each with its reason. */
const reasons: Readonly<Record<string, string>> = {}

const explained = (reason: string, ...deviations: ReadonlyArray<string>) =>
  Object.assign(reasons, Object.fromEntries(deviations.map((deviation) => [deviation, reason])))

explained(
  "no longer listed there, since the vendor has withdrawn it",
  "o1-preview: model",
  "o1-preview-2024-09-12: model",
  "o1-mini: model",
  "o1-mini-2024-09-12: model",
  "gpt-4.5-preview: model",
  "chatgpt-4o-latest: model",
  "gemini/gemini-3-pro-preview: model",
  "gemini/gemini-2.5-flash-lite-preview-09-2025: model",
)
explained(
  "the vendor's page rounds half of 0.275 USD up",
  "o4-mini: cached input, flex",
  "o4-mini-2025-04-16: cached input, flex",
)
explained(
  "the vendor's page rounds half of 0.25 USD up",
  "gpt-5.4: cached input, flex",
  "gpt-5.4-2026-03-05: cached input, flex",
)
explained(
  "the factor is 20/11, which is no decimal number: unknown here",
  "o4-mini: priority",
  "o4-mini-2025-04-16: priority",
)
explained(
  "the factor is 5/3, which is no decimal number: unknown here",
  "gpt-4o-mini: priority",
  "gpt-4o-mini-2024-07-18: priority",
)

explained(
  "no one factor: cached input costs there what it does in the usual tier, or a rounded half of it. Unknown here",
  "gemini/gemini-2.5-flash: flex",
  "gemini/gemini-2.5-pro: flex",
  "gemini/gemini-3-flash-preview: flex",
  "gemini/gemini-3.1-pro-preview: flex",
  "gemini/gemini-3.5-flash: flex",
  "gemini/gemini-3.5-flash-lite: flex",
  "gemini/gemini-3.5-flash-lite: priority",
)

explained(
  "25 USD a thousand there, which the preview tool costs with models that do not reason; the first list has 10",
  "gpt-4.1: web search",
  "gpt-4.1-2025-04-14: web search",
  "gpt-4.1-mini: web search",
  "gpt-4.1-mini-2025-04-14: web search",
  "gpt-4o-mini: web search",
  "gpt-4o-mini-2024-07-18: web search",
)
explained(
  "nothing of a search there; the first list has it",
  "gpt-4o: web search",
  "gpt-4o-2024-11-20: web search",
  "gpt-5.2-codex: web search",
  "gpt-5.4: web search",
  "gpt-5.4-2026-03-05: web search",
  "claude-haiku-4-5: web search",
  "claude-haiku-4-5-20251001: web search",
)
explained(
  "nothing of a search in the first list: unknown here",
  "gpt-5.3-codex: web search",
  "o3-pro: web search",
  "o3-pro-2025-06-10: web search",
)
explained(
  "no answer counts the searches",
  ...geminiModels
    .filter(({ name }) => list[`gemini/${name}`]?.search_context_cost_per_query !== undefined)
    .map(({ name }) => `gemini/${name}: web search`),
  "groq/openai/gpt-oss-120b: web search",
  "groq/openai/gpt-oss-20b: web search",
  "bedrock/global.anthropic.claude-opus-5: web search",
  "bedrock/global.anthropic.claude-opus-5-5: web search",
  "bedrock/us.anthropic.claude-opus-5: web search",
  "bedrock/us.anthropic.claude-opus-5-5: web search",
)
explained(
  "not listed there: OpenRouter says what an answer costs, and its prices are for routing",
  ...presets
    .filter(({ name }) => name === "openrouter")
    .flatMap(({ models }) => models.map(({ name }) => `openrouter/${name}: model`)),
)
explained("not listed there", "mistral/devstral-2512: model")
explained(
  "nothing there, as DeepSeek counts no writes",
  "deepseek/deepseek-flash: cache write",
  "deepseek/deepseek-v4-flash: cache write",
  "deepseek/deepseek-v4-pro: cache write",
)
explained(
  "no answer of Kimi's says how long what it wrote stays: unknown here",
  "moonshot/kimi-k3: cache write for an hour",
)
explained(
  "there is Fireworks' price for any model of its size; the first list has this one's own",
  "fireworks/accounts/fireworks/models/deepseek-v4-pro: input",
  "fireworks/accounts/fireworks/models/deepseek-v4-pro: cached input",
  "fireworks/accounts/fireworks/models/deepseek-v4-pro: output",
)
explained(
  "a tenth of the input there, to the tenth of a cent; the first list has 0.014 USD",
  "fireworks/accounts/fireworks/models/gpt-oss-120b: cached input",
)
explained(
  "what Groq's own page says: the price of any other",
  "groq/openai/gpt-oss-120b: flex",
  "groq/openai/gpt-oss-20b: flex",
)
explained(
  "no one factor for all that a model counts, or none that the first list knows: unknown here",
  "fireworks/accounts/fireworks/models/deepseek-v4-pro: priority",
  "fireworks/accounts/fireworks/models/glm-5p2: priority",
  "fireworks/accounts/fireworks/models/gpt-oss-120b: priority",
  "fireworks/accounts/fireworks/models/kimi-k2p6: priority",
  "fireworks/accounts/fireworks/models/kimi-k3: priority",
)

const nano = (usdPerToken: number | undefined): number | undefined =>
  usdPerToken === undefined ? undefined : Math.round(usdPerToken * 1e15)

/** Names of a kind of token there and here. What is not stated there, or is stated here by another price, is the latter. */
const kinds = [
  ["input", "input_cost_per_token", "inputNanoPer1M"],
  ["cached input", "cache_read_input_token_cost", "cachedInputNanoPer1M"],
  ["cache write", "cache_creation_input_token_cost", "cacheWriteNanoPer1M"],
  ["cache write for an hour", "cache_creation_input_token_cost_above_1hr", "cacheWrite1hNanoPer1M"],
  ["output", "output_cost_per_token", "outputNanoPer1M"],
  ["audio input", "input_cost_per_audio_token", "audioInputNanoPer1M"],
  ["cached audio input", "cache_read_input_audio_token_cost", "cachedAudioInputNanoPer1M"],
] as const

/** What something costs that states no price of its own. */
const fallbacks: { readonly [Own in (typeof kinds)[number][2]]?: (typeof kinds)[number][2] } = {
  cachedInputNanoPer1M: "inputNanoPer1M",
  cacheWriteNanoPer1M: "inputNanoPer1M",
  audioInputNanoPer1M: "inputNanoPer1M",
  cachedAudioInputNanoPer1M: "cachedInputNanoPer1M",
}

const labels = { inputNanoPer1M: "input", outputNanoPer1M: "output", webSearchNano: "web search" } as const

type Rates = Partial<Omit<PriceRow, "source" | "asOf">>

const deviationsOf = (name: string, price: PriceRow, theirs: Theirs): ReadonlyArray<string> => {
  const compare = (label: string, rates: Rates, suffix: string, factor = 1) =>
    kinds.flatMap(([kind, field, own]) => {
      const there = nano(theirs[`${field}${suffix}`])
      const other = fallbacks[own]
      const fallback = other === undefined ? undefined : rates[other]
      if (there === undefined) {
        const here = rates[own]
        // Vectors are put out for nothing, which need not be said.
        const isSame = here === undefined || here === fallback || (own === "outputNanoPer1M" && here === 0)
        return factor !== 1 || isSame ? [] : [`${name}: ${kind}${label}`]
      }
      const here = rates[own] ?? (own === "cacheWriteNanoPer1M" ? fallback : undefined)
      return here !== undefined && Math.round(here * factor) === there ? [] : [`${name}: ${kind}${label}`]
    })
  const bounds = Object.keys(theirs).flatMap((field) => {
    const [, thousands] = /^input_cost_per_token_above_(\d+)k_tokens$/.exec(field) ?? []
    return thousands === undefined ? [] : [Number(thousands) * 1_000]
  })
  const bands = price.bands ?? []
  const tiers = ["flex", "priority"].flatMap((tier) => {
    const factor = price.serviceTiers?.[tier]
    const known = theirs[`input_cost_per_token_${tier}`] !== undefined
    if (factor === undefined || !known) return (factor === undefined) === known ? [`${name}: ${tier}`] : []
    return [
      ...compare(`, ${tier}`, price, `_${tier}`, factor),
      ...bands.flatMap((band) =>
        compare(`, long, ${tier}`, band, `_above_${band.aboveTokens / 1_000}k_tokens_${tier}`, factor),
      ),
    ]
  })
  const search = theirs.search_context_cost_per_query
  return [
    ...compare("", price, ""),
    ...(price.webSearchNano === (search && Math.round(search * 1e9)) ? [] : [`${name}: web search`]),
    ...(bounds.join() === bands.map(({ aboveTokens }) => aboveTokens).join() ? [] : [`${name}: bands`]),
    ...bands.flatMap((band) => compare(", long", band, `_above_${band.aboveTokens / 1_000}k_tokens`)),
    ...tiers,
  ]
}

const today = Date.parse(`${fixture.about.taken}T12:00:00Z`)

const rows: ReadonlyArray<readonly [name: string, price: Price | undefined]> = [
  ...[...openaiModels, ...openaiResponsesModels].map(({ name, price }) => [name, price] as const),
  ...geminiModels.map(({ name, price }) => [`gemini/${name}`, price] as const),
  ...anthropicModels.map(({ name, price }) => [name, price] as const),
  ...presets
    // Their rows are those of others.
    .filter(({ name }) => name !== "azure" && name !== "vertex")
    .flatMap(({ models, name: vendor, unserved }) =>
      [...models, ...unserved].map(({ name, price }) => [`${vendor}/${name}`, price] as const),
    ),
]

describe("the built-in prices", () => {
  it("are those of the second list, but for what has a reason", () => {
    const deviations = rows.flatMap(([name, price]) => {
      const row = priceAt(price, today)
      assert(row !== undefined, name)
      const theirs = list[name]
      return theirs === undefined ? [`${name}: model`] : deviationsOf(name, row, theirs)
    })
    assert.deepStrictEqual(deviations.toSorted(), Object.keys(reasons).toSorted())
  })

  it("would not be, were any of them another", () => {
    for (const [name, price] of rows) {
      const row = priceAt(price, today)
      const theirs = list[name]
      if (row === undefined || theirs === undefined) continue
      for (const field of ["inputNanoPer1M", "outputNanoPer1M", "webSearchNano"] as const) {
        if (reasons[`${name}: ${labels[field]}`] !== undefined) continue
        const wrong = { ...row, [field]: (row[field] ?? 0) + 1_000 }
        assert.isAbove(deviationsOf(name, wrong, theirs).length, deviationsOf(name, row, theirs).length)
      }
    }
  })
})
