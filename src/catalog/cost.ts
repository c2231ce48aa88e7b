import { NanoUsd } from "../domain/Money.ts"
import type { Billed, Usage, UsageDetails } from "../domain/Usage.ts"
import { remembered } from "../platform/remembered.ts"
import { dayOf, MAX_USD_PER_1M, type Price, type PriceRow } from "./model.ts"
import { priceAt } from "./price-history.ts"

/** Why a cost is unknown. Unknown is null, never 0. */
type UnpricedReason =
  | "unknown_model"
  | "missing_usage"
  | "contradictory_usage"
  | "unpriced_usage"
  | "unknown_service_tier"
  | "implausible_cost"

export type Cost =
  | { readonly nanoUsd: NanoUsd; readonly reason: null; readonly priceVersion: string }
  | { readonly nanoUsd: null; readonly reason: UnpricedReason; readonly priceVersion: string | null }

/** Stands for the price row of a cost that the provider itself reported. */
const REPORTED = "provider"

/** Names the price row that a cost was computed from, stored beside it: its source, when it was read and since when it holds. */
export const priceVersion = remembered(({ source, asOf, validFrom }: PriceRow): string =>
  validFrom === undefined ? `${source}@${asOf}` : `${source}@${asOf} from ${dayOf(validFrom)}`,
)

/** Says the same by its parts, as operators are shown it. */
export const sourceOf = ({ asOf, source, validFrom }: PriceRow) => ({
  source,
  as_of: asOf,
  valid_from: validFrom === undefined ? null : dayOf(validFrom),
})

type Rates = Omit<NonNullable<PriceRow["bands"]>[number], "aboveTokens">

/** Returns the prices of a request with so many input tokens: one band holds for all of its tokens. */
export const ratesFor = (price: PriceRow, inputTokens: number): Rates =>
  price.bands === undefined ? price : (bandFor(price.bands, inputTokens) ?? price)

/** Apart, since a function that captures a variable costs each of its calls half as much again. */
const bandFor = (bands: NonNullable<PriceRow["bands"]>, inputTokens: number): Rates | undefined =>
  bands.findLast(({ aboveTokens }) => inputTokens > aboveTokens)

const PER = 1_000_000n

/** Factors of service tiers are kept to this part. */
const FACTOR_PARTS = 1_000_000

/** Returns the factor of a tier in millionths; undefined where the row does not know it. */
export const tierFactor = ({ serviceTiers = {} }: PriceRow, tier: string | undefined): number | undefined => {
  if (tier === undefined) return FACTOR_PARTS
  // The provider names it: what every object has is no tier.
  const factor = Object.hasOwn(serviceTiers, tier) ? serviceTiers[tier] : undefined
  return factor === undefined ? undefined : Math.round(factor * FACTOR_PARTS)
}

/** Returns what all tokens would cost if they were text; in nano-dollars, times a million. */
const textCost = (
  { inputNanoPer1M, cachedInputNanoPer1M, cacheWriteNanoPer1M, outputNanoPer1M }: Rates,
  { inputTokens, cachedTokens, cacheWriteTokens, outputTokens }: Usage,
): bigint => {
  const total =
    BigInt(inputTokens - cachedTokens - cacheWriteTokens) * BigInt(inputNanoPer1M) +
    BigInt(cachedTokens) * BigInt(cachedInputNanoPer1M ?? inputNanoPer1M) +
    BigInt(outputTokens) * BigInt(outputNanoPer1M)
  // Few vendors write to a cache, and a product costs what the other three do.
  return cacheWriteTokens === 0
    ? total
    : total + BigInt(cacheWriteTokens) * BigInt(cacheWriteNanoPer1M ?? inputNanoPer1M)
}

/**
 * Returns the same in nano-dollars, rounded half up, of nearly every answer: those of which numbers hold each sum exactly. That
 * costs a tenth of what it does in BigInt.
 */
const smallTextCost = (
  { inputNanoPer1M, cachedInputNanoPer1M, cacheWriteNanoPer1M, outputNanoPer1M }: Rates,
  { inputTokens, cachedTokens, cacheWriteTokens, outputTokens }: Usage,
): number | undefined => {
  const total =
    (inputTokens - cachedTokens - cacheWriteTokens) * inputNanoPer1M +
    cachedTokens * (cachedInputNanoPer1M ?? inputNanoPer1M) +
    cacheWriteTokens * (cacheWriteNanoPer1M ?? inputNanoPer1M) +
    outputTokens * outputNanoPer1M +
    500_000
  return total <= Number.MAX_SAFE_INTEGER ? (total - (total % 1_000_000)) / 1_000_000 : undefined
}

