import { isObject, type JsonObject } from "../../platform/json.ts"

/**
 * Returns messages without what Claude never said of its turns and would refuse: reasoning that it has not signed, images,
 * and what other vendors handed out with a call. This gateway gave them to a client whom others answered. The same list when
 * there is nothing of it.
 */
export const claudesOwn = (messages: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  messages.some((message) => contentOf(message).some(isForeign)) ? messages.flatMap(withoutForeign) : messages

/** Returns the blocks of a turn of the model's. */
const contentOf = (message: unknown): ReadonlyArray<unknown> =>
  isObject(message) && message.role === "assistant" && Array.isArray(message.content) ? message.content : []

const isForeign = (block: unknown): block is JsonObject =>
  isObject(block) && (isUnsaid(block) || block.extra_content !== undefined)

const isUnsaid = (block: JsonObject): boolean =>
  block.type === "image" || (block.type === "thinking" && (block.signature ?? "") === "")

const withoutForeign = (message: unknown): ReadonlyArray<unknown> => {
  const blocks = contentOf(message)
  if (!isObject(message) || !blocks.some(isForeign)) return [message]
  const content = blocks.flatMap((block) => {
    if (!isForeign(block)) return [block]
    const { extra_content: _, ...own } = block
    return isUnsaid(block) ? [] : [own]
  })
  // A turn of nothing is refused.
  return content.length === 0 ? [] : [{ ...message, content }]
}
