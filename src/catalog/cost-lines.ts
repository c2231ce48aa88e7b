import type { Usage } from "../domain/Usage.ts"
import { costOf, ratesFor, tierFactor } from "./cost.ts"
import type { PriceRow } from "./model.ts"

/** One kind of what an answer is billed for. */
interface CostLine {
  readonly kind: LineKind
  readonly count: number
  /** Nano-dollars per million tokens, or for each call; without the factor of a service tier. */
  readonly nanoPer1M?: number
  readonly nanoEach?: number
  /** With that factor; it need not be whole. */
  readonly nanoUsd: number
}

const LINE_KINDS = [
  ...["input", "cached_input", "cache_write", "cache_write_1h", "audio_input", "cached_audio_input"],
  ...["output", "audio_output", "image_output", "request", "web_search", "file_search"],
] as const
type LineKind = (typeof LINE_KINDS)[number]

/**
 * Tells a cost apart into what each kind of tokens and calls costs by a price row: they add up to the cost that `costOf` has by
 * this row, but for its rounding to the nano-dollar. Undefined where that has none.
 */
export const costLines = (row: PriceRow, usage: Usage): ReadonlyArray<CostLine> | undefined => {
  const { reportedNanoUsd: _reported, ...counted } = usage
  // It holds by itself, whenever the request was.
  const { validFrom: _from, ...price } = row
  const factor = tierFactor(row, usage.serviceTier)
  if (costOf(price, counted, 0).nanoUsd === null || factor === undefined) return undefined
  const rates = ratesFor(row, usage.inputTokens)
  const {
    audio_input_tokens: audioInput = 0,
    audio_output_tokens: audioOutput = 0,
    cache_write_1h_tokens: written1h = 0,
    cached_audio_tokens: cachedAudio = 0,
    file_searches: files = 0,
    image_output_tokens: imageOutput = 0,
    web_searches: searches = 0,
  } = usage.details ?? {}
  const { cachedTokens, cacheWriteTokens, inputTokens, outputTokens } = usage
  const cachedInput = rates.cachedInputNanoPer1M ?? rates.inputNanoPer1M
  const written = rates.cacheWriteNanoPer1M ?? rates.inputNanoPer1M
  const tokens = (kind: LineKind, count: number, nanoPer1M: number | undefined): ReadonlyArray<CostLine> =>
    count === 0 || nanoPer1M === undefined
      ? []
      : [{ kind, count, nanoPer1M, nanoUsd: (count * nanoPer1M * factor) / 1e12 }]
  const calls = (kind: LineKind, count: number, nanoEach: number | undefined): ReadonlyArray<CostLine> =>
    count === 0 || nanoEach === undefined ? [] : [{ kind, count, nanoEach, nanoUsd: count * nanoEach }]
  const plain = inputTokens - cachedTokens - cacheWriteTokens - (audioInput - cachedAudio)
  return [
    ...tokens("input", plain, rates.inputNanoPer1M),
    ...tokens("cached_input", cachedTokens - cachedAudio, cachedInput),
    ...tokens("cache_write", cacheWriteTokens - written1h, written),
    ...tokens("cache_write_1h", written1h, rates.cacheWrite1hNanoPer1M),
    ...tokens("audio_input", audioInput - cachedAudio, rates.audioInputNanoPer1M),
    ...tokens(
      "cached_audio_input",
      cachedAudio,
      rates.cachedAudioInputNanoPer1M ?? rates.audioInputNanoPer1M,
    ),
    ...tokens("output", outputTokens - audioOutput - imageOutput, rates.outputNanoPer1M),
    ...tokens("audio_output", audioOutput, rates.audioOutputNanoPer1M),
    ...tokens("image_output", imageOutput, rates.imageOutputNanoPer1M),
    ...calls("request", 1, row.requestNano),
    ...calls("web_search", searches, row.webSearchNano),
    ...calls("file_search", files, row.fileSearchNano),
  ]
}
