import { PART_TOKENS } from "../domain/Chat.ts"
import { fieldsOf, type Task } from "../domain/Task.ts"
import { isObject } from "../platform/json.ts"
import { remembered } from "../platform/remembered.ts"

const BYTES_PER_TOKEN = 4

/** The longest input that models take, where nobody says how long that of one is. */
const LONGEST_WINDOW = 1_000_000

/**
 * Returns how many tokens a task's input may have. Its texts were estimated at `likely`; files, audio and blocks that only a
 * vendor knows count as the text that they are as long as, which few are as dense as, and never more than the model can read.
 */
export const inputBoundOf = (
  task: Task | undefined,
  likely: number,
  { contextWindow = LONGEST_WINDOW }: { readonly contextWindow?: number | undefined },
): number => {
  if (task?._tag !== "Chat") return likely
  // Nearly all requests: nothing more than their texts would fit in their bytes.
  if (task.source !== undefined && task.source.bytes.length <= likely * BYTES_PER_TOKEN) return likely
  return Math.max(likely, Math.min(contextWindow, tokensAsText(task)))
}

const tokensAsText = remembered((task: Task): number => Math.ceil(sizeOf(fieldsOf(task)) / BYTES_PER_TOKEN))

/** Returns the bytes of all texts within a value. An image has as many as its usual tokens stand for, however large its file. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "string") {
    return value.length > IMAGE_SIZE && IMAGE.test(value) ? IMAGE_SIZE : Buffer.byteLength(value)
  }
  let size = 0
  if (Array.isArray(value)) {
    for (const each of value) size += sizeOf(each)
  } else if (isObject(value)) {
    if (isImage(value)) return IMAGE_SIZE
    // `Object.values` would make a list of each.
    for (const name in value) size += sizeOf(value[name])
  }
  return size
}

const IMAGE = /^data:image\//i
const IMAGE_SIZE = PART_TOKENS * BYTES_PER_TOKEN

/** Tells Anthropic's `source` of an image. */
const isImage = ({ data, media_type: type }: { readonly [name: string]: unknown }): boolean =>
  typeof type === "string" && typeof data === "string" && /^image\//i.test(type)
