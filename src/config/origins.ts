import { Schema, SchemaTransformation } from "effect"
import { textThat } from "../domain/rules.ts"

/** Origins of pages, or `*` for every page. */
export type Origins = ReadonlySet<string> | "*"

const RULE = "must be * or origins such as https://app.example.com, separated by commas"

/** An origin as browsers send it: without a default port, a path or a capital letter in the host. */
const isOrigin = (text: string): boolean => {
  if (!/^https?:/.test(text)) return /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#,]+$/.test(text)
  return URL.canParse(text) && new URL(text).origin === text
}

const namesIn = (text: string): ReadonlyArray<string> => text.split(",").map((name) => name.trim())

/** `CORS_ORIGINS`. */
export const OriginList = textThat(RULE, (text) => text === "*" || namesIn(text).every(isOrigin)).pipe(
  Schema.decodeTo(
    Schema.declare<Origins>((value): value is Origins => value === "*" || value instanceof Set),
    SchemaTransformation.transform<Origins, string>({
      decode: (text) => (text === "*" ? text : new Set(namesIn(text))),
      encode: (origins) => (origins === "*" ? origins : [...origins].join(",")),
    }),
  ),
)
