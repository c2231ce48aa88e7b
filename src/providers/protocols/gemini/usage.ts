import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectsAt } from "../../../platform/json.ts"

/**
 * Reads the usage block. Thoughts are an addend beside the candidates; tool results are input beside the prompt, which includes cached
 * tokens. Google's JSON leaves zeros out, so a missing candidates count is what the total leaves for it, and
 * unknown without a total.
 */
export const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  const prompt = usage.promptTokenCount
  const toolUse = usage.toolUsePromptTokenCount ?? 0
  const thoughts = usage.thoughtsTokenCount ?? 0
  const total = usage.totalTokenCount
  if (typeof prompt !== "number" || typeof toolUse !== "number" || typeof thoughts !== "number") return null
  if (prompt < 0 || toolUse < 0) return null
  const candidates =
    usage.candidatesTokenCount ??
    (typeof total === "number" ? total - prompt - toolUse - thoughts : undefined)
  if (typeof candidates !== "number") return null
  if (typeof total === "number" && total < prompt + candidates) return null
  return makeUsage({
    inputTokens: prompt + toolUse,
    outputTokens: candidates + thoughts,
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

/** Sums a modality's tokens in one of the lists of `{ modality, tokenCount }`; NaN where one has no number. */
const tokensOf = (usage: JsonObject, list: string, modality: string): number =>
  objectsAt(usage, list).reduce(
    (sum, each) =>
      each.modality === modality
        ? sum + (typeof each.tokenCount === "number" ? each.tokenCount : Number.NaN)
        : sum,
    0,
  )
