import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject } from "../json.ts"

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
  return makeUsage({
    inputTokens: prompt + toolUse,
    outputTokens: candidates + thoughts,
    cachedTokens: usage.cachedContentTokenCount,
    reasoningTokens: thoughts,
  })
}
