import { Result, Schema } from "effect"
import { faultsOf } from "../domain/faults.ts"
import { type Amount, type Amounts, type Entry, matches, readEntries } from "./genai-prices-format.ts"
import { type Price, PriceOverride } from "./model.ts"

/**
 * Makes rows of prices out of the data set genai-prices, for the models that are asked for. What breaks its format or the
 * rules of a row is a fault, and nothing is taken then; what it says and a row cannot is left out, and named.
 */

/** Where its maintainers publish it. */
export const GENAI_PRICES_URL =
  "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json"

/** A model whose price is wanted. */
export interface WantedModel {
  readonly vendor: string
  /** What the data set calls the vendor. */
  readonly pricesOf: string
  readonly name: string
  readonly kind: "chat" | "embedding"
  /** What is known of it without the data set, which has no service tiers. */
  readonly known: Price | undefined
}

/** What was found, and what was not. */
export interface FoundPrices {
  readonly prices: ReadonlyArray<PriceOverride>
  /** `vendor/model` that the data set does not have. */
  readonly missing: ReadonlyArray<string>
  /** `vendor/model`, and what its row would need to say and cannot. */
  readonly inexpressible: ReadonlyArray<string>
  /** Prices of what no answer counts -> how many of the models have one. */
  readonly ignored: ReadonlyMap<string, number>
}

/** Prices of tokens here and there. */
const RATES = {
  input_mtok: "input_usd_per_1m",
  cache_read_mtok: "cached_input_usd_per_1m",
  cache_write_mtok: "cache_write_usd_per_1m",
  cache_write_1h_mtok: "cache_write_1h_usd_per_1m",
  output_mtok: "output_usd_per_1m",
  input_audio_mtok: "audio_input_usd_per_1m",
  cache_audio_read_mtok: "cached_audio_input_usd_per_1m",
  output_audio_mtok: "audio_output_usd_per_1m",
  output_image_mtok: "image_output_usd_per_1m",
} as const

/** Prices of a thousand calls there, and of one here. */
const CALLS = {
  requests_kcount: "request_usd",
  web_searches_kcount: "web_search_usd",
  storage_searches_kcount: "file_search_usd",
} as const

const decodeRow = Schema.decodeUnknownResult(PriceOverride, { errors: "all" })

/** Reads `data.json`. Rows carry `source` and `asOf`. */
export const readGenaiPrices = (
  data: unknown,
  wanted: ReadonlyArray<WantedModel>,
  about: { readonly source: string; readonly asOf: string },
): Result.Result<FoundPrices, ReadonlyArray<string>> =>
  Result.flatMap(readEntries(data, [...new Set(wanted.map(({ pricesOf }) => pricesOf))]), (entries) => {
    const faults: Array<string> = []
    const prices: Array<PriceOverride> = []
    const missing: Array<string> = []
    const inexpressible: Array<string> = []
    const ignored = new Map<string, number>()
    for (const model of wanted) {
      const name = `${model.vendor}/${model.name}`
      const entry = entries.get(model.pricesOf)?.find(({ match }) => matches(match, model.name))
      if (entry === undefined) {
        missing.push(name)
        continue
      }
      const why = whyNot(entry)
      if (why !== undefined) {
        inexpressible.push(`${name}: ${why}`)
        continue
      }
      for (const key of uncounted(entry)) ignored.set(key, (ignored.get(key) ?? 0) + 1)
      for (const { constraint, prices: amounts } of entry.prices) {
        const row = decodeRow({
          ...rowOf(amounts, model),
          source: about.source,
          as_of: about.asOf,
          provider: model.vendor,
          model: model.name,
          ...(firstDayOf(constraint) !== "" && { valid_from: firstDayOf(constraint) }),
        })
        if (Result.isSuccess(row)) prices.push(row.success)
        else faults.push(...faultsOf(row.failure.issue).map((fault) => `${name}: ${fault}`))
      }
    }
    return faults.length > 0
      ? Result.fail(faults)
      : Result.succeed({ prices, missing, inexpressible, ignored })
  })

const isCounted = (key: string): boolean => Object.hasOwn(RATES, key) || Object.hasOwn(CALLS, key)

/** Names prices of what no answer counts, so that nothing is ever charged for it. */
const uncounted = ({ prices }: Entry): ReadonlySet<string> =>
  new Set(prices.flatMap(({ prices }) => Object.keys(prices).filter((key) => !isCounted(key))))

/** Returns the first day of a price; empty when it holds ever since. */
const firstDayOf = (constraint: Entry["prices"][number]["constraint"]): string =>
  constraint !== undefined && "start_date" in constraint ? constraint.start_date : ""

/** Returns why the rows of an entry cannot be said here; undefined when they can. */
const whyNot = ({ prices }: Entry): string | undefined => {
  for (const [i, { constraint, prices: amounts }] of prices.entries()) {
    if (constraint !== undefined && "start_time" in constraint) return "prices by the time of day"
    const before = prices[i - 1]?.constraint
    // The last that holds counts there, whatever its day.
    if (i > 0 && firstDayOf(constraint) <= firstDayOf(before)) return "prices out of the order of their days"
    if (amounts.input_mtok === undefined) return "no price of input tokens"
    for (const [key, amount] of Object.entries(amounts)) {
      // Such tokens would be taken for text.
      if (key.endsWith("_mtok") && !isCounted(key)) return `a price of its own in ${key}`
      if (Object.hasOwn(CALLS, key) && typeof amount !== "number") return `bands in ${key}`
    }
  }
  return undefined
}

const at = (amount: Amount | undefined, inputTokens: number): number | undefined =>
  typeof amount === "object"
    ? (amount.tiers.toSorted((a, b) => b.start - a.start).find(({ start }) => inputTokens > start)?.price ??
      amount.base)
    : amount

/** Returns a row as a file would state it. */
const rowOf = (amounts: Amounts, { kind, known, pricesOf }: WantedModel) => {
  const tokens: Amounts = {
    ...amounts,
    // Vectors are put out for nothing, whatever is said of them.
    output_mtok: kind === "embedding" ? 0 : (amounts.output_mtok ?? 0),
    // Gemini hears; without a price of its own, audio costs what text does.
    ...(pricesOf === "google" &&
      kind === "chat" && {
        input_audio_mtok: amounts.input_audio_mtok ?? amounts.input_mtok,
        cache_audio_read_mtok: amounts.cache_audio_read_mtok ?? amounts.cache_read_mtok ?? amounts.input_mtok,
      }),
  }
  const ratesAt = (inputTokens: number) =>
    Object.fromEntries(
      Object.entries(RATES).flatMap(([key, field]) => {
        const usd = at(tokens[key], inputTokens)
        return usd === undefined ? [] : [[field, usd]]
      }),
    )
  const starts = new Set(
    Object.values(tokens).flatMap((amount) =>
      typeof amount === "object" ? amount.tiers.map(({ start }) => start) : [],
    ),
  )
  const calls = Object.entries(CALLS).flatMap(([key, field]) => {
    const usd = amounts[key]
    return typeof usd === "number" ? [[field, usd / 1_000]] : []
  })
  return {
    ...ratesAt(0),
    ...Object.fromEntries(calls),
    ...(starts.size > 0 && {
      bands: [...starts]
        .toSorted((a, b) => a - b)
        .map((start) => ({ above_tokens: start, ...ratesAt(start + 1) })),
    }),
    ...(known?.serviceTiers !== undefined && { service_tiers: known.serviceTiers }),
  }
}
