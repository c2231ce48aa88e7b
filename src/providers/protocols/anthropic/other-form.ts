import { isObject, type JsonObject, objectsAt } from "../../../platform/json.ts"
import { classifyInBand } from "./errors.ts"

/** Makes the data of a stream's events of a whole message, or of an error, that came in their place. */
export const splitAnswer = (json: unknown): ReadonlyArray<string> | undefined => {
  if (!isObject(json)) return undefined
  if (classifyInBand(json) !== undefined) return [JSON.stringify(json)]
  if (!Array.isArray(json.content)) return undefined
  const { content: _, stop_reason, stop_sequence = null, usage, ...message } = json
  return [
    { type: "message_start", message: { ...message, content: [], stop_reason: null, usage } },
    ...objectsAt(json, "content").flatMap(eventsOf),
    { type: "message_delta", delta: { stop_reason, stop_sequence }, usage },
    { type: "message_stop" },
  ].map((event) => JSON.stringify(event))
}

const eventsOf = (block: JsonObject, index: number): ReadonlyArray<JsonObject> => [
  { type: "content_block_start", index, content_block: begun(block) },
  ...deltasOf(block).map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
]

/** Returns a block as it begins in a stream; one of a kind that has no pieces is there at once. */
const begun = (block: JsonObject): JsonObject => {
  switch (block.type) {
    case "text":
      return { ...block, text: "" }
    case "thinking":
      return { ...block, thinking: "", signature: "" }
    case "tool_use":
      return { ...block, input: {} }
    default:
      return block
  }
}

const deltasOf = (block: JsonObject): ReadonlyArray<JsonObject> => {
  switch (block.type) {
    case "text":
      return [{ type: "text_delta", text: block.text }]
    case "thinking":
      return [
        { type: "thinking_delta", thinking: block.thinking },
        { type: "signature_delta", signature: block.signature },
      ]
    case "tool_use":
      return [{ type: "input_json_delta", partial_json: JSON.stringify(block.input ?? {}) }]
    default:
      return []
  }
}
