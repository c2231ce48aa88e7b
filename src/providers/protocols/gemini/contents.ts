import type { Content, Part } from "@google/genai"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../json.ts"
import { lowerContent } from "./content-parts.ts"
import { isNestedWithin, MAX_VALUE_LEVELS } from "./depth.ts"
import { needsSignatures } from "./model-generation.ts"
import { asked, malformed, type Refusal, unable } from "./wire.ts"

/** The conversation: instructions apart, turns in order, a tool's result with the name of the function it answers. */
export interface Conversation {
  readonly system: Array<Part>
  readonly contents: Array<Content>
}

export const lowerMessages = (
  model: string,
  messages: ReadonlyArray<ChatMessage>,
): Result.Result<Conversation, Refusal> => {
  const talk: Talk = { system: [], contents: [], functions: new Map(), signs: needsSignatures(model) }
  for (const [index, message] of messages.entries()) {
    const refusal = lowerMessage(talk, message, `messages[${index}]`)
    if (refusal !== undefined) return Result.fail(refusal)
  }
  // Gemini wants something to answer; OpenAI's models take instructions alone.
  if (talk.contents.length === 0) append(talk.contents, "user", talk.system.splice(0))
  return Result.succeed(talk)
}

interface Talk extends Conversation {
  /** Names of the functions called so far, by call id. */
  readonly functions: Map<string, string>
  readonly signs: boolean
}

const lowerMessage = (talk: Talk, message: ChatMessage, path: string): Refusal | undefined => {
  switch (message.role) {
    case "system":
    case "developer": {
      const parts = lowerContent(message.content, `${path}.content`, "text")
      if (Result.isFailure(parts)) return parts.failure
      talk.system.push(...parts.success)
      return undefined
    }
    case "user": {
      const parts = lowerContent(message.content, `${path}.content`, "any")
      if (Result.isFailure(parts)) return parts.failure
      append(talk.contents, "user", parts.success)
      return undefined
    }
    case "assistant":
      return lowerAssistant(talk, message, path)
    case "tool":
      return lowerToolResult(talk, message, path)
    default:
      return unable(`${path}.role`, "This role is")
  }
}

const lowerAssistant = (talk: Talk, message: ChatMessage, path: string): Refusal | undefined => {
  if (asked(message.function_call) !== undefined) return unable(`${path}.function_call`, "function_call is")
  if (asked(message.audio) !== undefined) return unable(`${path}.audio`, "Earlier audio is")
  const parts = lowerContent(message.content ?? message.refusal, `${path}.content`, "any")
  if (Result.isFailure(parts)) return parts.failure
  const calls = asked(message.tool_calls) ?? []
  if (!Array.isArray(calls)) return malformed(`${path}.tool_calls`, "tool_calls is a list.")
  const called: Array<Part> = []
  for (const [index, call] of calls.entries()) {
    const part = lowerCall(talk, call, `${path}.tool_calls[${index}]`)
    if (Result.isFailure(part)) return part.failure
    called.push(part.success)
  }
  const [first] = called
  // Of calls made at once only the first has a signature.
  if (talk.signs && first !== undefined && called.every((part) => part.thoughtSignature === undefined)) {
    first.thoughtSignature = FOREIGN_CALL
  }
  append(talk.contents, "model", [...parts.success, ...called])
  return undefined
}

/** What Google documents for calls that Gemini did not make itself: without it, Gemini 3 refuses the history. */
const FOREIGN_CALL = "skip_thought_signature_validator"

const lowerCall = (talk: Talk, call: unknown, path: string): Result.Result<Part, Refusal> => {
  if (!isObject(call)) return Result.fail(malformed(path, "A tool call is an object."))
  if (call.type !== "function" && asked(call.type) !== undefined) {
    return Result.fail(unable(path, "Calls of tools other than functions are"))
  }
  const called = objectAt(call, "function")
  const name = stringAt(called, "name")
  if (name === undefined) return Result.fail(malformed(`${path}.function.name`, "The name is missing."))
  const args = parseArguments(called?.arguments)
  if (args === undefined) {
    return Result.fail(
      unable(
        `${path}.function.arguments`,
        `Arguments that are not a JSON object of at most ${MAX_VALUE_LEVELS} levels are`,
      ),
    )
  }
  const id = stringAt(call, "id")
  if (id !== undefined) talk.functions.set(id, name)
  // Where Google's own OpenAI-compatible API carries it.
  const signature = stringAt(objectAt(objectAt(call, "extra_content"), "google"), "thought_signature")
  return Result.succeed({
    functionCall: { ...(id !== undefined && { id }), name, args },
    ...(signature !== undefined && { thoughtSignature: signature }),
  })
}

/** A function without parameters is often called with an empty text. */
const parseArguments = (value: unknown): JsonObject | undefined =>
  value === undefined || value === null || value === ""
    ? {}
    : typeof value === "string"
      ? jsonObject(value)
      : undefined

const lowerToolResult = (talk: Talk, message: ChatMessage, path: string): Refusal | undefined => {
  const id = stringAt(message, "tool_call_id")
  const name = id === undefined ? undefined : talk.functions.get(id)
  if (id === undefined || name === undefined) {
    return unable(`${path}.tool_call_id`, "A result without an earlier call of its id is")
  }
  const parts = lowerContent(message.content, `${path}.content`, "text")
  if (Result.isFailure(parts)) return parts.failure
  const text = parts.success.map((part) => part.text ?? "").join("")
  const functionResponse = { id, name, response: jsonObject(text) ?? { result: text } }
  append(talk.contents, "user", [{ functionResponse }])
  return undefined
}

const jsonObject = (text: string): JsonObject | undefined => {
  const json = parseJson(text)
  return isObject(json) && isNestedWithin(json, MAX_VALUE_LEVELS) ? json : undefined
}

/**
 * Turns of one side become one content. Tool results stay apart from what the user says: Gemini counts them against
 * the calls, and takes a content with a text for the start of a new turn.
 */
const append = (contents: Array<Content>, role: "user" | "model", parts: Array<Part>): void => {
  const last = contents.at(-1)
  if (last?.parts !== undefined && last.role === role && isResult(last.parts) === isResult(parts)) {
    last.parts.push(...parts)
  } else {
    // A content without parts is refused.
    contents.push({ role, parts: parts.length > 0 ? parts : [{ text: "" }] })
  }
}

const isResult = (parts: ReadonlyArray<Part>): boolean => parts[0]?.functionResponse !== undefined
