import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { joinObjects } from "../../../platform/json.ts"
import { remembered } from "../../../platform/remembered.ts"
import { CLAUDES_ALONE, OPENAIS_ALONE, type Unserved, unservedField } from "../lowering.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { asksToThink, thinkingField } from "../thinking.ts"
import { type Conversation, lowerMessages } from "./contents.ts"
import { lowerSettings } from "./generation-config.ts"
import { droppedFields, lowerGoogleSettings, readGoogleFields } from "./google-fields.ts"
import { signaturesFor } from "./model-abilities.ts"
import { refusedByModel } from "./model-refusals.ts"
import { type Signatures, withSignatures } from "./signatures.ts"
import { lowerThinking, type Thinking, thinkingFor } from "./thinking.ts"
import { lowerTools } from "./tools.ts"
import type { GenerateContentBody, GenerationSettings } from "./wire.ts"

/**
 * Puts a chat into Gemini's words. What only names, stores, prices or hints is left out; so is what nobody here knows.
 * The body is written when it is asked for, since most models that could serve a request are never asked.
 */
export const lowerChat = (model: string, request: ChatRequest): Result.Result<BodyWriter, LoweringFault> => {
  const common = commonParts(request)
  if (Result.isFailure(common)) return Result.fail(common.failure)
  // Last: a model may refuse only what makes sense to others.
  const parts = common.success
  const refused = refusedByModel(model, request, parts.mediaAt)
  if (refused !== undefined) return Result.fail(refused)
  const signatures = signaturesFor(model)
  const writerOf = (own: Signatures, reworded?: () => BodyWriter | undefined): BodyWriter => ({
    write: () => bodyFor(model, parts, own),
    ...(reworded !== undefined && { reworded }),
    dropped: () => {
      const isUntold = asksToThink(parts.thinking) && thinkingFor(model, parts.thinking) === undefined
      return [...parts.dropped(), ...(isUntold ? [thinkingField(request)] : [])]
    },
  })
  return Result.succeed(
    writerOf(signatures, () =>
      parts.hasSignatures ? writerOf(signatures === "complete" ? "renewed" : "none") : undefined,
    ),
  )
}

const bodyFor = (model: string, parts: CommonParts, signatures: Signatures): string => {
  const thinkingConfig = thinkingFor(model, parts.thinking)
  const generationConfig = joinObjects(parts.settingsText(), JSON.stringify({ thinkingConfig }))
  const common = parts.body(signatures)
  return generationConfig === "{}" ? common : joinObjects(common, `{"generationConfig":${generationConfig}}`)
}

/** Parts of a lowered chat that are the same for every model. Each text is long, and written once when it is asked for. */
interface CommonParts {
  readonly thinking: Thinking
  readonly settingsText: () => string
  /** Everything but the settings. */
  readonly body: (signatures: Signatures) => string
  /** Whether a signature goes out, of the client's or in place of one. */
  readonly hasSignatures: boolean
  readonly dropped: () => ReadonlyArray<string>
  readonly mediaAt: string | undefined
}

const makeParts = (
  rest: Omit<GenerateContentBody, "contents" | "systemInstruction">,
  settings: GenerationSettings,
  { system, contents, unsigned, isSigned }: Conversation,
): Pick<CommonParts, "body" | "hasSignatures" | "settingsText"> => {
  const hasSignatures = isSigned || unsigned.size > 0
  const texts = new Map<Signatures, string>()
  const write = (signatures: Signatures): string => {
    const body: GenerateContentBody = {
      contents: withSignatures(contents, unsigned, signatures),
      ...(system.length > 0 && { systemInstruction: { parts: system, role: "user" } }),
      ...rest,
    }
    return JSON.stringify(body)
  }
  let settingsText: string | undefined
  return {
    hasSignatures,
    settingsText: () => (settingsText ??= JSON.stringify(settings)),
    body: (wanted) => {
      const signatures = hasSignatures ? wanted : "own"
      const known = texts.get(signatures)
      if (known !== undefined) return known
      const text = write(signatures)
      texts.set(signatures, text)
      return text
    },
  }
}

/** Reads the parts, once for all models that may serve a request. */
const commonParts = remembered((request: ChatRequest): Result.Result<CommonParts, LoweringFault> => {
  const unserved = unservedField(request, UNSERVED)
  if (unserved !== undefined) return Result.fail(unserved)
  const fields = readGoogleFields(request)
  if (Result.isFailure(fields)) return Result.fail(fields.failure)
  const google = fields.success
  const tools = lowerTools(request)
  if (Result.isFailure(tools)) return Result.fail(tools.failure)
  const settings = lowerSettings(request, google)
  if (Result.isFailure(settings)) return Result.fail(settings.failure)
  const thinking = lowerThinking(request, google)
  if (Result.isFailure(thinking)) return Result.fail(thinking.failure)
  const beside = lowerGoogleSettings(request, google)
  if (Result.isFailure(beside)) return Result.fail(beside.failure)
  return Result.map(lowerMessages(request.messages), (conversation) => ({
    ...makeParts({ ...tools.success, ...beside.success }, settings.success, conversation),
    thinking: thinking.success,
    dropped: () => droppedFields(request),
    mediaAt: conversation.history.mediaAt,
  }))
})

/** Fields that change the answer and have no counterpart. */
const UNSERVED: Unserved = [...OPENAIS_ALONE, ...CLAUDES_ALONE.map((field) => [field, () => true] as const)]
