import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import { isObject, objectAt } from "../json.ts"

/**
 * Returns the request without what another vendor handed out in an earlier turn: Google's signatures, and the reasoning of a
 * turn that bears one. A strict server refuses such fields, and they are none of its business. Reasoning of unknown origin
 * may be the server's own, which some want back; with `keepsReasoning: false` it goes too. The same request when there is
 * nothing to leave out.
 */
export const withoutForeignFields = (request: ChatRequest, keepsReasoning: boolean): ChatRequest => {
  // Few requests have any: a first look costs less than a copy.
  const { messages } = request
  if (!Array.isArray(messages) || !messages.some((message) => isForeign(message, keepsReasoning)))
    return request
  return {
    ...request,
    messages: messages.map((message) => (isForeign(message, keepsReasoning) ? cleaned(message) : message)),
  }
}

const isForeign = (message: unknown, keepsReasoning: boolean): boolean =>
  isObject(message) &&
  message.role === "assistant" &&
  (isSigned(message) ||
    (Array.isArray(message.tool_calls) && message.tool_calls.some(isSigned)) ||
    (!keepsReasoning && message.reasoning_content !== undefined))

/** Recognizes what Google's models hand out through this gateway, and through Google's own compatible API. */
const isSigned = (part: unknown): boolean =>
  isObject(part) && objectAt(objectAt(part, "extra_content"), "google") !== undefined

const cleaned = ({ extra_content: _, reasoning_content: __, ...message }: ChatMessage): ChatMessage =>
  Array.isArray(message.tool_calls)
    ? { ...message, tool_calls: message.tool_calls.map(withoutExtra) }
    : message

const withoutExtra = (call: unknown): unknown => {
  if (!isObject(call)) return call
  const { extra_content: _, ...own } = call
  return own
}
