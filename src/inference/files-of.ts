import { PART_TOKENS } from "../domain/Chat.ts"
import { fieldsOf, type Task } from "../domain/Task.ts"
import { isImage, mayHaveFiles } from "../domain/uses.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../platform/json.ts"
import { remembered } from "../platform/remembered.ts"

const BYTES_PER_TOKEN = 4

/** The longest input that models take, where nobody says how long that of one is. */
const LONGEST_WINDOW = 1_000_000

/**
 * Returns how many tokens a task's input may have beside those `estimated` of its texts, up to what the model can read: files,
 * audio, and blocks that only a vendor knows. `likely` is what the texts are at most.
 */
export const fileTokensOf = (
  task: Task | undefined,
  estimated: number,
  likely: number,
  { contextWindow = LONGEST_WINDOW }: { readonly contextWindow?: number | undefined },
): number => {
  if (task?._tag !== "Chat") return 0
  // Nearly all requests: nothing more than their texts would fit in their bytes.
  const isShort = task.source !== undefined && task.source.bytes.length <= likely * BYTES_PER_TOKEN
  if (isShort && !mayHaveFiles(task)) return 0
  const all = tokensAsText(task)
  return all <= likely ? 0 : Math.max(0, Math.min(contextWindow, all) - estimated)
}

const tokensAsText = remembered((task: Task): number => Math.ceil(sizeOf(fieldsOf(task)) / BYTES_PER_TOKEN))

/** Returns how long a text would be that has as many tokens as a value. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "string") return Buffer.byteLength(value)
  if (typeof value === "number") return NUMBER_SIZE
  let size = 0
  if (Array.isArray(value)) {
    for (const each of value) size += sizeOf(each)
  } else if (isObject(value)) {
    const file = fileIn(value)
    if (file !== undefined) size += file.size
    // `Object.values` would make a list of each.
    for (const name in value) if (name !== file?.name) size += name.length + sizeOf(value[name])
  }
  return size
}

/** Every few digits are a token. */
const NUMBER_SIZE = 2 * BYTES_PER_TOKEN

/** Has as many tokens as usual, however large it is. */
const IMAGE_SIZE = PART_TOKENS * BYTES_PER_TOKEN

interface File {
  /** The member of its part that it is in, where it does not lie elsewhere. */
  readonly name: string
  readonly size: number
}

/** Finds the file or image of a part, in the words of any dialect. */
const fileIn = (part: JsonObject): File | undefined => {
  switch (part.type) {
    case "image":
      return { name: "source" in part ? "source" : "url", size: IMAGE_SIZE }
    case "image_url":
    case "input_image":
    case "computer_screenshot":
      return isImage(part.image_url) ? { name: "image_url", size: IMAGE_SIZE } : undefined
    case "image_generation_call":
      return { name: "result", size: IMAGE_SIZE }
    case "file":
      return { name: "file", size: fileSize(stringAt(objectAt(part, "file"), "file_data")) }
    case "input_file":
      return { name: "file_data", size: fileSize(stringAt(part, "file_data")) }
    case "document": {
      const source = objectAt(part, "source")
      return source?.type === "text" || source?.type === "content"
        ? undefined
        : { name: "source", size: fileSize(stringAt(source, "data")) }
    }
    case "video_url":
      return { name: "video_url", size: fileSize(stringAt(objectAt(part, "video_url"), "url")) }
    default:
      return undefined
  }
}

/**
 * Returns the size of a file. Its text is packed, and its pages count as images as well: a token for each byte of base64 is what
 * pages without pictures come to. Of one that lies elsewhere nothing is known.
 */
const fileSize = (data: string | undefined): number => {
  if (data === undefined || /^https?:/i.test(data)) return Number.POSITIVE_INFINITY
  return /^data:image\//i.test(data) ? IMAGE_SIZE : data.length * BYTES_PER_TOKEN
}
