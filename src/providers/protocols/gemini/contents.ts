import type { Content, Part } from "@google/genai"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { scanJson } from "../../../platform/json-source.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../json.ts"
import type { LoweringFault } from "../Protocol.ts"
import { lowerContent } from "./content-parts.ts"
import { MAX_VALUE_LEVELS } from "./depth.ts"
import { malformed, present, unsupported } from "./wire.ts"

/** Instructions apart, turns in order, a tool's result with the name of the function it answers. */
export interface Conversation {
  readonly system: ReadonlyArray<Part>
  readonly contents: ReadonlyArray<Content>
  /** Calls in `contents` that no model of Gemini signed. Of calls made at once only the first needs a signature. */
  readonly foreignCalls: ReadonlySet<Part>
}

export const lowerMessages = (
  messages: ReadonlyArray<ChatMessage>,
): Result.Result<Conversation, LoweringFault> => {
  const conversation: Draft = {
    system: [],
    contents: [],
    foreignCalls: new Set(),
    functions: new Map(),
    piecesLeft: MAX_VALUE_PIECES,
  }
  for (const [index, message] of messages.entries()) {
    const refusal = lowerMessage(conversation, message, `messages[${index}]`)
    if (refusal !== undefined) return Result.fail(refusal)
  }
  // Gemini wants something to answer; OpenAI's models take instructions alone.
  if (conversation.contents.length === 0) append(conversation.contents, "user", conversation.system.splice(0))
  return Result.succeed(conversation)
}

/** Google documents it for calls that Gemini did not make itself: without it, Gemini 3 refuses the history. */
const FOREIGN_CALL = "skip_thought_signature_validator"

/** Signs the calls of others, for models that want every call in the history signed. */
export const withSignatures = (conversation: Conversation): Conversation => {
  const { contents, foreignCalls, system } = conversation
  if (foreignCalls.size === 0) return conversation
  const sign = (part: Part): Part =>
    foreignCalls.has(part) ? { ...part, thoughtSignature: FOREIGN_CALL } : part
  return {
    system,
    contents: contents.map((content) => ({ ...content, parts: (content.parts ?? []).map(sign) })),
    foreignCalls: new Set(),
  }
}

interface Draft extends Conversation {
  readonly system: Array<Part>
  readonly contents: Array<Content>
  readonly foreignCalls: Set<Part>
  /** Names of the functions called so far, by call id. */
  readonly functions: Map<string, string>
  /** What may still be built of the JSON that stands in texts. */
  piecesLeft: number
}

/** Fields of one object within the arguments or the result of a call: far more than any function takes or gives. */
const MAX_VALUE_FIELDS = 10_000
/** Fields, objects and lists within the arguments and results of a whole conversation. */
const MAX_VALUE_PIECES = 250_000

const lowerMessage = (conversation: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  switch (message.role) {
    case "system":
    case "developer": {
      const parts = lowerContent(message.content, `${path}.content`, "text")
      if (Result.isFailure(parts)) return parts.failure
      // One by one: the parts of a call's arguments have to fit the stack.
      for (const part of parts.success) conversation.system.push(part)
      return undefined
    }
    case "user": {
      const parts = lowerContent(message.content, `${path}.content`, "any")
      if (Result.isFailure(parts)) return parts.failure
      append(conversation.contents, "user", parts.success)
      return undefined
    }
    case "assistant":
      return lowerAssistant(conversation, message, path)
    case "tool":
      return lowerToolResult(conversation, message, path)
    default:
      return unsupported(`${path}.role`, "This role is")
  }
}

const lowerAssistant = (
  conversation: Draft,
  message: ChatMessage,
  path: string,
): LoweringFault | undefined => {
  if (present(message.function_call) !== undefined)
    return unsupported(`${path}.function_call`, "function_call is")
  if (present(message.audio) !== undefined) return unsupported(`${path}.audio`, "Earlier audio is")
  const parts = lowerContent(message.content ?? message.refusal, `${path}.content`, "any")
  if (Result.isFailure(parts)) return parts.failure
  const calls = present(message.tool_calls) ?? []
  if (!Array.isArray(calls)) return malformed(`${path}.tool_calls`, "tool_calls is a list.")
  const called: Array<Part> = []
  for (const [index, call] of calls.entries()) {
    const part = lowerCall(conversation, call, `${path}.tool_calls[${index}]`)
    if (Result.isFailure(part)) return part.failure
    called.push(part.success)
  }
  const [first] = called
  if (first !== undefined && called.every((part) => part.thoughtSignature === undefined)) {
    conversation.foreignCalls.add(first)
  }
  append(conversation.contents, "model", [...parts.success, ...called])
  return undefined
}

