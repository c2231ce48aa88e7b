import { Schema, SchemaTransformation } from "effect"
import {
  filledList,
  list,
  MAPPING_RULE,
  optional,
  required,
  snakeCased,
  withDefault,
} from "../domain/fields.ts"
import { fromUsd, toUsd } from "../domain/Money.ts"
import { PARAMETER } from "../domain/parameters.ts"
import { matching, numberBetween, oneOf, textThat, wholeNumber } from "../domain/rules.ts"

/** Models and their prices, as the gateway computes with them and as files write them. */

/**
 * The highest price for which the cost of the largest accepted usage (10^9 tokens each way, 10^4 calls of each kind) is still a
 * safe integer of nano-dollars.
 */
export const MAX_USD_PER_1M = 4_000
const USD_RULE = `must be a price from 0 to ${MAX_USD_PER_1M} USD with at most 9 decimals`

/** Tells whether a price has at most nine decimals, which are whole nano-dollars; only those read back to the same. */
const isNanoExact = (usd: number): boolean => Math.round(usd * 1e9) / 1e9 === usd

/** Whole nano-dollars, written in USD. */
const nanoUpTo = (maxUsd: number, rule: string) =>
  numberBetween(0, maxUsd, rule)
    .check(Schema.makeFilter(isNanoExact, { message: rule, toJsonSchema: () => [{}, true] }))
    .pipe(
      Schema.decodeTo(
        Schema.Int,
        SchemaTransformation.transform<number, number>({ decode: fromUsd, encode: toUsd }),
      ),
    )

/** Nano-dollars per million tokens (0.05 USD per million = 50_000_000). */
const nanoPer1M = nanoUpTo(MAX_USD_PER_1M, USD_RULE)

const MAX_USD_EACH = 10
const nanoEach = nanoUpTo(
  MAX_USD_EACH,
  `must be a price from 0 to ${MAX_USD_EACH} USD with at most 9 decimals`,
)

export const isDay = (text: string): boolean => {
  const time = startOf(text)
  return !Number.isNaN(time) && dayOf(time) === text
}

/** Returns the first moment of a day (UTC), in epoch milliseconds. */
export const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)

/** Returns the day (UTC) of a moment in epoch milliseconds, `YYYY-MM-DD`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const day = textThat("must be a day as YYYY-MM-DD", isDay, "^\\d{4}-\\d{2}-\\d{2}$")

/** The first moment of a day (UTC), in epoch milliseconds; written as the day. */
const dayStart = day.pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transform<number, string>({ decode: startOf, encode: dayOf }),
  ),
)

const rates = {
  inputNanoPer1M: required(nanoPer1M, "USD per million tokens, 0 to 4000, at most 9 decimals"),
  cachedInputNanoPer1M: optional(nanoPer1M, "for input tokens that the provider read from its cache"),
  cacheWriteNanoPer1M: optional(nanoPer1M, "for input tokens that the provider wrote to its cache"),
  cacheWrite1hNanoPer1M: optional(nanoPer1M, "the same for those that stay there for an hour"),
  outputNanoPer1M: required(nanoPer1M, "reasoning tokens are output tokens"),
  audioInputNanoPer1M: optional(nanoPer1M, "for input tokens that are audio"),
  cachedAudioInputNanoPer1M: optional(nanoPer1M, "for audio that the provider read from its cache"),
  audioOutputNanoPer1M: optional(nanoPer1M, "for output tokens that are audio"),
  imageOutputNanoPer1M: optional(nanoPer1M, "for output tokens that are images"),
}

const rateNames = {
  inputNanoPer1M: "input_usd_per_1m",
  cachedInputNanoPer1M: "cached_input_usd_per_1m",
  cacheWriteNanoPer1M: "cache_write_usd_per_1m",
  cacheWrite1hNanoPer1M: "cache_write_1h_usd_per_1m",
  outputNanoPer1M: "output_usd_per_1m",
  audioInputNanoPer1M: "audio_input_usd_per_1m",
  cachedAudioInputNanoPer1M: "cached_audio_input_usd_per_1m",
  audioOutputNanoPer1M: "audio_output_usd_per_1m",
  imageOutputNanoPer1M: "image_output_usd_per_1m",
} as const

/** Prices of a request whose input is longer than a bound, for all of its tokens. */
const Band = Schema.Struct({
  aboveTokens: required(wholeNumber(1, 1_000_000_000), "input tokens, all of them together"),
  ...rates,
}).pipe(
  Schema.encodeKeys({ aboveTokens: "above_tokens", ...rateNames }),
  Schema.annotateEncoded({ message: MAPPING_RULE }),
)

const isRising = (bands: ReadonlyArray<typeof Band.Type>): boolean =>
  bands.every(({ aboveTokens }, i) => aboveTokens > (bands[i - 1]?.aboveTokens ?? 0))

