import type {
  CacheControlEphemeral,
  DocumentBlockParam,
  ImageBlockParam,
  TextBlockParam,
} from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import { isObject, type JsonObject, objectAt, stringAt } from "../../../platform/json.ts"
import { readDataUrl } from "../data-url.ts"
import { malformed, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"

export type Block = TextBlockParam | ImageBlockParam | DocumentBlockParam

/**
 * Turns OpenAI's content into Claude's blocks. Texts of white space alone are left out, since Claude refuses them. URLs of images
 * go out as they are, as they do to OpenAI: the gateway itself fetches none.
 */
export const lowerContent = (content: unknown, path: string): Result.Result<Array<Block>, LoweringFault> => {
  if (content === undefined || content === null) return Result.succeed([])
  if (typeof content === "string") return Result.succeed(saysSomething(content) ? [textBlock(content)] : [])
  if (!Array.isArray(content)) return Result.fail(malformed(path, "Content is a text or a list of parts."))
  const blocks: Array<Block> = []
  for (const [index, each] of content.entries()) {
    const block = lowerPart(each, `${path}[${index}]`)
    if (Result.isFailure(block)) return Result.fail(block.failure)
    if (block.success !== undefined) blocks.push(block.success)
  }
  return Result.succeed(blocks)
}

/** The same where Claude takes nothing but texts. */
export const lowerTexts = (
  content: unknown,
  path: string,
): Result.Result<Array<TextBlockParam>, LoweringFault> =>
  Result.flatMap(lowerContent(content, path), (blocks) => {
    const texts = blocks.filter((block) => block.type === "text")
    return texts.length === blocks.length
      ? Result.succeed(texts)
      : Result.fail(unsupported(path, "Content other than text is, in this message,"))
  })

const saysSomething = (text: string): boolean => /\S/.test(text)

export const textBlock = (text: string): TextBlockParam => ({ type: "text", text: text.toWellFormed() })

/** Reads the mark up to which Claude keeps a prompt in its cache, where its own API has it. */
export const cacheMark = (bearer: JsonObject): { cache_control?: CacheControlEphemeral } => {
  const mark = objectAt(bearer, "cache_control")
  if (mark?.type !== "ephemeral") return {}
  const { ttl } = mark
  return { cache_control: { type: "ephemeral", ...((ttl === "5m" || ttl === "1h") && { ttl }) } }
}

const lowerPart = (part: unknown, path: string): Result.Result<Block | undefined, LoweringFault> => {
  if (!isObject(part)) return Result.fail(malformed(path, "A content part is an object."))
  switch (part.type) {
    case "text":
    case "refusal": {
      const text = stringAt(part, part.type)
      if (text === undefined) return Result.fail(malformed(`${path}.${part.type}`, "The text is missing."))
      return Result.succeed(saysSomething(text) ? { ...textBlock(text), ...cacheMark(part) } : undefined)
    }
    case "image_url":
      return Result.map(lowerImage(part, `${path}.image_url`), (block) => ({ ...block, ...cacheMark(part) }))
    case "file":
      return Result.map(lowerFile(part, `${path}.file`), (block) => ({ ...block, ...cacheMark(part) }))
    default:
      return Result.fail(
        typeof part.type === "string"
          ? unsupported(path, "This type of content is")
          : malformed(`${path}.type`, "The type of the content part is missing."),
      )
  }
}

const IMAGES = ["image/jpeg", "image/png", "image/gif", "image/webp"] as const

const lowerImage = (part: JsonObject, param: string): Result.Result<ImageBlockParam, LoweringFault> => {
  const url = stringAt(objectAt(part, "image_url"), "url")
  if (url === undefined) return Result.fail(malformed(param, "The URL of the image is missing."))
  if (/^https?:\/\//i.test(url)) return Result.succeed({ type: "image", source: { type: "url", url } })
  const read = readDataUrl(url)
  const media_type = IMAGES.find((each) => each === read?.mediaType.toLowerCase())
  return read === undefined || media_type === undefined
    ? Result.fail(unsupported(param, "An image that is no JPEG, PNG, GIF or WebP by URL or in base64 is"))
    : Result.succeed({ type: "image", source: { type: "base64", media_type, data: read.data } })
}

const lowerFile = (
  part: JsonObject,
  param: string,
): Result.Result<DocumentBlockParam | ImageBlockParam, LoweringFault> => {
  const file = objectAt(part, "file")
  const data = stringAt(file, "file_data")
  if (data === undefined) return Result.fail(unsupported(param, "Files without file_data are"))
  const read = readDataUrl(data)
  const type = read?.mediaType.toLowerCase()
  const title = stringAt(file, "filename")
  const media_type = IMAGES.find((each) => each === type)
  if (read !== undefined && media_type !== undefined) {
    return Result.succeed({ type: "image", source: { type: "base64", media_type, data: read.data } })
  }
  return read !== undefined && type === "application/pdf"
    ? Result.succeed({
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: read.data },
        ...(title && { title }),
      })
    : Result.fail(unsupported(param, "A file that is no PDF or image in base64 is"))
}
