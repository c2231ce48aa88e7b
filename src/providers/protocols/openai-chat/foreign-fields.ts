import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import { isClaudesReasoning, isGatewaysReasoning } from "../../../domain/reasoning-details.ts"
import { isObject, objectAt } from "../../../platform/json.ts"
import { MAX_PLACES } from "../lowering.ts"
import type { Audience } from "./audience.ts"
import {
  isAssistant,
  isMistralsPart,
  isReasoning,
  reasoningText,
  type TakenTurns,
  withTakenTurns,
} from "./past-turns.ts"
import { withMessages } from "./with-messages.ts"

/**
 * Returns the request without what is another vendor's: what one handed out in an earlier turn (Google's signatures, the
 * reasoning of a turn that bears one, the images of an answer; Claude's signed reasoning), and what the client says to
 * Google alone. A strict server refuses such fields, and they are none of its business. OpenAI itself takes no images back
 * at all; of a server that imitates it, they may be its own. The rest of a turn goes out as it is taken, where that is known.
 * The same request when there is nothing to change.
 */
export const withoutForeignFields = (
  request: ChatRequest,
  { isOpenAi, isClaude }: Pick<Audience, "isClaude" | "isOpenAi">,
  taken: TakenTurns | undefined,
): ChatRequest => {
  const asked = sayingToGoogle(request) === undefined ? request : withoutGoogle(request)
  const own = isOpenAi
    ? withMessages(asked, isForeignToOpenAi, forOpenAi)
    : withMessages(
        isClaude ? asked : withMessages(asked, isClaudes, forOthersThanClaude),
        isForeignToImitators,
        forImitators,
      )
  return taken === undefined ? own : withTakenTurns(own, taken)
}

/** Names what `withoutForeignFields` leaves out and says something. */
export const foreignFields = (
  request: ChatRequest,
  audience: Audience,
  taken: TakenTurns | undefined,
): ReadonlyArray<string> => {
  const own = withoutForeignFields(request, audience, taken)
  if (own === request) return []
  const google = sayingToGoogle(request)
  return [
    ...(google === undefined ? [] : [google]),
    ...request.messages
      .flatMap((message, turn) => {
        const kept = own.messages[turn]
        return kept === undefined || kept === message ? [] : lostOf(message, kept, `messages[${turn}]`)
      })
      .slice(0, MAX_PLACES),
  ]
}

/** Calls are changed and stay; of other lists each that is left is the same. Words that stand elsewhere are not lost. */
const lostOf = (before: ChatMessage, after: ChatMessage, at: string): ReadonlyArray<string> => {
  const hasThoughts = reasoningText(after).trim() !== ""
  const hasNewWords = !before.content && Boolean(after.content)
  return Object.keys(before).flatMap((field) => {
    const value = before[field]
    const kept = after[field]
    if (value === kept || value === "" || value === null || value === false) return []
    if (isReasoning(field) && hasThoughts) return []
    if (!Array.isArray(value)) {
      return kept === undefined && !(hasNewWords && WORDS.has(field)) ? [`${at}.${field}`] : []
    }
    return value.flatMap((each, index) => {
      const place = `${at}.${field}[${index}]`
      if (field === "content") return isMistralsPart(each) && !hasThoughts ? [place] : []
      if (field !== "tool_calls") return Array.isArray(kept) && kept.includes(each) ? [] : [place]
      return isObject(each) && each.extra_content !== undefined ? [`${place}.extra_content`] : []
    })
  })
}

/** Fields whose words may become content. */
const WORDS: ReadonlySet<string> = new Set(["audio", "refusal"])

/**
 * Returns the request in the words that OpenAI's protocol had at first, for servers that refuse newer ones: the role
 * `developer`, and fields of an answer that say nothing there and that clients send back as they came.
 */
export const inOlderWords = (request: ChatRequest): ChatRequest => withMessages(request, isNewer, older)

/** Names the field in which a client says something to Google alone; undefined when there is none. */
const sayingToGoogle = ({ extra_body, google }: ChatRequest): string | undefined =>
  isObject(google)
    ? "google"
    : isObject(extra_body) && extra_body.google !== undefined
      ? "extra_body.google"
      : undefined

const withoutGoogle = ({ extra_body, google: _, ...request }: ChatRequest): ChatRequest => {
  if (!isObject(extra_body)) return request
  const { google: __, ...rest } = extra_body
  return Object.keys(rest).length === 0 ? request : { ...request, extra_body: rest }
}

// --- what is foreign to everybody