const stated = {
  ...rates,
  requestNano: optional(nanoEach, "USD for each request, 0 to 10"),
  webSearchNano: optional(nanoEach, "USD for each search that the provider says it made, 0 to 10"),
  fileSearchNano: optional(nanoEach, "the same of files that the provider keeps"),
  serviceTiers: optional(
    Schema.Record(Schema.String, numberBetween(0, 100, "must be a factor from 0 to 100")),
    "factors of service tiers, such as `{ flex: 0.5 }`; the usual one has none, and another one's cost is `null`",
  ),
  bands: optional(
    filledList(Band).check(
      Schema.makeFilter(isRising, {
        message: "must rise in above_tokens",
        toJsonSchema: () => [{}, true],
      }),
    ),
    "for requests with more input than `above_tokens`, the highest of these first: the prices of tokens once more",
  ),
  source: required(
    matching("must say in 1 to 100 printable characters where the price comes from", /^[ -~]{1,100}$/u),
    "where the price comes from, 1 to 100 printable characters",
  ),
  asOf: required(day, "the day it was read, `YYYY-MM-DD`; source and day are kept with each cost"),
  validFrom: optional(
    dayStart,
    "first day (UTC) on which it holds, `YYYY-MM-DD`; requests that started earlier cost what held then",
  ),
}

const names = {
  ...rateNames,
  requestNano: "request_usd",
  webSearchNano: "web_search_usd",
  fileSearchNano: "file_search_usd",
  serviceTiers: "service_tiers",
  asOf: "as_of",
  validFrom: "valid_from",
} as const

/** Fills in the price of cached input, which is that of any other input unless it is stated. */
const complete = <Row extends { readonly inputNanoPer1M: number; readonly cachedInputNanoPer1M?: number }>(
  row: Row,
) => ({ ...row, cachedInputNanoPer1M: row.cachedInputNanoPer1M ?? row.inputNanoPer1M })

const Row = Schema.toType(Schema.Struct({ ...stated, cachedInputNanoPer1M: nanoPer1M }))

/** One price row: nano-dollars per million tokens, where the row comes from, and the day it was read. */
export const PriceRow = Schema.Struct(stated).pipe(
  Schema.encodeKeys(names),
  Schema.annotateEncoded({ message: MAPPING_RULE }),
  Schema.decodeTo(Row, SchemaTransformation.transform({ decode: complete, encode: (row) => row })),
)
export type PriceRow = typeof PriceRow.Type

/** What a model costs: the row that holds last, and those that held before it, latest first. */
export interface Price extends PriceRow {
  readonly earlier?: ReadonlyArray<PriceRow>
  /** What the provider itself says that an answer costs counts for more. */
  readonly reported?: Reported
}

/** Which costs a provider is believed: any, or those above 0 where it gives nothing away. */
export type Reported = "any" | "above 0"

export const ProviderName = matching("must be 1 to 64 of a-z, 0-9 and -", /^[a-z0-9-]{1,64}$/u)
const ModelName = matching("must be 1 to 200 printable characters without spaces", /^[!-~]{1,200}$/u)

/** A price row that stands apart from the model which it prices, and names it. */
export const PriceOverride = Schema.Struct({
  provider: required(ProviderName, "name of a provider"),
  model: required(ModelName, "name of one of its models"),
  ...stated,
}).pipe(
  Schema.encodeKeys(names),
  Schema.annotateEncoded({ message: MAPPING_RULE }),
  Schema.decodeTo(
    Schema.Struct({ provider: Schema.String, model: Schema.String, price: Row }),
    SchemaTransformation.transform({
      decode: ({ provider, model, ...row }) => ({ provider, model, price: complete(row) }),
      encode: ({ provider, model, price }) => ({ provider, model, ...price }),
    }),
  ),
)
export type PriceOverride = typeof PriceOverride.Type

const tokens = wholeNumber(1, 1_000_000_000)
const kind = oneOf("must be chat or embedding", ["chat", "embedding"])
const KIND = "`chat` or `embedding`; no request is sent to the other kind"

/** What a model may read. A file is a document, such as a PDF. */
const Input = oneOf("must be text, image, audio, video or file", ["text", "image", "audio", "video", "file"])
export type Input = typeof Input.Type

const Unsupported = matching("must be a parameter, such as top_p or reasoning_effort=none", PARAMETER)

const name = required(ModelName, "1 to 200 printable characters without spaces")
const facts = {
  contextWindow: optional(tokens, "tokens; a request that cannot fit is not sent"),
  maxOutputTokens: optional(tokens, "tokens; a request that asks for more is not sent"),
  inputs: optional(
    filledList(Input),
    "what it reads, of `text`, `image`, `audio`, `video`, `file`; a request with something else is not sent",
  ),
  unsupported: optional(
    list(Unsupported),
    "parameters that it refuses, such as `top_p` or `reasoning_effort=none`: see below",
  ),
  /** Absent = unknown price: cost is null with a reason. */
  price: optional(PriceRow, "unknown: the cost is `null`; routing takes it for the dearest"),
}

/** A model and what is known of it. A request of one kind is never sent to a model of the other. */
export const ModelConfig = snakeCased({ name, kind: withDefault(kind, "chat", KIND), ...facts })
export type ModelConfig = Omit<typeof ModelConfig.Type, "price"> & { readonly price?: Price }

/** A model of which the built-in list may know what is not stated, its kind included. */
export const StatedModel = snakeCased({ name, kind: optional(kind, KIND), ...facts }).pipe(
  // Said once in the JSON Schema, for all the vendors that have models.
  Schema.annotateEncoded({ identifier: "Model" }),
)
export type StatedModel = typeof StatedModel.Type
