/**
 * Tokens of one answer, in one convention for every provider (OpenAI's):
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
}

const MAX_TOKENS = 1_000_000_000

const isCount = (n: unknown): n is number =>
  typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= MAX_TOKENS

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
}): Usage | null => {
  const { inputTokens, outputTokens } = raw
  const cachedTokens = raw.cachedTokens ?? 0
  const cacheWriteTokens = raw.cacheWriteTokens ?? 0
  const reasoningTokens = raw.reasoningTokens ?? 0
  if (!isCount(inputTokens) || !isCount(outputTokens)) return null
  if (!isCount(cachedTokens) || !isCount(cacheWriteTokens)) return null
  if (cachedTokens + cacheWriteTokens > inputTokens) return null
  if (!isCount(reasoningTokens) || reasoningTokens > outputTokens) return null
  return { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens }
}
