import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject, joinObjects } from "../json.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { type Conversation, lowerMessages, withSignatures } from "./contents.ts"
import { type ChatSettings, lowerSettings, thinkingFor } from "./generation-config.ts"
import { needsSignatures } from "./model-generation.ts"
import { refusedByModel } from "./model-refusals.ts"
import { droppedFields, lowerTools, type ToolSettings } from "./tools.ts"
import { type GenerateContentBody, present, unsupported } from "./wire.ts"

/**
 * Puts a chat into Gemini's words. What only names, stores, prices or hints is left out; so is what nobody here knows.
 * The body is written when it is asked for, since most models that could serve a request are never asked.
 */
export const lowerChat = (model: string, request: ChatRequest): Result.Result<BodyWriter, LoweringFault> => {
  const common = commonParts(request)
  if (Result.isFailure(common)) return Result.fail(common.failure)
  // Last: a model may refuse only what makes sense to others.
  const refused = refusedByModel(model, request)
  if (refused !== undefined) return Result.fail(refused)
  const write = () => bodyFor(model, common.success)
  const dropped = droppedFields(request)
  return Result.succeed(dropped.length === 0 ? write : Object.assign(write, { dropped }))
}

const bodyFor = (model: string, { body, settings, settingsText }: CommonParts): string => {
  const thinkingConfig = thinkingFor(model, settings.effort)
  const generationConfig = joinObjects(settingsText(), JSON.stringify({ thinkingConfig }))
  const common = body(needsSignatures(model))
  return generationConfig === "{}" ? common : joinObjects(common, `{"generationConfig":${generationConfig}}`)
}

/** Parts of a lowered chat that are the same for every model. Each text is long, and written once when it is asked for. */
interface CommonParts {
  readonly settings: ChatSettings
  readonly settingsText: () => string
  /** Everything but the settings. */
  readonly body: (signed: boolean) => string
}

const makeParts = (tools: ToolSettings, settings: ChatSettings, conversation: Conversation): CommonParts => {
  const write = (conversation: Conversation): string => {
    const { system, contents } = conversation
    const body: GenerateContentBody = {
      contents,
      ...(system.length > 0 && { systemInstruction: { parts: system, role: "user" } }),
      ...tools,
    }
    return JSON.stringify(body)
  }
  const unsigned = once(() => write(conversation))
  const signed =
    conversation.foreignCalls.size === 0 ? unsigned : once(() => write(withSignatures(conversation)))
  return {
    settings,
    settingsText: once(() => JSON.stringify(settings.common)),
    body: (isSigned) => (isSigned ? signed() : unsigned()),
  }
}

const once = (make: () => string): (() => string) => {
  let made: string | undefined
  return () => (made ??= make())
}

/** Parts by request, since a request is lowered for every model that may serve it; they are forgotten with it. */
const partsByRequest = new WeakMap<ChatRequest, Result.Result<CommonParts, LoweringFault>>()

const commonParts = (request: ChatRequest): Result.Result<CommonParts, LoweringFault> => {
  const known = partsByRequest.get(request)
  if (known !== undefined) return known
  const parts = lowerParts(request)
  partsByRequest.set(request, parts)
  return parts
}

const lowerParts = (request: ChatRequest): Result.Result<CommonParts, LoweringFault> => {
  const unserved = unservedField(request)
  if (unserved !== undefined) return Result.fail(unserved)
  const tools = lowerTools(request)
  if (Result.isFailure(tools)) return Result.fail(tools.failure)
  const settings = lowerSettings(request)
  if (Result.isFailure(settings)) return Result.fail(settings.failure)
  return Result.map(lowerMessages(request.messages), (conversation) =>
    makeParts(tools.success, settings.success, conversation),
  )
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
    ([field, asks]) => present(request[field]) !== undefined && asks(request[field]),
  )
  return found && unsupported(found[0], `${found[0]} is`)
}
