import type { ChatChunk } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"

/** Returns what a message or a delta says: a text, the texts of a list (Mistral's, beside its thoughts), or a refusal. */
export const textOf = (message: JsonObject | undefined): string => {
  const content = message?.content
  return (
    (Array.isArray(content) ? textsOf(content) : stringAt(message, "content")) ||
    stringAt(message, "refusal") ||
    ""
  )
}

/** Returns the URLs of the images that a message or a delta has, as OpenRouter's answers do; undefined for none. */
export const imagesOf = (message: JsonObject | undefined): Pick<ChatChunk, "images"> | undefined => {
  if (!Array.isArray(message?.images)) return undefined
  const images = objectsAt(message, "images").flatMap(
    (image) => stringAt(objectAt(image, "image_url"), "url") ?? [],
  )
  return images.length === 0 ? undefined : { images }
}

const textsOf = (parts: ReadonlyArray<unknown>): string =>
  parts.map((part) => (isObject(part) && part.type === "text" ? (stringAt(part, "text") ?? "") : "")).join("")
