import { isObject, type JsonObject, parseJson } from "../../platform/json.ts"

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
