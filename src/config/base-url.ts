import { Schema, SchemaTransformation } from "effect"
import { textThat } from "../domain/rules.ts"

const isBaseUrl = (text: string): boolean => {
  const url = URL.parse(text)
  if (url === null || /\s/.test(text)) return false
  if (url.protocol !== "http:" && url.protocol !== "https:") return false
  return url.username === "" && url.password === "" && !/[?#@]/.test(text)
}

/** Origin and path prefix of an API. Read without trailing slashes, because a path follows. */
export const BaseUrl = textThat(
  "must be an http:// or https:// URL without credentials, query or fragment",
  isBaseUrl,
  "^[Hh][Tt][Tt][Pp][Ss]?:[^\\s?#@]+$",
).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({
      decode: (text: string) => text.replace(/\/+$/, ""),
      encode: (url) => url,
    }),
  ),
)
