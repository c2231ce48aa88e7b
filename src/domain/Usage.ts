/**
 * What one answer is billed for: its tokens, in one convention for every provider (OpenAI's):
 * `inputTokens` includes `cachedTokens`, which were read from a cache, and `cacheWriteTokens`, which were written to one;
 * `outputTokens` includes `reasoningTokens`.
 * Protocols translate to it (Gemini reports thoughts as a separate addend).
 */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly cacheWriteTokens: number
  readonly reasoningTokens: number
  /** What few answers have, each at a price of its own; absent: nothing of it. */
  readonly details?: UsageDetails
  /** The service tier that the answer came from, where the provider has such; absent: the usual one, which has no other price. */
  readonly serviceTier?: string
  /** What the provider says that the answer costs, in nano-dollars; absent: it says nothing. */
  readonly reportedNanoUsd?: number
}

/** Names of the details, as the ledger keeps them. */
const DETAILS = [
  /** Of the input, and of it `cached_audio_tokens` were read from a cache. */
  "audio_input_tokens",
  "cached_audio_tokens",
  /** Of the tokens written to a cache, those that stay there for an hour. */
  "cache_write_1h_tokens",
  /** Of the output, as are images. */
  "audio_output_tokens",
  "image_output_tokens",
  /** Searches that the provider made itself, in any number of tokens: of the web, and of files that it keeps. */
  "web_searches",
  "file_searches",
  /** Other calls of tools that it runs itself and charges for by what no answer says, such as the minutes of a container. */
  "unpriced_calls",
] as const

const CALLS = ["web_searches", "file_searches", "unpriced_calls"] as const

/** Counts above 0. */
export type UsageDetails = { readonly [Name in (typeof DETAILS)[number]]?: number }

const MAX_TOKENS = 1_000_000_000
const MAX_CALLS = 10_000

const isCount = (n: unknown): n is number =>
  typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= MAX_TOKENS

const isNone = (n: unknown): boolean => n === undefined || n === null || n === 0

/** Names of the usual tier, which a provider need not say. */
export const USUAL_TIERS: ReadonlySet<unknown> = new Set(["default", "auto", "standard", "on_demand"])

/** Stands for a tier that is no name: not the usual one, and none that has a price. */
export const NAMELESS_TIER = "nameless"

/** Returns the name of a tier that is not the usual one. */
const tierNamed = (tier: unknown): string | undefined => {
  if (tier === undefined || tier === null || tier === "" || USUAL_TIERS.has(tier)) return undefined
  return typeof tier === "string" && /^[\w.-]{1,64}$/.test(tier) ? tier : NAMELESS_TIER
}

const isNano = (nano: unknown): nano is number =>
  typeof nano === "number" && Number.isSafeInteger(nano) && nano >= 0

/**
 * Checks a provider's counts, which are input like any other: a missing, negative, fractional or absurd one makes
 * the usage unknown (null), never 0 or NaN. Absent sub-counts are 0; a sub-count above its total is unknown, and so is
 * a total that is not the sum of its parts, which protocols first put where they belong.
 */
export const makeUsage = (raw: {
  readonly inputTokens: unknown
  readonly outputTokens: unknown
  readonly totalTokens?: unknown
  readonly cachedTokens?: unknown
  readonly cacheWriteTokens?: unknown
  readonly reasoningTokens?: unknown
  readonly details?: { readonly [Name in keyof UsageDetails]?: unknown } | undefined
  readonly serviceTier?: unknown
  readonly reportedNanoUsd?: unknown
}): Usage | null => {
  const { inputTokens, outputTokens, totalTokens, reportedNanoUsd } = raw
  const cachedTokens = raw.cachedTokens ?? 0
  const cacheWriteTokens = raw.cacheWriteTokens ?? 0
  const reasoningTokens = raw.reasoningTokens ?? 0
  if (!isCount(inputTokens) || !isCount(outputTokens)) return null
  if ((totalTokens ?? inputTokens + outputTokens) !== inputTokens + outputTokens) return null
  if (!isCount(cachedTokens) || !isCount(cacheWriteTokens)) return null
  if (cachedTokens + cacheWriteTokens > inputTokens) return null
  if (!isCount(reasoningTokens) || reasoningTokens > outputTokens) return null
  const totals = { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens }
  const details = raw.details === undefined ? undefined : detailsOf(raw.details, totals)
  if (details === null) return null
  const serviceTier = tierNamed(raw.serviceTier)
  return {
    ...totals,
    ...(details !== undefined && { details }),
    ...(serviceTier !== undefined && { serviceTier }),
    ...(isNano(reportedNanoUsd) && { reportedNanoUsd }),
  }
}

/** Returns what there is of details; null when they contradict the totals. */
const detailsOf = (
  raw: { readonly [Name in keyof UsageDetails]?: unknown },
  { inputTokens, outputTokens, cachedTokens, cacheWriteTokens }: Usage,
): UsageDetails | undefined | null => {
  // Hardly any answer has one, and every answer comes by here.
  if (
    isNone(raw.audio_input_tokens) &&
    isNone(raw.cached_audio_tokens) &&
    isNone(raw.cache_write_1h_tokens) &&
    isNone(raw.audio_output_tokens) &&
    isNone(raw.image_output_tokens) &&
    isNone(raw.web_searches) &&
    isNone(raw.file_searches) &&
    isNone(raw.unpriced_calls)
  ) {
    return undefined
  }
  const counts: { -readonly [Name in keyof UsageDetails]: number } = {}
  for (const name of DETAILS) {
    const count = raw[name] ?? 0
    if (!isCount(count)) return null
    if (count > 0) counts[name] = count
  }
  const audio = counts.audio_input_tokens ?? 0
  // Where nobody says how much of the audio was in the cache, it is what does not fit beside it.
  const beside = Math.max(0, audio - (inputTokens - cachedTokens - cacheWriteTokens))
  if (counts.cached_audio_tokens === undefined && beside > 0) counts.cached_audio_tokens = beside
  const cachedAudio = counts.cached_audio_tokens ?? 0
  if (audio > inputTokens || cachedAudio < beside || cachedAudio > Math.min(audio, cachedTokens)) return null
  if ((counts.cache_write_1h_tokens ?? 0) > cacheWriteTokens) return null
  if ((counts.audio_output_tokens ?? 0) + (counts.image_output_tokens ?? 0) > outputTokens) return null
  for (const name of CALLS) if ((counts[name] ?? 0) > MAX_CALLS) return null
  return Object.keys(counts).length === 0 ? undefined : counts
}

/** What a cost is computed from; `contradictory`: the provider counted, and it cannot be what it counted. */
export type Billed = Usage | "contradictory" | null

/** Tells a usage that was not sent, or is all zeros, from one that cannot be: a block of counts of which none could be made. */
export const billed = (usage: Usage | null, raw: unknown): Billed =>
  usage ?? (hasNumbers(raw) ? "contradictory" : null)

const hasNumbers = (raw: unknown): boolean =>
  typeof raw === "object" &&
  raw !== null &&
  Object.values(raw).some((value) => typeof value === "number" && value !== 0)
