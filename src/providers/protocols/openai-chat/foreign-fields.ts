import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import { isObject, objectAt } from "../json.ts"

/**
 * Returns the request without what is another vendor's: what one handed out in an earlier turn (Google's signatures, the
 * reasoning of a turn that bears one, the images of an answer), and what the client says to Google alone. A strict server
 * refuses such fields, and they are none of its business. Reasoning of unknown origin may be the server's own, which some
 * want back, and so may images; with `keepsReasoning: false` they go too. The same request when there is nothing to leave
 * out.
 */
export const withoutForeignFields = (request: ChatRequest, keepsReasoning: boolean): ChatRequest => {
  const own = sayingToGoogle(request) === undefined ? request : withoutGoogle(request)
  // Few requests have any: a first look costs less than a copy.
  const { messages } = request
  if (!Array.isArray(messages) || !messages.some((message) => isForeign(message, keepsReasoning))) return own
  return {
    ...own,
    messages: messages.map((message) => (isForeign(message, keepsReasoning) ? cleaned(message) : message)),
  }
}

/** Names the field in which a client says something to Google alone; undefined when there is none. */
export const sayingToGoogle = ({ extra_body, google }: ChatRequest): string | undefined =>
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

const isForeign = (message: unknown, keepsReasoning: boolean): boolean =>
  isObject(message) &&
  message.role === "assistant" &&
  (isSigned(message) ||
    hasSigned(message.tool_calls) ||
    hasSigned(message.images) ||
    (!keepsReasoning && (message.reasoning_content !== undefined || message.images !== undefined)))

/** Recognizes what Google's models hand out through this gateway, and through Google's own compatible API. */
const isSigned = (part: unknown): boolean =>
  isObject(part) && objectAt(objectAt(part, "extra_content"), "google") !== undefined

const hasSigned = (parts: unknown): boolean => Array.isArray(parts) && parts.some(isSigned)

const cleaned = ({
  extra_content: _,
  reasoning_content: __,
  images: ___,
  ...message
}: ChatMessage): ChatMessage =>
  Array.isArray(message.tool_calls)
    ? { ...message, tool_calls: message.tool_calls.map(withoutExtra) }
    : message

const withoutExtra = (call: unknown): unknown => {
  if (!isObject(call)) return call
  const { extra_content: _, ...own } = call
  return own
}
