import type { FunctionResponsePart, Part } from "@google/genai"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import { scanJson } from "../../../platform/json-source.ts"
import type { LoweringFault } from "../Protocol.ts"
import { lowerContent } from "./content-parts.ts"
import { MAX_VALUE_LEVELS } from "./depth.ts"
import { toGeminiName } from "./function-names.ts"
import { signatureOf } from "./signatures.ts"
import { malformed, present, unsupported } from "./wire.ts"

/** The calls of a conversation so far. */
export class CallHistory {
  /** Names of the functions called, by call id. */
  readonly functions = new Map<string, string>()
  /** Ids of the calls that have no result yet. */
  readonly open = new Set<string>()
  /** Where the first result stands that has more than a text. */
  mediaAt: string | undefined
  /** What may still be built of the JSON that stands in texts. */
  piecesLeft = MAX_VALUE_PIECES
}

/** Fields of one object within the arguments or the result of a call: far more than any function takes or gives. */
const MAX_VALUE_FIELDS = 10_000
/** Fields, objects and lists within the arguments and results of a whole conversation. */
const MAX_VALUE_PIECES = 250_000

export const lowerCall = (
  history: CallHistory,
  call: unknown,
  path: string,
): Result.Result<Part, LoweringFault> => {
  if (!isObject(call)) return Result.fail(malformed(path, "A tool call is an object."))
  if (call.type !== "function" && present(call.type) !== undefined) {
    return Result.fail(unsupported(path, "Calls of tools other than functions are"))
  }
  const called = objectAt(call, "function")
  const stated = stringAt(called, "name")
  if (stated === undefined) return Result.fail(malformed(`${path}.function.name`, "The name is missing."))
  const name = toGeminiName(stated)
  if (name === undefined)
    return Result.fail(unsupported(`${path}.function.name`, "This name of a function is"))
  const id = stringAt(call, "id")
  if (id !== undefined) {
    history.functions.set(id, name)
    history.open.add(id)
  }
  const signature = signatureOf(call)
  return Result.succeed({
    functionCall: { ...(id !== undefined && { id }), name, args: argumentsOf(history, called?.arguments) },
    ...(signature !== undefined && { thoughtSignature: signature }),
  })
}

/**
 * Reads arguments. A function without parameters is often called with an empty text; what some model wrote that is no object
 * goes on as a text, since the conversation makes sense all the same.
 */
const argumentsOf = (history: CallHistory, value: unknown): Record<string, unknown> => {
  if (value === undefined || value === null || value === "") return {}
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return jsonObject(history, text) ?? { arguments: text }
}

/** Lowers the result of a call. Beside its text it may have media, where the model takes them. */
export const lowerToolResult = (
  history: CallHistory,
  message: ChatMessage,
  path: string,
): Result.Result<Part, LoweringFault> => {
  const id = stringAt(message, "tool_call_id")
  const name = id === undefined ? undefined : history.functions.get(id)
  if (id === undefined || name === undefined) {
    return Result.fail(unsupported(`${path}.tool_call_id`, "A result without an earlier call of its id is"))
  }
  history.open.delete(id)
  return Result.map(lowerContent(message.content, `${path}.content`, "any"), (lowered) => {
    const text = lowered.map((part) => part.text ?? "").join("")
    const parts: Array<FunctionResponsePart> = lowered.flatMap(({ inlineData }) =>
      inlineData === undefined ? [] : { inlineData },
    )
    if (parts.length > 0) history.mediaAt ??= `${path}.content`
    const response = jsonObject(history, text) ?? { result: text }
    return { functionResponse: { id, name, response, ...(parts.length > 0 && { parts }) } }
  })
}

const jsonObject = (history: CallHistory, text: string): JsonObject | undefined => {
  if (!/^\s*\{/.test(text)) return undefined
  const { excess, pieces } = scanJson(Buffer.from(text), {
    depth: MAX_VALUE_LEVELS,
    fields: MAX_VALUE_FIELDS,
    innerFields: MAX_VALUE_FIELDS,
    pieces: history.piecesLeft,
  })
  if (excess !== undefined) return undefined
  history.piecesLeft -= pieces
  const json = parseJson(text)
  return isObject(json) ? json : undefined
}
