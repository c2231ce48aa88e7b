import type { ChatChunk } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import type { SseEvent } from "../../http/sse.ts"
import { badResponse } from "../fault.ts"
import type { Reading, StreamReader } from "../Protocol.ts"
import { faulty, nothing, readLast, truncated } from "../readings.ts"
import { eventFault } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { ending } from "./response.ts"
import { counted } from "./usage.ts"

/** Reads a response in events for a client that speaks the same: each passes as it came, and is read only to be understood. */
export const openNativeStream = (): StreamReader => ({
  read,
  end: (rest) =>
    readLast(rest, early, (data) => read({ bytes: Buffer.from(`${rest.trimEnd()}\n\n`), type: "", data })),
})

const read = ({ bytes, data }: SseEvent): Reading => {
  if (data.trim() === "") return nothing
  const json = parseJson(data)
  if (!isObject(json)) return faulty(badResponse("event data is not a JSON object"))
  const fault = eventFault(json)
  if (fault !== undefined) return faulty(fault)
  const response = ending(json)
  if (response === undefined) return { _tag: "Chunks", chunks: [chunkOf(bytes, json)] }
  const last: ChatChunk = {
    ...chunkOf(bytes, json),
    semantic: true,
    model: stringAt(response, "model"),
    finishReason: readFinishReason(response),
    usage: counted(response),
  }
  return { _tag: "Done", chunks: [last] }
}

/** Tells whether an event says anything: what does not, another provider could still begin anew. */
const isSaid = (event: JsonObject): boolean => {
  const item = objectAt(event, "item")
  if (event.type === "response.output_item.added")
    return item?.type !== "message" && item?.type !== "reasoning"
  // Signs of life have no place in the output.
  return !String(event.type).endsWith("_part.added") && event.output_index !== undefined
}

const chunkOf = (event: Uint8Array, json: JsonObject): ChatChunk => {
  const delta = stringAt(json, "delta") ?? ""
  return {
    dialect: "responses",
    event,
    text: json.type === "response.output_text.delta" || json.type === "response.refusal.delta" ? delta : "",
    generated: delta.length,
    semantic: delta !== "" || isSaid(json),
    usageOnly: false,
    model: stringAt(objectAt(json, "response"), "model"),
    finishReason: undefined,
    usage: undefined,
  }
}

const early = truncated("ended without its terminal event")
