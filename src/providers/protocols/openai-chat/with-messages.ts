import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"

/** Changes the messages of a kind. Few requests have any: a first look costs less than a copy. */
export const withMessages = (
  request: ChatRequest,
  isOne: (message: unknown) => message is ChatMessage,
  change: (message: ChatMessage) => ChatMessage,
): ChatRequest => {
  const { messages } = request
  if (!Array.isArray(messages) || !messages.some(isOne)) return request
  return { ...request, messages: messages.map((message) => (isOne(message) ? change(message) : message)) }
}