const isForeign = (message: ChatMessage): boolean =>
  isSigned(message) ||
  hasSigned(message.tool_calls) ||
  hasSigned(message.images) ||
  // What vLLM says of a turn without calls, and OpenAI refuses.
  isEmptyList(message.tool_calls)

/** Recognizes what Google's models hand out through this gateway, and through Google's own compatible API. */
const isSigned = (part: unknown): boolean =>
  isObject(part) && objectAt(objectAt(part, "extra_content"), "google") !== undefined

const hasSigned = (parts: unknown): boolean => Array.isArray(parts) && parts.some(isSigned)

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Leaves out what bears a signature, and the reasoning and images beside it. */
const withoutSigned = (message: ChatMessage): ChatMessage => {
  const { extra_content: _, tool_calls: calls, ...rest } = message
  const isGoogles = isSigned(message) || hasSigned(calls) || hasSigned(message.images)
  const { images: __, reasoning_content: ___, ...bare } = rest
  return {
    ...(isGoogles ? bare : rest),
    ...(Array.isArray(calls) && calls.length > 0 && { tool_calls: calls.map(withoutExtra) }),
  }
}

const withoutExtra = (call: unknown): unknown => {
  if (!isObject(call)) return call
  const { extra_content: _, ...own } = call
  return own
}

// --- OpenAI

const isForeignToOpenAi = (message: unknown): message is ChatMessage =>
  isAssistant(message) &&
  (isForeign(message) || OTHERS_HAND_OUT.some((field) => message[field] !== undefined))

const forOpenAi = (message: ChatMessage): ChatMessage => {
  const fields = Object.entries(message).filter(([field]) => !OTHERS_HAND_OUT.includes(field))
  return withoutSigned({ ...Object.fromEntries(fields), role: message.role })
}

/** What answers of others have beside their reasoning: Gemini's, Groq's, Mistral's, and any that LiteLLM passed on. */
const OTHERS_HAND_OUT = ["images", "executed_tools", "prefix", "provider_specific_fields", "thinking_blocks"]

// --- models that are not Claude

const isClaudes = (message: unknown): message is ChatMessage =>
  isAssistant(message) &&
  Array.isArray(message.reasoning_details) &&
  message.reasoning_details.some(isClaudesReasoning)

/** Leaves out Claude's reasoning, under the names that repeat it too. */
const forOthersThanClaude = (message: ChatMessage): ChatMessage => {
  const { reasoning_details: details, reasoning: _, reasoning_content: __, ...own } = message
  const others = Array.isArray(details) ? details.filter((detail) => !isClaudesReasoning(detail)) : []
  return others.length > 0 ? { ...own, reasoning_details: others } : own
}

// --- servers that imitate OpenAI

const isForeignToImitators = (message: unknown): message is ChatMessage =>
  isAssistant(message) &&
  (isForeign(message) || hasBareCall(message.tool_calls) || hasEncrypted(message.reasoning_details))

const forImitators = (message: ChatMessage): ChatMessage => {
  const { reasoning_details: details, ...own } = withoutSigned(message)
  const calls = own.tool_calls
  const kept = Array.isArray(details) ? details.filter((detail) => !isGatewaysReasoning(detail)) : details
  return {
    ...own,
    ...(Array.isArray(calls) && { tool_calls: calls.map(withArguments) }),
    ...(kept !== undefined && !isEmptyList(kept) && { reasoning_details: kept }),
  }
}

const hasEncrypted = (details: unknown): boolean =>
  Array.isArray(details) && details.some(isGatewaysReasoning)

const isBare = (call: unknown): boolean =>
  objectAt(isObject(call) ? call : undefined, "function")?.arguments === ""

const hasBareCall = (calls: unknown): boolean => Array.isArray(calls) && calls.some(isBare)

/** Gives a call without arguments the JSON that some servers look for. */
const withArguments = (call: unknown): unknown =>
  isObject(call) && isBare(call)
    ? { ...call, function: { ...objectAt(call, "function"), arguments: "{}" } }
    : call

// --- older words

const NEWER_FIELDS = ["annotations", "audio", "function_call", "refusal", "tool_calls"]

const isNewer = (message: unknown): message is ChatMessage =>
  isObject(message) &&
  (message.role === "developer" ||
    (message.role === "assistant" && NEWER_FIELDS.some((field) => saysNothing(message[field]))))

const saysNothing = (value: unknown): boolean => value === null || isEmptyList(value)

const older = (message: ChatMessage): ChatMessage => {
  const fields = Object.entries(message).filter(
    ([field, value]) => !(NEWER_FIELDS.includes(field) && saysNothing(value)),
  )
  return { ...Object.fromEntries(fields), role: message.role === "developer" ? "system" : message.role }
}
