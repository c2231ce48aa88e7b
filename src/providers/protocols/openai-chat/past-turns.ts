import type { PastTurns, ReasoningName } from "../../../catalog/preset.ts"
import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import { isObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { withMessages } from "./with-messages.ts"

/**
 * Earlier answers in a conversation, as one server takes them back. Servers differ in what they call the reasoning of an answer,
 * whether they take it at all, and whether they refuse or ignore what they don't know.
 */
export interface TakenTurns extends Partial<Pick<PastTurns, "only" | "reasoning">> {
  /** Stands for reasoning that is not there, for those who insist on it. */
  readonly standIn?: string
}

/** OpenAI takes no reasoning back in chat completions. */
export const OPENAI_TURNS: TakenTurns = { reasoning: [] }

/** Returns the request with the assistant's turns as they are taken; the same one when they are so already. */
export const withTakenTurns = (request: ChatRequest, taken: TakenTurns): ChatRequest =>
  withMessages(
    request,
    (message): message is ChatMessage => isAssistant(message) && !isTaken(message, taken),
    (message) => asTaken(message, taken),
  )

export const isAssistant = (message: unknown): message is ChatMessage =>
  isObject(message) && message.role === "assistant"

/** The fields of reasoning; `thinking` is a type of part, within the content. */
const REASONING: ReadonlySet<string> = new Set<ReasoningName>([
  "reasoning_content",
  "reasoning",
  "reasoning_details",
])
export const isReasoning = (field: string): boolean => REASONING.has(field)

/** Everybody takes these. */
const USUAL: ReadonlySet<string> = new Set(["role", "content", "tool_calls"])

const takesField = ({ only, reasoning }: TakenTurns, field: string, message: ChatMessage): boolean => {
  if (USUAL.has(field)) return true
  if (isReasoning(field)) return reasoning?.some((name) => name === field) ?? true
  return only === undefined || only.some((name) => name === field) || isMeant(field, message)
}

const isTaken = (message: ChatMessage, taken: TakenTurns): boolean => {
  for (const field in message) if (!takesField(taken, field, message)) return false
  if (taken.standIn !== undefined && !stringAt(message, "reasoning_content")) return false
  return !hasForeignPart(message.content, taken) && !hasForeignCall(message.tool_calls, taken)
}

const asTaken = (message: ChatMessage, taken: TakenTurns): ChatMessage => {
  const fields = Object.entries(message).filter(([field]) => takesField(taken, field, message))
  const own: ChatMessage = { ...Object.fromEntries(fields), role: message.role }
  return {
    ...own,
    ...(hasForeignPart(message.content, taken) && { content: withoutMistralsParts(message.content) }),
    ...wordsFor(message, own),
    ...(hasForeignCall(message.tool_calls, taken) && {
      tool_calls: objectsAt(message, "tool_calls").map(usualCall),
    }),
    ...reasoningFor(message, own, taken),
  }
}

// --- reasoning

/** Returns the reasoning under the name that is taken, where both are texts, or what stands in for it. */
const reasoningFor = (message: ChatMessage, own: ChatMessage, { reasoning, standIn }: TakenTurns) => {
  const name = reasoning?.find((each) => each === "reasoning_content" || each === "reasoning")
  if (name === undefined || reasoning?.some((each) => stringAt(own, each))) return {}
  const text = reasoningText(message) || standIn
  return text === undefined || text === "" ? {} : { [name]: text }
}

/** Returns what an answer says of its reasoning in words, wherever its vendor puts them. */
export const reasoningText = (message: ChatMessage): string =>
  stringAt(message, "reasoning_content") ||
  stringAt(message, "reasoning") ||
  thoughtsIn(message.content) ||
  objectsAt(message, "reasoning_details")
    .map((detail) => stringAt(detail, "text") ?? stringAt(detail, "summary") ?? "")
    .join("")

/** Mistral's: `{"type": "thinking", "thinking": [{"type": "text", "text": "…"}]}`. */
const thoughtsIn = (content: unknown): string =>
  Array.isArray(content)
    ? content
        .flatMap((part) => (isObject(part) && part.type === "thinking" ? objectsAt(part, "thinking") : []))
        .map((thought) => stringAt(thought, "text") ?? "")
        .join("")
    : ""

// --- parts of the content

/** Recognizes parts that Mistral's answers have: thoughts, and references to what they cite. */
export const isMistralsPart = (part: unknown): boolean =>
  isObject(part) && (part.type === "thinking" || part.type === "reference")

const hasForeignPart = (content: unknown, { reasoning }: TakenTurns): boolean =>
  reasoning !== undefined &&
  !reasoning.includes("thinking") &&
  Array.isArray(content) &&
  content.some(isMistralsPart)

/** Texts are joined, as many servers take a list from the user alone. */
const withoutMistralsParts = (
  content: ChatMessage["content"],
): Exclude<ChatMessage["content"], undefined> => {
  const own = Array.isArray(content) ? content.filter((part: unknown) => !isMistralsPart(part)) : []
  return own.every(({ type }) => type === "text") ? own.map(({ text }) => text ?? "").join("") : own
}

// --- what else an answer may have

/** Recognizes fields without which a turn would be another one: who does not take them has to say so. */
const isMeant = (field: string, message: ChatMessage): boolean =>
  message[field] != null && (field === "function_call" || (field === "audio" && !spokenIn(message)))

/** A refusal, and what was said aloud, are words to those who have no field for them. */
const wordsFor = (message: ChatMessage, own: ChatMessage) => {
  if (message.content != null && message.content !== "") return {}
  const refusal = own.refusal === undefined ? stringAt(message, "refusal") : undefined
  const words = refusal || (own.audio === undefined ? spokenIn(message) : undefined)
  return words ? { content: words } : {}
}

const spokenIn = ({ audio }: ChatMessage): string | undefined =>
  stringAt(objectAt({ audio }, "audio"), "transcript")

const USUAL_OF_CALLS: ReadonlySet<string> = new Set(["id", "type", "function", "custom"])

const hasForeignCall = (calls: unknown, { only }: TakenTurns): boolean =>
  only !== undefined &&
  Array.isArray(calls) &&
  calls.some(
    (call: unknown) => isObject(call) && Object.keys(call).some((field) => !USUAL_OF_CALLS.has(field)),
  )

const usualCall = (call: object) =>
  Object.fromEntries(Object.entries(call).filter(([field]) => USUAL_OF_CALLS.has(field)))
