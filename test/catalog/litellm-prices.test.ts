import { assert, describe, it } from "vitest"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../../src/catalog/builtin-models.ts"
import type { Price, PriceRow } from "../../src/catalog/model.ts"
import { priceAt } from "../../src/catalog/price-history.ts"
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

const text = {
  audioInputNanoPer1M: "inputNanoPer1M",
  cachedAudioInputNanoPer1M: "cachedInputNanoPer1M",
} as const

type Rates = Partial<Omit<PriceRow, "source" | "asOf">>

const deviationsOf = (name: string, price: PriceRow, theirs: Theirs): ReadonlyArray<string> => {
  const compare = (label: string, rates: Rates, suffix: string, factor = 1) =>
    kinds.flatMap(([kind, field, own]) => {
      const there = nano(theirs[`${field}${suffix}`])
      const here = rates[own]
      // Without a price of its own, audio costs what text does, and cached input what other input does.
      if (there === undefined) {
        const fallback =
          own === "cachedInputNanoPer1M"
            ? rates.inputNanoPer1M
            : own === "audioInputNanoPer1M" || own === "cachedAudioInputNanoPer1M"
              ? rates[text[own]]
              : undefined
        return factor !== 1 || here === undefined || here === fallback ? [] : [`${name}: ${kind}${label}`]
      }
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
  return [
    ...compare("", price, ""),
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
      for (const field of ["inputNanoPer1M", "outputNanoPer1M"] as const) {
        const wrong = { ...row, [field]: row[field] + 1_000 }
        assert.isAbove(deviationsOf(name, wrong, theirs).length, deviationsOf(name, row, theirs).length)
      }
    }
  })
})
