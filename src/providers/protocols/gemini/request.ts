import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../json.ts"
import type { LoweringFault } from "../Protocol.ts"
import { lowerMessages, withSignatures } from "./contents.ts"
import { lowerSettings } from "./generation-config.ts"
import { needsSignatures } from "./model-generation.ts"
import { refusedByModel } from "./model-refusals.ts"
import { lowerTools } from "./tools.ts"
import { asked, type GenerateContentBody, unsupported } from "./wire.ts"

/**
 * Puts a chat into Gemini's words. What only names, stores, prices or hints is left out; so is what nobody here knows.
 * Strings are shared with the request and not copied, so the result costs little beside the bytes it is written as.
 */
export const lowerChat = (
  model: string,
  request: ChatRequest,
): Result.Result<GenerateContentBody, LoweringFault> => {
  const unserved = unservedField(request)
  if (unserved !== undefined) return Result.fail(unserved)
  const { conversation, tools } = commonParts(request)
  if (Result.isFailure(tools)) return Result.fail(tools.failure)
  const settings = lowerSettings(model, request)
  if (Result.isFailure(settings)) return Result.fail(settings.failure)
  if (Result.isFailure(conversation)) return Result.fail(conversation.failure)
  // Last: a model may refuse only what makes sense to others.
  const refused = refusedByModel(model, request)
  if (refused !== undefined) return Result.fail(refused)
  const { system, contents } = needsSignatures(model)
    ? withSignatures(conversation.success)
    : conversation.success
  return Result.succeed({
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: system, role: "user" } }),
    ...(Object.keys(settings.success).length > 0 && { generationConfig: settings.success }),
    ...tools.success,
  })
}

/** Parts of a lowered chat that are the same for every model. */
interface CommonParts {
  readonly tools: ReturnType<typeof lowerTools>
  readonly conversation: ReturnType<typeof lowerMessages>
}

/** Parts by request, since a request is lowered for every model that may serve it; they are forgotten with it. */
const partsByRequest = new WeakMap<ChatRequest, CommonParts>()

const commonParts = (request: ChatRequest): CommonParts => {
  const known = partsByRequest.get(request)
  if (known !== undefined) return known
  const tools = lowerTools(request)
  const parts = { tools, conversation: lowerMessages(request.messages) }
  partsByRequest.set(request, parts)
  return parts
}

/** Fields that change the answer and have no counterpart: leaving one out in silence would answer another question. */
const unservedFields: ReadonlyArray<readonly [field: string, asks: (value: unknown) => boolean]> = [
  ["logit_bias", (value) => !isObject(value) || Object.keys(value).length > 0],
  ["modalities", (value) => !Array.isArray(value) || value.some((each) => each !== "text")],
  ["functions", (value) => !Array.isArray(value) || value.length > 0],
  ["function_call", () => true],
  ["audio", () => true],
  ["web_search_options", () => true],
]

const unservedField = (request: ChatRequest): LoweringFault | undefined => {
  const found = unservedFields.find(
    ([field, asks]) => asked(request[field]) !== undefined && asks(request[field]),
  )
  return found && unsupported(found[0], `${found[0]} is`)
}
