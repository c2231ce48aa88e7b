import { type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import type { WireLogprobs } from "../openai-chat/wire.ts"

/** Reads a candidate's log probabilities; null, as OpenAI has it, when there are none. */
export const readLogprobs = (candidate: JsonObject): WireLogprobs => {
  const result = objectAt(candidate, "logprobsResult")
  const chosen = objectsAt(result, "chosenCandidates")
  if (chosen.length === 0) return null
  const tops = objectsAt(result, "topCandidates")
  return {
    content: chosen.map((token, index) => ({
      ...logprob(token),
      top_logprobs: objectsAt(tops[index], "candidates").map(logprob),
    })),
    refusal: null,
  }
}

const logprob = (entry: JsonObject) => {
  const token = stringAt(entry, "token") ?? ""
  // Zero is left out of Google's JSON, and a certain token's log probability is zero.
  const value = typeof entry.logProbability === "number" ? entry.logProbability : 0
  return { token, logprob: value, bytes: [...Buffer.from(token)] }
}
