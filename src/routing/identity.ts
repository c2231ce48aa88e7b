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
  const inBody = cacheKey ?? task.request.session_id
  const named = session ?? (typeof inBody === "string" && inBody !== "" ? inBody : undefined)
  // One session has conversations of several agents in it.
  if (named !== undefined) return `${keyId} ${named.slice(0, MAX_ID_LENGTH)} ${applicationOf(task) ?? ""}`
  let hash = 0
  for (const { content, role } of messages) {
    hash = add(hash, role)
    if (typeof content === "string") hash = add(hash, content)
    else if (content != null) hash = addTexts(hash, content, PART_DEPTH)
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

/** Text, the address of an image, the data of a file: no part has what tells it from others any deeper. */
const PART_DEPTH = 3

const addTexts = (hash: number, value: object, depth: number): number => {
  let sum = hash
  for (const each of Object.values(value)) {
    if (typeof each === "string") sum = add(sum, each)
    else if (typeof each === "object" && each !== null && depth > 0) sum = addTexts(sum, each, depth - 1)
  }
  return sum
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
