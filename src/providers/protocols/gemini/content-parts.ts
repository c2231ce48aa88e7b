import type { Part } from "@google/genai"
import { Result } from "effect"
import { isObject, objectAt, stringAt } from "../../../platform/json.ts"
import { readDataUrl } from "../data-url.ts"
import { malformed, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"

/**
 * Turns OpenAI's content into Gemini's parts. Data travels within the request only: a URL of a client is never fetched, and
 * Gemini is not asked to fetch it either.
 */
export const lowerContent = (
  content: unknown,
  path: string,
  allowed: "text" | "any",
): Result.Result<Array<Part>, LoweringFault> => {
  if (content === undefined || content === null || content === "") return Result.succeed([])
  if (typeof content === "string") return Result.succeed([{ text: content }])
  if (!Array.isArray(content)) return Result.fail(malformed(path, "Content is a text or a list of parts."))
  const parts: Array<Part> = []
  for (const [index, each] of content.entries()) {
    const part = lowerPart(each, `${path}[${index}]`)
    if (Result.isFailure(part)) return Result.fail(part.failure)
    if (allowed === "text" && part.success.text === undefined) {
      return Result.fail(unsupported(`${path}[${index}]`, "Content other than text is, in this message,"))
    }
    parts.push(part.success)
  }
  return Result.succeed(parts)
}

const lowerPart = (part: unknown, path: string): Result.Result<Part, LoweringFault> => {
  if (!isObject(part)) return Result.fail(malformed(path, "A content part is an object."))
  switch (part.type) {
    case "text":
    case "refusal": {
      const text = stringAt(part, part.type)
      return text === undefined
        ? Result.fail(malformed(`${path}.${part.type}`, "The text is missing."))
        : Result.succeed({ text })
    }
    case "image_url": {
      const url = stringAt(objectAt(part, "image_url"), "url")
      const param = `${path}.image_url`
      if (url === undefined) return Result.fail(malformed(param, "The URL of the image is missing."))
      if (!isDataUrl(url)) return Result.fail(unsupported(param, "Images by URL (other than data: URLs) are"))
      return inlineData(url, param)
    }
    case "input_audio": {
      const audio = objectAt(part, "input_audio")
      const data = stringAt(audio, "data")
      const format = stringAt(audio, "format")
      const param = `${path}.input_audio`
      if (data === undefined || format === undefined) {
        return Result.fail(malformed(param, "Audio needs data and a format."))
      }
      if (format !== "wav" && format !== "mp3") return Result.fail(unsupported(param, "This audio format is"))
      return Result.succeed({ inlineData: { mimeType: `audio/${format}`, data } })
    }
    case "file": {
      const file = objectAt(part, "file")
      const data = stringAt(file, "file_data")
      const param = `${path}.file`
      return data === undefined
        ? Result.fail(unsupported(param, "Files without file_data are"))
        : inlineData(data, param)
    }
    default:
      return Result.fail(
        typeof part.type === "string"
          ? unsupported(path, "This type of content is")
          : malformed(`${path}.type`, "The type of the content part is missing."),
      )
  }
}

const isDataUrl = (url: string): boolean => /^data:/i.test(url)

const inlineData = (url: string, param: string): Result.Result<Part, LoweringFault> => {
  const read = readDataUrl(url)
  return read === undefined
    ? Result.fail(unsupported(param, "Data other than a data: URL with a media type and base64 is"))
    : Result.succeed({ inlineData: { mimeType: read.mediaType, data: read.data } })
}
