import { isObject, type JsonObject, objectsAt } from "../../platform/json.ts"
import type { Mistake } from "./notes.ts"

/** Versions of the API that a client may speak, the oldest first: who names none speaks that one. */
export const VERSIONS = ["2023-06-01", "2026-10-21"] as const
export type Version = (typeof VERSIONS)[number]

/** Gone with 2026-10-21, whatever their value is. */
const SAMPLING = ["temperature", "top_p", "top_k"]

/** In the vendor's own words. */
const NOT_PERMITTED = "Extra inputs are not permitted"

/**
 * Finds what a version no longer takes of what the one before took: sampling parameters, documents in turns of the assistant
 * and citations on texts of the user (platform.claude.com/docs/en/api/migration-2026-10-21).
 */
export const refusedBy = (version: Version, body: JsonObject): Mistake | undefined => {
  if (version === "2023-06-01") return undefined
  const sampling = SAMPLING.find((field) => body[field] !== undefined)
  if (sampling !== undefined) return { path: [sampling], rule: NOT_PERMITTED }
  for (const [index, message] of (Array.isArray(body.messages) ? body.messages : []).entries()) {
    if (!isObject(message)) continue
    for (const [nth, block] of objectsAt(message, "content").entries()) {
      const path = ["messages", index, "content", nth]
      if (message.role === "assistant" && block.type === "document") {
        return { path, rule: "Documents are not permitted in messages of the assistant" }
      }
      if (message.role === "user" && block.type === "text" && hasCitations(block)) {
        return { path: [...path, "citations"], rule: NOT_PERMITTED }
      }
    }
  }
  return undefined
}

const hasCitations = ({ citations }: JsonObject): boolean => Array.isArray(citations) && citations.length > 0
