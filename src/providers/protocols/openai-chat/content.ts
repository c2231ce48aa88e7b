import { isObject, type JsonObject, stringAt } from "../../../platform/json.ts"

/** Returns what a message or a delta says: a text, the texts of a list (Mistral's, beside its thoughts), or a refusal. */
export const textOf = (message: JsonObject | undefined): string => {
  const content = message?.content
  return (
    (Array.isArray(content) ? textsOf(content) : stringAt(message, "content")) ||
    stringAt(message, "refusal") ||
    ""
  )
}

const textsOf = (parts: ReadonlyArray<unknown>): string =>
  parts.map((part) => (isObject(part) && part.type === "text" ? (stringAt(part, "text") ?? "") : "")).join("")