const lowerCall = (conversation: Draft, call: unknown, path: string): Result.Result<Part, LoweringFault> => {
  if (!isObject(call)) return Result.fail(malformed(path, "A tool call is an object."))
  if (call.type !== "function" && present(call.type) !== undefined) {
    return Result.fail(unsupported(path, "Calls of tools other than functions are"))
  }
  const called = objectAt(call, "function")
  const name = stringAt(called, "name")
  if (name === undefined) return Result.fail(malformed(`${path}.function.name`, "The name is missing."))
  const args = parseArguments(conversation, called?.arguments)
  if (args === undefined) {
    return Result.fail(
      unsupported(
        `${path}.function.arguments`,
        `Arguments that are not a JSON object of at most ${MAX_VALUE_LEVELS} levels and ${MAX_VALUE_FIELDS} fields are`,
      ),
    )
  }
  const id = stringAt(call, "id")
  if (id !== undefined) conversation.functions.set(id, name)
  // Where Google's own OpenAI-compatible API carries it.
  const signature = stringAt(objectAt(objectAt(call, "extra_content"), "google"), "thought_signature")
  return Result.succeed({
    functionCall: { ...(id !== undefined && { id }), name, args },
    ...(signature !== undefined && { thoughtSignature: signature }),
  })
}

/** Reads arguments. A function without parameters is often called with an empty text. */
const parseArguments = (conversation: Draft, value: unknown): JsonObject | undefined => {
  if (value === undefined || value === null || value === "") return {}
  return typeof value === "string" ? jsonObject(conversation, value) : undefined
}

const lowerToolResult = (
  conversation: Draft,
  message: ChatMessage,
  path: string,
): LoweringFault | undefined => {
  const id = stringAt(message, "tool_call_id")
  const name = id === undefined ? undefined : conversation.functions.get(id)
  if (id === undefined || name === undefined) {
    return unsupported(`${path}.tool_call_id`, "A result without an earlier call of its id is")
  }
  const parts = lowerContent(message.content, `${path}.content`, "text")
  if (Result.isFailure(parts)) return parts.failure
  const text = parts.success.map((part) => part.text ?? "").join("")
  const functionResponse = { id, name, response: jsonObject(conversation, text) ?? { result: text } }
  append(conversation.contents, "user", [{ functionResponse }])
  return undefined
}

const jsonObject = (conversation: Draft, text: string): JsonObject | undefined => {
  if (!/^\s*\{/.test(text)) return undefined
  const { excess, pieces } = scanJson(Buffer.from(text), {
    depth: MAX_VALUE_LEVELS,
    fields: MAX_VALUE_FIELDS,
    innerFields: MAX_VALUE_FIELDS,
    pieces: conversation.piecesLeft,
  })
  if (excess !== undefined) return undefined
  conversation.piecesLeft -= pieces
  const json = parseJson(text)
  return isObject(json) ? json : undefined
}

/**
 * Turns of one side become one content. Tool results stay apart from what the user says: Gemini counts them against
 * the calls, and takes a content with a text for the start of a new turn.
 */
const append = (contents: Array<Content>, role: "user" | "model", parts: Array<Part>): void => {
  const last = contents.at(-1)
  if (last?.parts !== undefined && last.role === role && isResult(last.parts) === isResult(parts)) {
    for (const part of parts) last.parts.push(part)
  } else {
    // A content without parts is refused.
    contents.push({ role, parts: parts.length > 0 ? parts : [{ text: "" }] })
  }
}

const isResult = (parts: ReadonlyArray<Part>): boolean => parts[0]?.functionResponse !== undefined