/** Returns what has to be added to that for what is no text; undefined where a price of it is not known. */
const extraCost = (rates: Rates, details: UsageDetails): bigint | undefined => {
  const { inputNanoPer1M, audioInputNanoPer1M, outputNanoPer1M } = rates
  const cachedAudio = details.cached_audio_tokens ?? 0
  const parts: ReadonlyArray<readonly [tokens: number | undefined, own: number | undefined, text: number]> = [
    [(details.audio_input_tokens ?? 0) - cachedAudio, audioInputNanoPer1M, inputNanoPer1M],
    [
      cachedAudio,
      rates.cachedAudioInputNanoPer1M ?? audioInputNanoPer1M,
      rates.cachedInputNanoPer1M ?? inputNanoPer1M,
    ],
    [details.cache_write_1h_tokens, rates.cacheWrite1hNanoPer1M, rates.cacheWriteNanoPer1M ?? inputNanoPer1M],
    [details.audio_output_tokens, rates.audioOutputNanoPer1M, outputNanoPer1M],
    [details.image_output_tokens, rates.imageOutputNanoPer1M, outputNanoPer1M],
  ]
  let extra = 0n
  for (const [tokens = 0, own, text] of parts) {
    if (tokens === 0) continue
    if (own === undefined) return undefined
    extra += BigInt(tokens) * BigInt(own - text)
  }
  return extra
}

/** Returns what is paid for calls, not for tokens, in nano-dollars; undefined where a price of it is not known. */
const callsCost = (
  { fileSearchNano, requestNano = 0, webSearchNano }: PriceRow,
  details: UsageDetails | undefined,
): number | undefined => {
  if (details === undefined) return requestNano
  const { file_searches: files = 0, unpriced_calls: others = 0, web_searches: searches = 0 } = details
  if (others > 0) return undefined
  if ((searches > 0 && webSearchNano === undefined) || (files > 0 && fileSearchNano === undefined)) {
    return undefined
  }
  return requestNano + searches * (webSearchNano ?? 0) + files * (fileSearchNano ?? 0)
}

const unpriced = (price: PriceRow, reason: UnpricedReason): Cost => ({
  nanoUsd: null,
  reason,
  priceVersion: priceVersion(price),
})

/**
 * Price of one answer, rounded half up to the nano-dollar, by the row that held when its request started (epoch
 * milliseconds). Exact: products exceed 2^53, so BigInt. What the provider itself reports counts where nothing else is known,
 * and where the provider is known to report what it charges.
 */
export const costOf = (history: Price | undefined, usage: Billed, startedAt: number): Cost => {
  const price = priceAt(history, startedAt)
  const own = price === undefined ? UNKNOWN : costBy(price, usage)
  if (typeof usage !== "object" || usage?.reportedNanoUsd === undefined) return own
  const isBelieved =
    price === undefined ||
    history?.reported === "any" ||
    (history?.reported === "above 0" && usage.reportedNanoUsd > 0)
  return isBelieved ? reportedCost(usage.reportedNanoUsd, usage, own) : own
}

const UNKNOWN: Cost = { nanoUsd: null, reason: "unknown_model", priceVersion: null }

/** A reported cost may be so many times what the tokens cost here: it has what no answer counts. */
const MAX_TIMES = 1_000
/** And as much more, for what is charged beside the tokens: a thousand of them may have made a search or an image. */
const MAX_BESIDE_NANO = 1_000_000_000
/** What no token costs more than. */
const DEAREST_NANO = (MAX_USD_PER_1M * 1e9) / 1e6

/** Returns a cost as the provider reports it, unless no such answer can cost as much. */
const reportedCost = (nanoUsd: number, { inputTokens, outputTokens }: Usage, own: Cost): Cost => {
  const most = own.nanoUsd ? own.nanoUsd * MAX_TIMES : (inputTokens + outputTokens) * DEAREST_NANO
  return nanoUsd > most + MAX_BESIDE_NANO
    ? { nanoUsd: null, reason: "implausible_cost", priceVersion: REPORTED }
    : { nanoUsd: NanoUsd.make(nanoUsd), reason: null, priceVersion: REPORTED }
}

