import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../../../platform/json.ts"
import { present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import {
  answersJsonBesideTools,
  givesImages,
  givesManyCandidates,
  takesMediaInResults,
  takesPenalties,
} from "./model-abilities.ts"

/**
 * Finds a field that other models of Gemini take and this one refuses, of a request that can be put into its words. `mediaAt`:
 * where the result of a tool has more than a text.
 */
export const refusedByModel = (
  model: string,
  request: ChatRequest,
  mediaAt: string | undefined,
): LoweringFault | undefined => {
  if (!givesManyCandidates(model) && Number(present(request.n) ?? 1) > 1) {
    return unsupported("n", "n above 1 is", "model")
  }
  if (!takesPenalties(model)) {
    for (const field of ["frequency_penalty", "presence_penalty"]) {
      if ((present(request[field]) ?? 0) !== 0) return unsupported(field, `${field} is`, "model")
    }
  }
  if (!answersJsonBesideTools(model) && asksJson(request.response_format) && hasTools(request.tools)) {
    return unsupported("response_format", "A response_format of JSON together with tools is", "model")
  }
  if (!givesImages(model) && Array.isArray(request.modalities) && request.modalities.includes("image")) {
    return unsupported("modalities", "Answering with images is", "model")
  }
  return mediaAt === undefined || takesMediaInResults(model)
    ? undefined
    : unsupported(mediaAt, "Content other than text in the result of a tool is", "model")
}

const asksJson = (format: unknown): boolean => isObject(format) && format.type !== "text"

const hasTools = (tools: unknown): boolean => Array.isArray(tools) && tools.length > 0
