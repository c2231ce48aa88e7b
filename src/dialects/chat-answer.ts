import { isObject, type JsonObject, parseJson, stringAt } from "../platform/json.ts"

/** What a chat's answer says, whole or in chunks, for the dialects that it is put into. */

/** Reads the data of a chunk's event; undefined for a comment, and for anything that is no object. */
export const chunkData = (event: Uint8Array): JsonObject | undefined => {
  const text = Buffer.from(event.buffer, event.byteOffset, event.byteLength).toString()
  const data = text
    .split(/\r\n|\r|\n/)
    .flatMap((line) => (line.startsWith("data:") ? [line.slice(5)] : []))
    .join("\n")
  const json = parseJson(data)
  return isObject(json) ? json : undefined
}

/** Returns the text of a message's or a delta's content: a text, or the texts of a list. */
export const contentText = (content: unknown): string => {
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content
    .map((part) => (isObject(part) && part.type === "text" ? (stringAt(part, "text") ?? "") : ""))
    .join("")
}

/** Returns the reasoning of a message or a delta, for which the field has two names and Mistral a place within the content. */
export const reasoningOf = (message: JsonObject): string =>
  stringAt(message, "reasoning_content") || stringAt(message, "reasoning") || thoughtsWithin(message.content)

/** Returns the texts of `{"type": "thinking", "thinking": [{"type": "text", …}]}`. */
const thoughtsWithin = (content: unknown): string =>
  Array.isArray(content)
    ? content
        .map((part) => (isObject(part) && part.type === "thinking" ? contentText(part.thinking) : ""))
        .join("")
    : ""
