import { Result } from "effect"
import type { CallMode, ChatRequest } from "../../../domain/Chat.ts"
import { joinObjects } from "../../../platform/json.ts"
import { remembered } from "../../../platform/remembered.ts"
import { unservedField, unsupported } from "../lowering.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { asksToThink, readThinking, thinkingField, type WantedThinking } from "../thinking.ts"
import { closed } from "./answer-schema.ts"
import { type Conversation, endsInBareCalls, lowerMessages, withoutThoughtBlocks } from "./messages.ts"
import { answersBySchema, takesOrders } from "./model-abilities.ts"
import { droppedFields, lowerSettings, type Settings, samplingFor, UNSERVED } from "./settings.ts"
import { thinkingFor } from "./thinking.ts"
import { isThought } from "./thinking-blocks.ts"
import { lowerTools, type ToolSettings, toolsOfHistory } from "./tools.ts"
import { API_VERSION, type CommonBody, type ModelBody } from "./wire.ts"

/** The limit of an answer where neither the client nor the catalog knows one: the Messages API wants one. */
const USUAL_LIMIT = 4096

/**
 * Puts a chat into Claude's words. The body is written when it is asked for, since most models that could serve a request are
 * never asked. `modelLimit`: the most tokens that the model puts out, which is the limit of an answer without one.
 */
export const lowerChat = (
  model: string,
  request: ChatRequest,
  modelLimit: number | undefined,
): Result.Result<BodyWriter, LoweringFault> => {
  const common = commonParts(request)
  if (Result.isFailure(common)) return Result.fail(common.failure)
  // Last: a model may refuse only what makes sense to others.
  const parts = common.success
  const refused = refusedByModel(model, parts)
  if (refused !== undefined) return Result.fail(refused)
  const maxTokens = parts.settings.maxTokens ?? modelLimit ?? USUAL_LIMIT
  return Result.succeed(writerOf(model, parts, maxTokens, false))
}

/** Finds a field that other models of Claude's take and this one refuses. */
const refusedByModel = (model: string, { isOrdered, settings }: CommonParts): LoweringFault | undefined => {
  if (isOrdered && !takesOrders(model)) {
    return unsupported("tool_choice", "A tool_choice that wants a call is", "model")
  }
  return settings.schema !== undefined && !answersBySchema(model)
    ? unsupported("response_format", "Answering by a JSON schema is", "model")
    : undefined
}

/** `isPlain`: without Claude's thoughts of earlier turns, and so without thinking where they would be missed. */
const writerOf = (model: string, parts: CommonParts, maxTokens: number, isPlain: boolean): BodyWriter => {
  const { isOrdered, settings, thinking: wanted } = parts
  const isBare = parts.isBare || (isPlain && parts.hasThoughts)
  const { effort, thinking } = thinkingFor(model, wanted, { isOrdered, isBare, maxTokens })
  const thinks = thinking?.type === "adaptive" || thinking?.type === "enabled"
  const sampling = samplingFor(model, settings.sampling, thinks)
  const unsampled = Object.keys(settings.sampling).filter((field) => !Object.hasOwn(sampling, field))
  return {
    write: (mode) => {
      const own: ModelBody = {
        model,
        max_tokens: maxTokens,
        ...sampling,
        ...(thinking !== undefined && { thinking }),
        ...streamed(mode),
      }
      const output = joinObjects(parts.formatText(), JSON.stringify({ effort }))
      return joinObjects(
        joinObjects(parts.body(isPlain), JSON.stringify(own)),
        output === "{}" ? output : `{"output_config":${output}}`,
      )
    },
    headers: VERSION,
    reworded: () => (isPlain || !parts.hasThoughts ? undefined : writerOf(model, parts, maxTokens, true)),
    dropped: () => {
      const isUntold = asksToThink(wanted) && thinking === undefined && effort === undefined
      // A model that thinks within a budget shows what it thinks.
      const isShown = thinking?.type === "enabled" && wanted !== undefined && "display" in wanted
      return [
        ...parts.dropped(isPlain),
        ...unsampled,
        ...(isUntold ? [parts.thinkingField] : []),
        ...(isShown ? ["thinking.display"] : []),
      ]
    },
  }
}

const VERSION = ["anthropic-version", API_VERSION]

const streamed = (mode: CallMode): Pick<ModelBody, "stream"> => (mode === "stream" ? { stream: true } : {})

/** Parts of a lowered chat that are the same for every model. Each text is long, and written once when it is asked for. */
interface CommonParts {
  readonly thinking: WantedThinking
  readonly thinkingField: string
  readonly settings: Settings
  /** The client wants a tool to be called. */
  readonly isOrdered: boolean
  readonly isBare: boolean
  /** Whether thoughts of Claude's go back to it. */
  readonly hasThoughts: boolean
  readonly dropped: (isPlain: boolean) => ReadonlyArray<string>
  /** What is told of the form of the answer. */
  readonly formatText: () => string
  /** Everything else. */
  readonly body: (isPlain: boolean) => string
}

/** Reads the parts, once for all models that may serve a request. */
const commonParts = remembered((request: ChatRequest): Result.Result<CommonParts, LoweringFault> => {
  const unserved = unservedField(request, UNSERVED)
  if (unserved !== undefined) return Result.fail(unserved)
  const tools = lowerTools(request)
  if (Result.isFailure(tools)) return Result.fail(tools.failure)
  const settings = lowerSettings(request)
  if (Result.isFailure(settings)) return Result.fail(settings.failure)
  const thinking = readThinking(request)
  if (Result.isFailure(thinking)) return Result.fail(thinking.failure)
  return Result.map(lowerMessages(request.messages), (conversation) => ({
    ...textsOf(conversation, tools.success, settings.success),
    thinking: thinking.success,
    thinkingField: thinkingField(request),
    settings: settings.success,
    isOrdered: ["any", "tool"].includes(tools.success.tool_choice?.type ?? ""),
    isBare: endsInBareCalls(conversation.turns),
    hasThoughts: conversation.turns.some(({ content }) => content.some(isThought)),
    dropped: (isPlain) => droppedFields(request, isPlain),
  }))
})

const textsOf = (
  { called, system, turns }: Conversation,
  tools: ToolSettings,
  { common, schema }: Settings,
): Pick<CommonParts, "body" | "formatText"> => {
  const texts = new Map<boolean, string>()
  let formatText: string | undefined
  return {
    formatText: () =>
      (formatText ??= JSON.stringify(
        schema === undefined ? {} : { format: { type: "json_schema", schema: closed(schema) } },
      )),
    body: (isPlain) => {
      const known = texts.get(isPlain)
      if (known !== undefined) return known
      const body: CommonBody = {
        ...(system.length > 0 && { system }),
        messages: isPlain ? withoutThoughtBlocks(turns) : turns,
        ...(tools.tools === undefined ? toolsOfHistory(called) : tools),
        ...common,
      }
      const text = JSON.stringify(body)
      texts.set(isPlain, text)
      return text
    },
  }
}
