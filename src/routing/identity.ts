import { inputTokensOf, type Task } from "../domain/Task.ts"
import { addText } from "../platform/text-hash.ts"

/** No vendor caches less. */
const MIN_CACHED_TOKENS = 1_024
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
    hash = addText(hash, role)
    if (typeof content === "string") hash = addText(hash, content)
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
  return text == null ? undefined : addText(0, text, MAX_SYSTEM_CHARACTERS)
}

/** Text, the address of an image, the data of a file: no part has what tells it from others any deeper. */
const PART_DEPTH = 3

const addTexts = (hash: number, value: object, depth: number): number => {
  let sum = hash
  for (const each of Object.values(value)) {
    if (typeof each === "string") sum = addText(sum, each)
    else if (typeof each === "object" && each !== null && depth > 0) sum = addTexts(sum, each, depth - 1)
  }
  return sum
}
