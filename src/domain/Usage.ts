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
  /** The service tier that the answer came from, where the provider has such; absent: the usual one. */
  readonly serviceTier?: string
  /** What the provider says that the answer costs, in nano-dollars; absent: it says nothing. */
  readonly reportedNanoUsd?: number
}

const MAX_TOKENS = 1_000_000_000

const isCount = (n: unknown): n is number =>
  typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= MAX_TOKENS

/** Names of the usual tier, which a provider need not say. */
const USUAL_TIERS: ReadonlySet<unknown> = new Set(["default", "auto", "standard", "on_demand"])

const isTier = (tier: unknown): tier is string =>
  typeof tier === "string" && /^[\w.-]{1,64}$/.test(tier) && !USUAL_TIERS.has(tier)

const isNano = (nano: unknown): nano is number =>
  typeof nano === "number" && Number.isSafeInteger(nano) && nano >= 0

/**
 * Checks a provider's counts, which are input like any other: a missing, negative, fractional or absurd one makes
 * the usage unknown (null), never 0 or NaN. Absent sub-counts are 0; a sub-count above its total is unknown.
 */
export const makeUsage = (raw: {
  readonly inputTokens: unknown
  readonly outputTokens: unknown
  readonly cachedTokens?: unknown
  readonly cacheWriteTokens?: unknown
  readonly reasoningTokens?: unknown
  readonly serviceTier?: unknown
  readonly reportedNanoUsd?: unknown
}): Usage | null => {
  const { inputTokens, outputTokens, reportedNanoUsd, serviceTier } = raw
  const cachedTokens = raw.cachedTokens ?? 0
  const cacheWriteTokens = raw.cacheWriteTokens ?? 0
  const reasoningTokens = raw.reasoningTokens ?? 0
  if (!isCount(inputTokens) || !isCount(outputTokens)) return null
  if (!isCount(cachedTokens) || !isCount(cacheWriteTokens)) return null
  if (cachedTokens + cacheWriteTokens > inputTokens) return null
  if (!isCount(reasoningTokens) || reasoningTokens > outputTokens) return null
  return {
    inputTokens,
    outputTokens,
    cachedTokens,
    cacheWriteTokens,
    reasoningTokens,
    ...(isTier(serviceTier) && { serviceTier }),
    ...(isNano(reportedNanoUsd) && { reportedNanoUsd }),
  }
}
