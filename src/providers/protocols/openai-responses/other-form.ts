import { isObject, type JsonObject, objectAt, objectsAt, parseJson } from "../../../platform/json.ts"
import { ending } from "./response.ts"

/** Makes a whole response of a stream's events; undefined when they do not end. An error among them is returned as it is. */
export const joinEvents = (events: ReadonlyArray<{ readonly data: string }>): JsonObject | undefined => {
  for (const { data } of events) {
    const json = parseJson(data)
    if (!isObject(json)) continue
    const response =
      ending(json) ?? (json.type === "response.failed" ? objectAt(json, "response") : undefined)
    if (response !== undefined) return response
    if (json.type === "error") return { error: json.error ?? json }
  }
  return undefined
}

/** Makes the data of the events of a stream that a whole response is in place of; undefined for what is no object. */
export const splitAnswer = (json: unknown): ReadonlyArray<string> | undefined => {
  if (!isObject(json)) return undefined
  const { output, status, ...head } = json
  if (!Array.isArray(output)) return [JSON.stringify(json)]
  const end = status === "incomplete" || status === "failed" ? status : "completed"
  return [
    // Clients put an answer together of its items, and know it by its beginning.
    { type: "response.created", response: { ...head, status: "in_progress", output: [], usage: null } },
    ...(end === "failed" ? [] : objectsAt(json, "output").flatMap(itemEvents)),
    { type: `response.${end}`, response: json },
  ].map((event, sequence_number) => JSON.stringify({ ...event, sequence_number }))
}

const itemEvents = (item: JsonObject, output_index: number): ReadonlyArray<JsonObject> => [
  {
    type: "response.output_item.added",
    output_index,
    item: item.type === "message" ? { ...item, content: [] } : item,
  },
  ...(item.type === "message" ? objectsAt(item, "content") : []).flatMap((part, content_index) =>
    partEvents(part, { item_id: item.id, output_index, content_index }),
  ),
  { type: "response.output_item.done", output_index, item },
]

const partEvents = (part: JsonObject, at: JsonObject): ReadonlyArray<JsonObject> => [
  { type: "response.content_part.added", ...at, part: { ...part, ...emptied(part) } },
  ...(part.type === "refusal"
    ? [{ type: "response.refusal.delta", ...at, delta: part.refusal }]
    : [{ type: "response.output_text.delta", ...at, delta: part.text, logprobs: [] }]),
  { type: "response.content_part.done", ...at, part },
]

const emptied = ({ type }: JsonObject) => (type === "refusal" ? { refusal: "" } : { text: "" })
