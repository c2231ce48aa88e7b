import type { Content, Part } from "@google/genai"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { objectsAt } from "../../../platform/json.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { withoutThoughts } from "../thinking.ts"
import { CallHistory, lowerCall, lowerToolResult } from "./calls.ts"
import { lowerContent } from "./content-parts.ts"
import { signatureOf } from "./signatures.ts"

/** Instructions apart, turns in order, a tool's result with the name of the function it answers. */
export interface Conversation {
  readonly system: ReadonlyArray<Part>
  readonly contents: ReadonlyArray<Content>
  /** First calls of turns in `contents` that no model of Gemini signed. Of calls made at once only the first needs a signature. */
  readonly unsigned: ReadonlySet<Part>
  /** True when a part of `contents` has a signature. */
  readonly isSigned: boolean
  readonly history: Pick<CallHistory, "mediaAt">
}

export const lowerMessages = (
  messages: ReadonlyArray<ChatMessage>,
): Result.Result<Conversation, LoweringFault> => {
  const draft: Draft = {
    system: [],
    contents: [],
    unsigned: new Set(),
    isSigned: false,
    history: new CallHistory(),
    held: [],
  }
  for (const [index, message] of messages.entries()) {
    const refusal = lowerMessage(draft, message, `messages[${index}]`)
    if (refusal !== undefined) return Result.fail(refusal)
  }
  release(draft)
  // Gemini wants something to answer; OpenAI's models take instructions alone.
  if (draft.contents.length === 0) append(draft.contents, "user", draft.system.splice(0))
  // It takes a call only after a turn of the user; of a history that was cut short, that turn may be gone.
  if (isCall(draft.contents[0])) draft.contents.unshift({ role: "user", parts: [{ text: "Continue." }] })
  return Result.succeed(draft)
}

const NO_RESULT = "No result."

interface Draft extends Conversation {
  readonly system: Array<Part>
  readonly contents: Array<Content>
  readonly unsigned: Set<Part>
  isSigned: boolean
  readonly history: CallHistory
  /** Instructions that stand between a call and its result, where Gemini takes nothing. */
  readonly held: Array<Part>
}

const lowerMessage = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  switch (message.role) {
    case "system":
    case "developer":
      return lowerInstruction(draft, message, path)
    case "user": {
      const parts = lowerContent(message.content, `${path}.content`, "any")
      if (Result.isFailure(parts)) return parts.failure
      release(draft)
      append(draft.contents, "user", parts.success)
      return undefined
    }
    case "assistant":
      release(draft)
      return lowerAssistant(draft, message, path)
    case "tool": {
      const result = lowerToolResult(draft.history, message, path)
      if (Result.isFailure(result)) return result.failure
      append(draft.contents, "user", [result.success])
      return undefined
    }
    default:
      return unsupported(`${path}.role`, "This role is")
  }
}

/**
 * Lowers instructions. Those at the beginning stand apart; later ones keep their place, as the user's words: what came
 * before them stays the same from one turn to the next, which prompt caches live on.
 */
const lowerInstruction = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  const parts = lowerContent(message.content, `${path}.content`, "text")
  if (Result.isFailure(parts)) return parts.failure
  if (parts.success.length === 0) return undefined
  const isFirst = draft.contents.length === 0
  push(isFirst ? draft.system : draft.held, parts.success)
  if (!isFirst && draft.history.open.size === 0) release(draft)
  return undefined
}

/** Gives calls without a result an empty one, since Gemini counts results against calls; held instructions follow. */
const release = ({ contents, held, history }: Draft): void => {
  for (const id of history.open) {
    const name = history.functions.get(id) ?? ""
    append(contents, "user", [{ functionResponse: { id, name, response: { result: NO_RESULT } } }])
  }
  history.open.clear()
  if (held.length > 0) append(contents, "user", held.splice(0))
}

const lowerAssistant = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  if (present(message.function_call) !== undefined)
    return unsupported(`${path}.function_call`, "function_call is")
  if (present(message.audio) !== undefined) return unsupported(`${path}.audio`, "Earlier audio is")
  const parts = lowerContent(withoutThoughts(message.content) ?? message.refusal, `${path}.content`, "any")
  if (Result.isFailure(parts)) return parts.failure
  const images = lowerImages(message, path)
  if (Result.isFailure(images)) return images.failure
  const calls = present(message.tool_calls) ?? []
  if (!Array.isArray(calls)) return malformed(`${path}.tool_calls`, "tool_calls is a list.")
  const called: Array<Part> = []
  for (const [index, call] of calls.entries()) {
    const part = lowerCall(draft.history, call, `${path}.tool_calls[${index}]`)
    if (Result.isFailure(part)) return part.failure
    called.push(part.success)
  }
  const [first] = called
  if (first !== undefined && first.thoughtSignature === undefined) draft.unsigned.add(first)
  const said = [...withSignature(parts.success, signatureOf(message)), ...images.success, ...called]
  draft.isSigned ||= said.some(({ thoughtSignature }) => thoughtSignature !== undefined)
  append(draft.contents, "model", said)
  return undefined
}

/** Puts the signature of a text to its last part; one that came with an empty text goes back with one. */
const withSignature = (parts: ReadonlyArray<Part>, thoughtSignature: string | undefined): Array<Part> => {
  if (thoughtSignature === undefined) return [...parts]
  const last = parts.at(-1) ?? { text: "" }
  return [...parts.slice(0, -1), { ...last, thoughtSignature }]
}

/** Lowers the images that a model gave in an earlier turn, where this gateway puts them. */
const lowerImages = (message: ChatMessage, path: string): Result.Result<Array<Part>, LoweringFault> => {
  const images = objectsAt(message, "images")
  return Result.map(lowerContent(images, `${path}.images`, "any"), (parts) =>
    parts.map((part, index) => {
      const thoughtSignature = signatureOf(images[index])
      return thoughtSignature === undefined ? part : { ...part, thoughtSignature }
    }),
  )
}

/**
 * Turns of one side become one content. Tool results stay apart from what the user says: Gemini counts them against
 * the calls, and takes a content with a text for the start of a new turn.
 */
const append = (contents: Array<Content>, role: "user" | "model", parts: ReadonlyArray<Part>): void => {
  const last = contents.at(-1)
  if (last?.parts !== undefined && last.role === role && isResult(last.parts) === isResult(parts)) {
    push(last.parts, parts)
  } else {
    // A content without parts is refused.
    contents.push({ role, parts: parts.length > 0 ? [...parts] : [{ text: "" }] })
  }
}

/** Adds one by one: the parts of a call's arguments have to fit the stack. */
const push = (parts: Array<Part>, more: ReadonlyArray<Part>): void => {
  for (const part of more) parts.push(part)
}

const isResult = (parts: ReadonlyArray<Part>): boolean => parts[0]?.functionResponse !== undefined

const isCall = (content: Content | undefined): boolean =>
  content?.role === "model" && content.parts?.some(({ functionCall }) => functionCall !== undefined) === true
