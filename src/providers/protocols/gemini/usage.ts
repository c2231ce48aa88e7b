import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectsAt } from "../../../platform/json.ts"

/**
 * Reads the usage block. Thoughts are an addend beside the candidates; tool results are input beside the prompt, which includes cached
 * tokens; the total is the sum of these four (ai.google.dev/api/generate-content, UsageMetadata). Google's JSON leaves zeros out, so a
 * missing candidates count is what the total leaves for it, and unknown without a total.
 */
export const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  const prompt = usage.promptTokenCount
  const toolUse = usage.toolUsePromptTokenCount ?? 0
  const thoughts = usage.thoughtsTokenCount ?? 0
  const total = usage.totalTokenCount
  if (typeof prompt !== "number" || typeof toolUse !== "number" || typeof thoughts !== "number") return null
  if (prompt < 0 || toolUse < 0 || prompt + toolUse === 0) return null
  const candidates =
    usage.candidatesTokenCount ??
    (typeof total === "number" ? total - prompt - toolUse - thoughts : undefined)
  if (typeof candidates !== "number") return null
  if (
    exceeds(usage, "promptTokensDetails", prompt) ||
    exceeds(usage, "cacheTokensDetails", usage.cachedContentTokenCount) ||
    exceeds(usage, "candidatesTokensDetails", candidates)
  ) {
    return null
  }
  return makeUsage({
    inputTokens: prompt + toolUse,
    outputTokens: candidates + thoughts,
    totalTokens: total,
    cachedTokens: usage.cachedContentTokenCount,
    reasoningTokens: thoughts,
    serviceTier: usage.serviceTier,
    details: {
      audio_input_tokens:
        tokensOf(usage, "promptTokensDetails", "AUDIO") +
        tokensOf(usage, "toolUsePromptTokensDetails", "AUDIO"),
      cached_audio_tokens: tokensOf(usage, "cacheTokensDetails", "AUDIO"),
      audio_output_tokens: tokensOf(usage, "candidatesTokensDetails", "AUDIO"),
      image_output_tokens: tokensOf(usage, "candidatesTokensDetails", "IMAGE"),
    },
  })
}

/** Tells whether a list has more tokens than it is a list of. It may have fewer: those of documents are in none. */
const exceeds = (usage: JsonObject, list: string, count: unknown): boolean => {
  let sum = 0
  for (const { tokenCount } of objectsAt(usage, list)) sum += typeof tokenCount === "number" ? tokenCount : 0
  return sum > (typeof count === "number" ? count : 0)
}

/** Sums a modality's tokens in one of the lists of `{ modality, tokenCount }`, which has no count that is 0; NaN where one is no number. */
const tokensOf = (usage: JsonObject, list: string, modality: string): number =>
  objectsAt(usage, list).reduce(
    (sum, each) =>
      each.modality === modality
        ? sum +
          (typeof each.tokenCount === "number"
            ? each.tokenCount
            : each.tokenCount === undefined
              ? 0
              : Number.NaN)
        : sum,
    0,
  )
