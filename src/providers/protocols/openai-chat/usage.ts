import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject, objectAt } from "../json.ts"

/** Reads the usage block of a chat's answer. */
export const readUsage = (usage: unknown): Usage | null => {
  if (!isObject(usage)) return null
  return makeUsage({
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    cachedTokens: objectAt(usage, "prompt_tokens_details")?.cached_tokens,
    reasoningTokens: objectAt(usage, "completion_tokens_details")?.reasoning_tokens,
  })
}

/** Reads the usage block of an embeddings answer, which has no output. */
export const readEmbeddingUsage = (usage: unknown): Usage | null =>
  isObject(usage) ? makeUsage({ inputTokens: usage.prompt_tokens, outputTokens: 0 }) : null
