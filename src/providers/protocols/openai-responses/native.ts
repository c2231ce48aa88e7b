import { Result } from "effect"
import type { ChatChunk, Completion } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import type { SseEvent } from "../../http/sse.ts"
import { badResponse } from "../fault.ts"
import type { Fault, JsonAnswer, Reading, StreamReader } from "../Protocol.ts"
import { counted, ending, eventFault, finishReason, readResponse, textOf } from "./response.ts"
import { readUsage } from "./usage.ts"

/** Answers that pass as they came, for clients that speak Responses too: read only for the gateway's own account. */

export const passAnswer = (model: string, { bytes, json }: JsonAnswer): Result.Result<Completion, Fault> => {
  const response = readResponse(json)
  if ("kind" in response) return Result.fail(response as Fault)
  return Result.succeed({
    dialect: "responses",
    text: textOf(response),
    finishReason: finishReason(response),
    model: stringAt(response, "model") ?? model,
    usage: readUsage(response),
    usageEstimated: false,
    rawUsage: response.usage ?? null,
    body: () => bytes,
  })
}

export const passStream = (): StreamReader => ({
  read,
  end: (rest) =>
    lastReading(rest, (data) => read({ bytes: Buffer.from(`${rest.trimEnd()}\n\n`), type: "", data })),
})

const read = ({ bytes, data }: SseEvent): Reading => {
  if (data.trim() === "") return nothing
  const json = parseJson(data)
  if (!isObject(json)) return { _tag: "Fault", fault: badResponse("event data is not a JSON object") }
  const fault = eventFault(json)
  if (fault !== undefined) return { _tag: "Fault", fault }
  const response = ending(json)
  if (response === undefined) return { _tag: "Chunks", chunks: [chunkOf(bytes, json)] }
  const last: ChatChunk = {
    ...chunkOf(bytes, json),
    semantic: true,
    model: stringAt(response, "model"),
    finishReason: finishReason(response),
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

export const nothing: Reading = { _tag: "Chunks", chunks: [] }

const truncated: Reading = {
  _tag: "Fault",
  fault: { kind: "reset", detail: "ended without its terminal event" },
}

/** Reads what is left when a stream is over: a last event that lacks no more than its blank line. */
export const lastReading = (rest: string, read: (data: string) => Reading): Reading => {
  const data = rest.trim().replace(/^(event:.*\n)?data:/, "")
  const last = isObject(parseJson(data)) ? read(data) : nothing
  return last._tag === "Chunks" ? truncated : last
}
