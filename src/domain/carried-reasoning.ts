import { isObject, type JsonObject, parseJson } from "../platform/json.ts"
import { scanJson } from "../platform/json-source.ts"

/**
 * A vendor's reasoning on its way through a client that speaks another vendor's dialect, which has one opaque text for it and no
 * word for whose it is. What chat has as `reasoning_details` travels in that text, and comes back for its maker alone.
 */
const MARK = "gateway-reasoning-v1."

/** A list of objects of texts and numbers; as many as one turn has. */
const BOUNDS = { depth: 2, fields: 100, innerFields: 100, pieces: 10_000 }

export const carryReasoning = (details: ReadonlyArray<JsonObject>): string =>
  MARK + Buffer.from(JSON.stringify(details)).toString("base64url")

/** Tells what `carryReasoning` made from what the vendor of the dialect did. */
export const isCarriedReasoning = (text: unknown): text is string =>
  typeof text === "string" && text.startsWith(MARK)

/** Returns the details that a text carries; none when the client changed it. */
export const carriedReasoning = (text: string): ReadonlyArray<JsonObject> => {
  const bytes = Buffer.from(text.slice(MARK.length), "base64url")
  if (scanJson(bytes, BOUNDS).excess !== undefined) return []
  const details = parseJson(bytes.toString())
  return Array.isArray(details) ? details.filter(isObject) : []
}