const costBy = (price: PriceRow, usage: Billed): Cost => {
  if (usage === null) return unpriced(price, "missing_usage")
  if (usage === "contradictory") return unpriced(price, "contradictory_usage")
  const { details, inputTokens, serviceTier } = usage
  const factor = tierFactor(price, serviceTier)
  if (factor === undefined) return unpriced(price, "unknown_service_tier")
  const rates = ratesFor(price, inputTokens)
  const calls = callsCost(price, details)
  if (details === undefined && factor === FACTOR_PARTS && calls !== undefined) {
    const small = smallTextCost(rates, usage)
    if (small !== undefined) return priced(price, small + calls)
  }
  const extra = details === undefined ? 0n : extraCost(rates, details)
  if (extra === undefined || calls === undefined) return unpriced(price, "unpriced_usage")
  let total = textCost(rates, usage)
  if (extra !== 0n) total += extra
  const per = factor === FACTOR_PARTS ? PER : PER * BigInt(FACTOR_PARTS)
  if (factor !== FACTOR_PARTS) total *= BigInt(factor)
  return priced(price, Number((total + per / 2n) / per) + calls)
}

// An assertion: a sum of products of whole numbers is one, and each request has several costs computed.
const priced = (price: PriceRow, nanoUsd: number): Cost => ({
  nanoUsd: nanoUsd as NanoUsd,
  reason: null,
  priceVersion: priceVersion(price),
})

/** Expected price before the call, in nano-dollars, with so many of its input tokens in the provider's cache. */
export const expectedCost = (
  price: PriceRow,
  inputTokens: number,
  cachedTokens: number,
  outputTokens: number,
): number => {
  const { cachedInputNanoPer1M, inputNanoPer1M, outputNanoPer1M } = ratesFor(price, inputTokens)
  const cached = Math.min(cachedTokens, inputTokens)
  const input = (inputTokens - cached) * inputNanoPer1M + cached * (cachedInputNanoPer1M ?? inputNanoPer1M)
  return (input + outputTokens * outputNanoPer1M) / 1e6 + (price.requestNano ?? 0)
}

/** Tells whether a price is stated for it, with so much input or more. */
export const isPriced = (price: PriceRow, rate: keyof Rates): boolean =>
  price[rate] !== undefined || price.bands?.some((band) => band[rate] !== undefined) === true

/** What a call may come to, for the most that it may cost. */
interface Bounds {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Whether input may be audio. */
  readonly hasAudio: boolean
  /** Whether input may be written to a cache for an hour. */
  readonly isForAnHour: boolean
  /** Tiers that may be served instead of the usual one. */
  readonly serviceTiers: ReadonlyArray<string>
}

/**
 * Returns the most that the tokens of a call may cost, and the call itself, in nano-dollars, to be rounded up: each token at the
 * dearest that it may turn out to be. Searches and the like are not among it.
 */
export const mostCost = (price: PriceRow, bounds: Bounds): number => {
  const { inputTokens, outputTokens, serviceTiers } = bounds
  let input = dearestInput(price, bounds)
  let output = dearestOutput(price)
  for (const band of price.bands ?? NO_BANDS) {
    if (band.aboveTokens >= inputTokens) break
    input = Math.max(input, dearestInput(band, bounds))
    output = Math.max(output, dearestOutput(band))
  }
  const calls = price.requestNano ?? 0
  let factor = FACTOR_PARTS
  for (const tier of serviceTiers) factor = Math.max(factor, tierFactor(price, tier) ?? 0)
  const total = inputTokens * input + outputTokens * output
  if (factor === FACTOR_PARTS && total <= Number.MAX_SAFE_INTEGER) return total / 1e6 + calls
  const exact = BigInt(inputTokens) * BigInt(input) + BigInt(outputTokens) * BigInt(output)
  const per = PER * BigInt(FACTOR_PARTS)
  return Number((exact * BigInt(factor) + per - 1n) / per) + calls
}

const NO_BANDS: NonNullable<PriceRow["bands"]> = []

const dearestInput = (rates: Rates, { hasAudio, isForAnHour }: Bounds): number => {
  const { cacheWriteNanoPer1M = 0, cachedInputNanoPer1M = 0, inputNanoPer1M } = rates
  const dearest = Math.max(inputNanoPer1M, cachedInputNanoPer1M, cacheWriteNanoPer1M)
  if (!hasAudio && !isForAnHour) return dearest
  const { audioInputNanoPer1M = 0, cachedAudioInputNanoPer1M = 0, cacheWrite1hNanoPer1M = 0 } = rates
  const audio = hasAudio ? Math.max(audioInputNanoPer1M, cachedAudioInputNanoPer1M) : 0
  return Math.max(dearest, audio, isForAnHour ? cacheWrite1hNanoPer1M : 0)
}

const dearestOutput = ({
  audioOutputNanoPer1M = 0,
  imageOutputNanoPer1M = 0,
  outputNanoPer1M,
}: Rates): number => Math.max(outputNanoPer1M, audioOutputNanoPer1M, imageOutputNanoPer1M)
