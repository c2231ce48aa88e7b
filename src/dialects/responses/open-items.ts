import { type JsonObject, objectsAt } from "../../platform/json.ts"
import {
  type Call,
  callItem,
  type Image,
  type ItemStatus,
  imageBegun,
  imageItem,
  messageItem,
  reasoningItem,
  refusalPart,
  summaryPart,
  textPart,
} from "./output-items.ts"

/** Writes one event. */
export type Emit = (type: string, fields: JsonObject) => void

/** Where an item stands in its response. */
interface Place {
  readonly id: string
  readonly index: number
  readonly emit: Emit
}

/** An item of a streamed response, which says in events how it grows. */
export interface OpenItem {
  /** Returns the item as it is by now. */
  readonly json: () => JsonObject
  readonly close: (status: "completed" | "incomplete") => void
}

export class ReasoningItem implements OpenItem {
  readonly #place: Place
  readonly #details: Array<JsonObject> = []
  #text = ""

  constructor(place: Place) {
    this.#place = place
    place.emit("response.output_item.added", {
      output_index: place.index,
      item: this.json(),
    })
  }

  get #at() {
    return { item_id: this.#place.id, output_index: this.#place.index, summary_index: 0 }
  }

  add(delta: string): void {
    if (this.#text === "") {
      this.#place.emit("response.reasoning_summary_part.added", { ...this.#at, part: summaryPart("") })
    }
    this.#text += delta
    this.#place.emit("response.reasoning_summary_text.delta", { ...this.#at, delta })
  }

  /** Adds what its maker wants back. */
  sign(details: ReadonlyArray<JsonObject>): void {
    this.#details.push(...details)
  }

  close(): void {
    const { emit, index } = this.#place
    if (this.#text !== "") {
      emit("response.reasoning_summary_text.done", { ...this.#at, text: this.#text })
      emit("response.reasoning_summary_part.done", { ...this.#at, part: summaryPart(this.#text) })
    }
    emit("response.output_item.done", { output_index: index, item: this.json() })
  }

  json(): JsonObject {
    return reasoningItem(this.#place.id, this.#text, this.#details)
  }
}

/** A part of a message: its text, or its refusal. */
interface Part {
  readonly kind: "output_text" | "refusal"
  text: string
  readonly logprobs: Array<unknown>
}

/** Logprobs, alternatives included, that are said again at the end of a message; of more the deltas alone have any. */
const MAX_KEPT_LOGPROBS = 100_000

export class MessageItem implements OpenItem {
  readonly #place: Place
  #kept = 0
  readonly #parts: Array<Part> = []
  #status: ItemStatus = "in_progress"

  constructor(place: Place) {
    this.#place = place
    place.emit("response.output_item.added", { output_index: place.index, item: this.json() })
  }

  addText(delta: string, logprobs: ReadonlyArray<JsonObject>): void {
    const part = this.#part("output_text")
    if (delta === "") return
    part.text += delta
    this.#kept += logprobs.reduce((sum, each) => sum + 1 + objectsAt(each, "top_logprobs").length, 0)
    if (this.#kept <= MAX_KEPT_LOGPROBS) part.logprobs.push(...logprobs)
    else part.logprobs.length = 0
    this.#place.emit("response.output_text.delta", { ...this.#at, delta, logprobs })
  }

  addRefusal(delta: string): void {
    this.#part("refusal").text += delta
    this.#place.emit("response.refusal.delta", { ...this.#at, delta })
  }

  close(status: "completed" | "incomplete"): void {
    this.#closePart()
    this.#status = status
    this.#place.emit("response.output_item.done", { output_index: this.#place.index, item: this.json() })
  }

  json(): JsonObject {
    return messageItem(this.#place.id, this.#status, this.#parts.map(partOf))
  }

  /** The place of the last part, the only one that grows. */
  get #at() {
    return {
      item_id: this.#place.id,
      output_index: this.#place.index,
      content_index: this.#parts.length - 1,
    }
  }

  #part(kind: Part["kind"]): Part {
    const last = this.#parts.at(-1)
    if (last?.kind === kind) return last
    this.#closePart()
    const part: Part = { kind, text: "", logprobs: [] }
    this.#parts.push(part)
    this.#place.emit("response.content_part.added", { ...this.#at, part: partOf(part) })
    return part
  }

  #closePart(): void {
    const part = this.#parts.at(-1)
    if (part === undefined) return
    const { kind, logprobs, text } = part
    const { emit } = this.#place
    if (kind === "refusal") emit("response.refusal.done", { ...this.#at, refusal: text })
    else emit("response.output_text.done", { ...this.#at, text, logprobs })
    emit("response.content_part.done", { ...this.#at, part: partOf(part) })
  }
}

const partOf = ({ kind, logprobs, text }: Part): JsonObject =>
  kind === "refusal" ? refusalPart(text) : textPart(text, [...logprobs])

/** An image comes whole. */
export class ImageItem implements OpenItem {
  readonly #place: Place
  readonly #image: Image

  constructor(place: Place, image: Image) {
    this.#place = place
    this.#image = image
    place.emit("response.output_item.added", { output_index: place.index, item: imageBegun(place.id) })
  }

  close(): void {
    const { emit, id, index } = this.#place
    for (const stage of ["in_progress", "generating", "completed"]) {
      emit(`response.image_generation_call.${stage}`, { item_id: id, output_index: index })
    }
    emit("response.output_item.done", { output_index: index, item: this.json() })
  }

  json(): JsonObject {
    return imageItem(this.#place.id, this.#image)
  }
}

export class CallItem implements OpenItem {
  readonly #place: Place
  readonly #call: Call
  #said = ""
  #status: ItemStatus = "in_progress"

  constructor(place: Place, call: Call) {
    this.#place = place
    this.#call = call
    place.emit("response.output_item.added", { output_index: place.index, item: this.json() })
    this.add(call.said)
  }

  add(delta: string): void {
    if (delta === "") return
    this.#said += delta
    this.#place.emit(`response.${this.#field}.delta`, { ...this.#at, delta })
  }

  close(status: "completed" | "incomplete"): void {
    const { emit, index } = this.#place
    const said = this.#call.isCustom ? { input: this.#said } : { arguments: this.#said }
    emit(`response.${this.#field}.done`, { ...this.#at, ...said })
    this.#status = status
    emit("response.output_item.done", { output_index: index, item: this.json() })
  }

  json(): JsonObject {
    return callItem(this.#place.id, this.#status, { ...this.#call, said: this.#said })
  }

  get #field(): string {
    return this.#call.isCustom ? "custom_tool_call_input" : "function_call_arguments"
  }

  get #at() {
    return { item_id: this.#place.id, output_index: this.#place.index }
  }
}
