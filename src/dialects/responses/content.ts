import { Result } from "effect"
import type { GatewayError } from "../../domain/GatewayError.ts"
import { isObject, type JsonObject, stringAt } from "../../platform/json.ts"
import type { Beyond } from "./beyond.ts"
import { malformed } from "./malformed.ts"

interface ChatPart {
  readonly type: string
  readonly text?: string
  readonly [field: string]: unknown
}

export type ChatContent = string | ReadonlyArray<ChatPart>

/**
 * Reads the content of a message or the output of a tool: a text, or parts of it. One text alone becomes a text, which
 * every server takes in every role.
 */
export const readContent = (
  content: unknown,
  at: string,
  beyond: Beyond,
): Result.Result<ChatContent, GatewayError> => {
  if (typeof content === "string") return Result.succeed(content)
  if (!Array.isArray(content)) return Result.fail(malformed(at, "Expected a text or a list of parts."))
  const parts: Array<ChatPart> = []
  for (const [index, part] of content.entries()) {
    const path = `${at}[${index}]`
    if (!isObject(part)) return Result.fail(malformed(path, "Expected an object."))
    const read = readPart(part, path, beyond)
    if (read !== undefined) {
      parts.push(
        beyond.from(read, path, () => ({
          "image_url.detail": [`${path}.detail`],
          "file.filename": [`${path}.filename`],
        })),
      )
    }
  }
  const [only] = parts
  return Result.succeed(
    only?.type === "text" && parts.length === 1 && content.length === 1 ? (only.text ?? "") : parts,
  )
}

/** Joins the texts of an assistant's content, of which many servers take a text only. */
export const withJoinedTexts = (content: ChatContent): ChatContent =>
  typeof content !== "string" && content.every(({ type }) => type === "text")
    ? content.map(({ text }) => text ?? "").join("")
    : content

/** What chat has of a part. */
const known: ReadonlySet<string> = new Set([
  ...["type", "text", "refusal", "image_url", "file_data", "file_id", "filename", "file_url", "detail"],
  "input_audio",
])

const readPart = (part: JsonObject, at: string, beyond: Beyond): ChatPart | undefined => {
  beyond.dropOthers(part, known, `${at}.`)
  switch (part.type) {
    case "input_text":
    case "output_text":
    case "text":
      return { type: "text", text: stringAt(part, "text") ?? "" }
    case "refusal":
      return { type: "refusal", refusal: stringAt(part, "refusal") ?? "" }
    case "input_image":
      return readImage(part, at, beyond)
    case "input_file":
      return readFile(part, at, beyond)
    case "input_audio":
      return { type: "input_audio", input_audio: part.input_audio }
    default:
      beyond.refuse(`${at}.type`, "Content of this type")
      return undefined
  }
}

const readImage = (part: JsonObject, at: string, beyond: Beyond): ChatPart | undefined => {
  const url = stringAt(part, "image_url")
  if (url === undefined) {
    beyond.refuse(`${at}.file_id`, "Images by the id of a file")
    return undefined
  }
  const detail = stringAt(part, "detail")
  return { type: "image_url", image_url: { url, ...(detail !== undefined && { detail }) } }
}

const readFile = (part: JsonObject, at: string, beyond: Beyond): ChatPart | undefined => {
  const { detail, file_data, file_id, filename } = part
  if (detail != null && detail !== "auto") beyond.drop(`${at}.detail`)
  if (typeof file_data !== "string" && typeof file_id !== "string") {
    beyond.refuse(`${at}.file_url`, "Files by their URL")
    return undefined
  }
  return {
    type: "file",
    file: {
      ...(typeof filename === "string" && { filename }),
      ...(typeof file_data === "string" ? { file_data } : { file_id }),
    },
  }
}
