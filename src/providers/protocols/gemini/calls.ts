import type { FunctionResponsePart, Part } from "@google/genai"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { stringAt } from "../../../platform/json.ts"
import { toWireName } from "../function-names.ts"
import { readCall } from "../functions.ts"
import { unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { ValueBudget } from "../ValueBudget.ts"
import { lowerContent } from "./content-parts.ts"
import { signatureOf } from "./signatures.ts"

/** Names as Gemini takes them: with dots, colons and dashes too. */
const NAME = /^[A-Za-z_][\w.:-]{0,127}$/

/** Returns the name under which Gemini knows a function; undefined for one that gets too long. */
export const toGeminiName = (name: string): string | undefined => toWireName(name, NAME)

/** The calls of a conversation so far. */
export class CallHistory {
  /** Names of the functions called, by call id. */
  readonly functions = new Map<string, string>()
  /** Ids of the calls that have no result yet. */
  readonly open = new Set<string>()
  /** Where the first result stands that has more than a text. */
  mediaAt: string | undefined
  readonly values = new ValueBudget()
}

export const lowerCall = (
  history: CallHistory,
  call: unknown,
  path: string,
): Result.Result<Part, LoweringFault> =>
  Result.map(readCall(call, path, toGeminiName), ({ args, id, name }) => {
    if (id !== undefined) {
      history.functions.set(id, name)
      history.open.add(id)
    }
    const signature = signatureOf(call)
    return {
      functionCall: { ...(id !== undefined && { id }), name, args: history.values.readArguments(args) },
      ...(signature !== undefined && { thoughtSignature: signature }),
    }
  })

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
    const response = history.values.read(text) ?? { result: text }
    return { functionResponse: { id, name, response, ...(parts.length > 0 && { parts }) } }
  })
}
