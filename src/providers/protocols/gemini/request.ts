import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../json.ts"
import { lowerMessages } from "./contents.ts"
import { lowerSettings } from "./generation-config.ts"
import { lowerTools } from "./tools.ts"
import { asked, type GenerateContentBody, type Refusal, unable } from "./wire.ts"

/**
 * A chat in Gemini's words. What only names, stores, prices or hints is left out; so is what nobody here knows. The
 * model changes the words, never whether there are any: what it refuses by itself is in `refusedByModel`.
 */
export const lowerChat = (
  model: string,
  request: ChatRequest,
): Result.Result<GenerateContentBody, Refusal> => {
  const unserved = unservedField(request)
  if (unserved !== undefined) return Result.fail(unserved)
  const tools = lowerTools(request)
  if (Result.isFailure(tools)) return Result.fail(tools.failure)
  const settings = lowerSettings(model, request)
  if (Result.isFailure(settings)) return Result.fail(settings.failure)
  const talk = lowerMessages(model, request.messages)
  if (Result.isFailure(talk)) return Result.fail(talk.failure)
  const { system, contents } = talk.success
  return Result.succeed({
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: system, role: "user" } }),
    ...(Object.keys(settings.success).length > 0 && { generationConfig: settings.success }),
    ...tools.success,
  })
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

const unservedField = (request: ChatRequest): Refusal | undefined => {
  const found = unservedFields.find(
    ([field, asks]) => asked(request[field]) !== undefined && asks(request[field]),
  )
  return found && unable(found[0], `${found[0]} is`)
}
