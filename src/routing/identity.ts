import { inputTokensOf, type Task } from "../domain/Task.ts"

/** No vendor caches less. */
const MIN_CACHED_TOKENS = 1_024
/** So much of each of the two texts that begin a conversation tells it from others. */
const MAX_CHARACTERS = 2_048
const MAX_ID_LENGTH = 256

/**
 * Names the conversation that a task is a turn of, within its key: by the client's own name for it, else by how it begins. Undefined
 * for what is too short to be cached anywhere, and for what is no chat.
 */
export const conversationOf = (
  task: Task,
  keyId: string,
  session: string | undefined,
): string | undefined => {
  if (task._tag !== "Chat" || inputTokensOf(task) < MIN_CACHED_TOKENS) return undefined
  const { messages, prompt_cache_key: cacheKey } = task.request
  const named = session ?? (typeof cacheKey === "string" && cacheKey !== "" ? cacheKey : undefined)
  if (named !== undefined) return `${keyId} ${named.slice(0, MAX_ID_LENGTH)}`
  let hash = 0
  for (const { content, role } of messages) {
    hash = add(hash, role)
    hash = add(hash, typeof content === "string" ? content : JSON.stringify(content ?? null))
    if (role === "user") break
  }
  return `${keyId} #${hash}`
}

/** So much of a system prompt tells an application from others. */
const MAX_SYSTEM_CHARACTERS = 512

/** Names the application that asks, by its system prompt: its answers are alike in length. Undefined without one. */
export const applicationOf = (task: Task): number | undefined => {
  if (task._tag !== "Chat") return undefined
  const [first] = task.request.messages
  if (first === undefined || (first.role !== "system" && first.role !== "developer")) return undefined
  const { content } = first
  const text = typeof content === "string" ? content : content?.[0]?.text
  return text == null ? undefined : add(0, text, MAX_SYSTEM_CHARACTERS)
}

/** Returns a number from 0 to 1 that is the same for the same text, and evenly spread over texts. */
export const pointOf = (text: string): number => {
  const hash = add(add(0, text), "point")
  const low = Math.imul((hash >>> 0) ^ (hash >>> 15), 0x2c1b3c6d) >>> 0
  return ((low ^ (low >>> 13)) >>> 0) / 0x1_0000_0000
}

/** Adds a text to a number below 2^53. */
const add = (hash: number, text: string, maxCharacters = MAX_CHARACTERS): number => {
  let low = (hash >>> 0) ^ text.length
  let high = Math.floor(hash / 0x1_0000_0000)
  const until = Math.min(text.length, maxCharacters)
  for (let i = 0; i < until; i++) {
    const unit = text.charCodeAt(i)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x85ebca6b)
  }
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}
