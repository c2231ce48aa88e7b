import { isObject, type JsonObject, objectsAt, stringAt } from "../platform/json.ts"

/**
 * `reasoning_details` of a chat's message, a field that OpenRouter has introduced: reasoning that goes back to who made it, and
 * to nobody else. The `format` of a detail says who that is.
 */
export const CLAUDE_FORMAT = "anthropic-claude-v1"
const OPENAI_FORMAT = "openai-responses-v1"

/** Recognizes what Claude signed or encrypted. */
export const isClaudesReasoning = (detail: unknown): boolean =>
  isObject(detail) && detail.format === CLAUDE_FORMAT

/** Recognizes what OpenAI encrypted, for whatever account. */
export const isOpenAisReasoning = (detail: unknown): detail is JsonObject =>
  isObject(detail) && detail.format === OPENAI_FORMAT

/**
 * Recognizes what OpenAI encrypted for this gateway's account. OpenRouter hands out the same of its own account, and wants it
 * back: it numbers its details, which come in pieces.
 */
export const isGatewaysReasoning = (detail: unknown): boolean =>
  isOpenAisReasoning(detail) && detail.index === undefined

/** Returns the details of a reasoning item of Responses; none for one that is not encrypted. */
export const detailsOfItem = (item: JsonObject): ReadonlyArray<JsonObject> => {
  const { encrypted_content: data, id } = item
  if (typeof data !== "string" || data === "") return []
  return [
    ...objectsAt(item, "summary").map((part) => ({
      type: "reasoning.summary",
      id,
      summary: stringAt(part, "text") ?? "",
      format: OPENAI_FORMAT,
    })),
    { type: "reasoning.encrypted", id, data, format: OPENAI_FORMAT },
  ]
}
