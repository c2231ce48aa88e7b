import type { ChatChunk, FinishReason } from "../../../domain/Chat.ts"
import { detailsOfItem } from "../../../domain/reasoning-details.ts"
import {
  isObject,
  type JsonObject,
  objectAt,
  objectsAt,
  parseJson,
  stringAt,
} from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import { chatChunk, usageChunk, type WireDelta, type WireHead } from "../openai-chat/wire.ts"
import type { Reading, StreamReader } from "../Protocol.ts"
import { faulty, MAX_PARTS, nothing, readLast, tooManyParts, truncated } from "../readings.ts"
import { answerHead, chatCall, messageOf } from "./answer.ts"
import { eventFault } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { ending, isCall } from "./response.ts"
import { counted } from "./usage.ts"

/** Turns the events of a response into the chunks of a chat. */
export const openStream = (model: string, nowMs: number): StreamReader => new ResponsesStream(model, nowMs)

class ResponsesStream implements StreamReader {
  readonly #nowMs: number
  #head: WireHead
  #begun = false
  /** Whether anything was said, of which a last event is only the sum. */
  #said = false
  /** Places of the items of which pieces have come; a server may say an item only at its end. */
  readonly #inPieces = new Set<unknown>()
  /** Numbers of the calls, by the place of their items. */
  readonly #calls = new Map<unknown, number>()

  constructor(model: string, nowMs: number) {
    this.#nowMs = nowMs
    this.#head = answerHead(model, {}, nowMs)
  }

  read({ data }: { readonly data: string }): Reading {
    if (data.trim() === "") return nothing
    const json = parseJson(data)
    if (!isObject(json)) return faulty(badResponse("event data is not a JSON object"))
    const fault = eventFault(json)
    if (fault !== undefined) return faulty(fault)
    const response = objectAt(json, "response")
    if (response !== undefined) this.#head = answerHead(this.#head.model, response, this.#nowMs)
    const last = ending(json)
    if (this.#calls.size > MAX_PARTS || this.#inPieces.size > MAX_PARTS) return tooManyParts
    return last === undefined
      ? { _tag: "Chunks", chunks: this.#take(json) }
      : { _tag: "Done", chunks: this.#end(last) }
  }

  end(rest: string): Reading {
    return readLast(rest, early, (data) => this.read({ data }))
  }

  #take(event: JsonObject): ReadonlyArray<ChatChunk> {
    const delta = stringAt(event, "delta") ?? ""
    if (delta !== "") this.#inPieces.add(event.output_index)
    switch (event.type) {
      case "response.created":
        return this.#begin()
      case "response.output_text.delta":
        return this.#say({ content: delta }, delta, delta.length)
      case "response.refusal.delta":
        return this.#say({ refusal: delta }, delta, delta.length)
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        return this.#say({ reasoning_content: delta }, "", delta.length)
      case "response.reasoning_summary_part.added":
        // Parts of a summary are paragraphs.
        return event.summary_index === 0 ? [] : this.#say({ reasoning_content: "\n\n" }, "", 2)
      case "response.function_call_arguments.delta":
        return this.#piece(event, { function: { arguments: delta } }, delta.length)
      case "response.custom_tool_call_input.delta":
        return this.#piece(event, { custom: { input: delta } }, delta.length)
      case "response.function_call_arguments.done":
      case "response.custom_tool_call_input.done":
        return this.#input(event, event)
      case "response.output_item.added":
        return this.#item(event)
      case "response.output_item.done":
        return this.#done(event)
      default:
        return []
    }
  }

  #item(event: JsonObject): ReadonlyArray<ChatChunk> {
    const item = objectAt(event, "item") ?? {}
    if (!isCall(item)) return []
    const index = this.#calls.size
    this.#calls.set(event.output_index, index)
    // What it says comes in pieces.
    const call = chatCall({ ...item, arguments: "", input: "" })
    return this.#say({ tool_calls: [{ index, ...call }] }, "", stringAt(item, "name")?.length ?? 0)
  }

  #piece(event: JsonObject, said: JsonObject, length: number): ReadonlyArray<ChatChunk> {
    const index = this.#calls.get(event.output_index)
    return index === undefined ? [] : this.#say({ tool_calls: [{ index, ...said }] }, "", length)
  }

  #cameInPieces({ output_index: place }: JsonObject): boolean {
    return this.#inPieces.has(place) || this.#inPieces.has(undefined)
  }

  /** Says what of an item did not come in pieces. */
  #done(event: JsonObject): ReadonlyArray<ChatChunk> {
    const item = objectAt(event, "item") ?? {}
    if (isCall(item)) {
      const begin = this.#calls.has(event.output_index) ? [] : this.#item(event)
      return [...begin, ...this.#input(event, item)]
    }
    if (item.type === "message" && !this.#cameInPieces(event)) return this.#whole({ output: [item] })
    const details = detailsOfItem(item)
    return details.length === 0 ? [] : this.#say({ reasoning_details: details }, "", 0)
  }

  /** Says the arguments or the input of a call all at once, where no piece of them came. */
  #input(event: JsonObject, { arguments: args, input: custom }: JsonObject): ReadonlyArray<ChatChunk> {
    const isCustom = typeof custom === "string"
    const input = isCustom ? custom : typeof args === "string" ? args : ""
    if (input === "" || !this.#calls.has(event.output_index) || this.#cameInPieces(event)) return []
    this.#inPieces.add(event.output_index)
    return this.#piece(
      event,
      isCustom ? { custom: { input } } : { function: { arguments: input } },
      input.length,
    )
  }

  #end(response: JsonObject): ReadonlyArray<ChatChunk> {
    const usage = counted(response)
    const reason = readFinishReason(response)
    const whole = this.#said ? [] : this.#whole(response)
    const end = { ...this.#chunk({}, "", 0, reason), semantic: true, usage }
    if (!usage?.usage) return [...this.#begin(), ...whole, end]
    const count: ChatChunk = {
      ...this.#chunk({}, "", 0),
      event: usageChunk(this.#head, usage.usage),
      usageOnly: true,
      usage,
    }
    return [...this.#begin(), ...whole, end, count]
  }

  /** Says all at once what came without deltas: a whole answer in place of a stream, or an item. */
  #whole(response: JsonObject): ReadonlyArray<ChatChunk> {
    const { role: _, ...message } = messageOf(response)
    const calls = objectsAt(message, "tool_calls").map((call, index) => ({ index, ...call }))
    const text = message.content ?? message.refusal ?? ""
    return this.#say({ ...message, ...(calls.length > 0 && { tool_calls: calls }) }, text, text.length)
  }

  #begin(): ReadonlyArray<ChatChunk> {
    if (this.#begun) return []
    this.#begun = true
    return [this.#chunk({ role: "assistant", content: "" }, "", 0)]
  }

  #say(delta: WireDelta, text: string, generated: number): ReadonlyArray<ChatChunk> {
    const begin = this.#begin()
    this.#said = true
    return [...begin, { ...this.#chunk(delta, text, generated), semantic: true }]
  }

  #chunk(delta: WireDelta, text: string, generated: number, reason?: FinishReason): ChatChunk {
    return {
      event: chatChunk(this.#head, 0, delta, reason ?? null),
      text,
      generated,
      semantic: false,
      usageOnly: false,
      model: this.#head.model,
      finishReason: reason,
      usage: undefined,
    }
  }
}

const early = truncated("ended without its terminal event")
