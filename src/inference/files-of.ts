import { BYTES_PER_TOKEN, PART_TOKENS } from "../domain/Chat.ts"
import { fieldsOf, type Task } from "../domain/Task.ts"
import { isImage, mayHaveFiles } from "../domain/uses.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../platform/json.ts"
import { remembered } from "../platform/remembered.ts"

/** The longest input that models take, where nobody says how long that of one is. */
const LONGEST_WINDOW = 1_000_000

/**
 * Returns how many tokens a task's input may have beside those `estimated` of its texts, up to what the model can read: files,
 * audio, and blocks that only a vendor knows.
 */
export const fileTokensOf = (
  task: Task | undefined,
  estimated: number,
  { contextWindow = LONGEST_WINDOW }: { readonly contextWindow?: number | undefined },
): number => {
  if (task?._tag !== "Chat") return 0
  const hasFiles = mayHaveFiles(task)
  // Names of fields, punctuation and the like: nearly all requests have nothing more than texts that fits in their bytes.
  const slack = hasFiles ? 0 : 0.2 * estimated + 256
  const bytes = task.source?.bytes.length ?? Number.POSITIVE_INFINITY
  if (!hasFiles && bytes <= (estimated + slack) * BYTES_PER_TOKEN) return 0
  const all = tokensAsText(task)
  return all <= estimated + slack ? 0 : Math.max(0, Math.min(contextWindow, all) - estimated)
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
    case "file": {
      const file = objectAt(part, "file")
      return found("file", stringAt(file, "file_data"), typeof file?.file_id === "string")
    }
    case "input_file":
      return found(
        "file_data",
        stringAt(part, "file_data"),
        typeof (part.file_id ?? part.file_url) === "string",
      )
    case "document": {
      const source = objectAt(part, "source")
      const isElsewhere = source?.type === "url" || source?.type === "file"
      return source?.type === "base64" || isElsewhere
        ? found("source", stringAt(source, "data"), isElsewhere)
        : undefined
    }
    case "video_url":
      return found("video_url", stringAt(objectAt(part, "video_url"), "url"), false)
    case "input_audio": {
      const data = stringAt(objectAt(part, "input_audio"), "data")
      return data === undefined
        ? undefined
        : { name: "input_audio", size: (data.length / AUDIO_BYTES_PER_TOKEN) * BYTES_PER_TOKEN }
    }
    default:
      return undefined
  }
}

/** Speech of 8 kbit/s, at the 32 tokens a second that Gemini counts, has twice as many bytes of base64. */
const AUDIO_BYTES_PER_TOKEN = 16

/** Returns a file by its data; undefined for what is none, though its part has the type of one. */
const found = (name: string, data: string | undefined, isElsewhere: boolean): File | undefined =>
  data === undefined && !isElsewhere ? undefined : { name, size: fileSize(data) }

/**
 * Returns the size of a file. Its text is packed, and its pages count as images as well: a token for each byte of base64 is what
 * pages without pictures come to. Of one that lies elsewhere nothing is known.
 */
const fileSize = (data: string | undefined): number => {
  if (data === undefined || /^https?:/i.test(data)) return Number.POSITIVE_INFINITY
  if (/^data:image\//i.test(data)) return IMAGE_SIZE
  return /^data:text\//i.test(data) ? data.length : data.length * BYTES_PER_TOKEN
}
