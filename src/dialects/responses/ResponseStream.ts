import type { AnswerSummary } from "../../domain/Chat.ts"
import { type JsonObject, objectAt, objectsAt, stringAt } from "../../platform/json.ts"
import { reasoningOf } from "../chat-answer.ts"
import { namesOf, type ToolName } from "./namespaces.ts"
import { CallItem, type Emit, ImageItem, MessageItem, type OpenItem, ReasoningItem } from "./open-items.ts"
import { type Image, imagesOf, logprobsOf, readCall, signedReasoningOf, wordsOf } from "./output-items.ts"
import { endState, makeResponse, type ResponseHead, type ResponseState } from "./response.ts"

/**
 * Turns the chunks of one chat into the events of one response. Items begin and end one after the other, but for
 * calls: pieces of several may come in turns, so that they end together.
 */
export class ResponseStream {
  readonly #head: ResponseHead
  readonly #names: ReadonlyMap<string, ToolName>
  readonly #items: Array<OpenItem> = []
  readonly #calls = new Map<unknown, CallItem>()
  /** The item that words are added to. */
  #current: MessageItem | ReasoningItem | undefined
  #number = 0
  #events = ""

  constructor(head: ResponseHead) {
    this.#head = head
    this.#names = namesOf(head.asked)
    const response = this.#response({ status: "in_progress" })
    this.#emit("response.created", { response })
    this.#emit("response.in_progress", { response })
  }

  /** Returns the events that the data of a chunk makes; an empty text for none. */
  read(chunk: JsonObject): string {
    const choice = objectsAt(chunk, "choices").find(({ index = 0 }) => index === 0)
    const delta = objectAt(choice, "delta")
    if (choice === undefined || delta === undefined) return this.#written()
    const reasoning = reasoningOf(delta)
    const text = wordsOf(delta)
    const refusal = stringAt(delta, "refusal") ?? ""
    const signed = signedReasoningOf(delta)
    if (reasoning !== "") this.#reasoning().add(reasoning)
    if (signed.length > 0) this.#reasoning().sign(signed)
    if (text !== "") this.#message().addText(text, logprobsOf(choice))
    if (refusal !== "") this.#message().addRefusal(refusal)
    for (const image of imagesOf(delta)) this.#image(image)
    for (const piece of objectsAt(delta, "tool_calls")) this.#call(piece)
    return this.#written()
  }

  /** Returns the last events of an answer that its provider ended. One of nothing is a message all the same. */
  end({ finishReason, usage }: Pick<AnswerSummary, "finishReason" | "usage">, completedAt: number): string {
    const state = endState(finishReason, completedAt, usage)
    if (this.#items.length === 0) this.#message().addText("", [])
    const status = state.status === "incomplete" ? "incomplete" : "completed"
    this.#closeCurrent(status)
    for (const call of this.#calls.values()) call.close(status)
    this.#emit(`response.${state.status}`, { response: this.#response(state) })
    return this.#written()
  }

  /** Returns the last events of an answer that failed; what was said so far stays as it is. */
  fail(error: { readonly code: string; readonly message: string }): string {
    this.#emit("response.failed", { response: this.#response({ status: "failed", error }) })
    return this.#written()
  }

  /** Returns the events since the last call. */
  #written(): string {
    const events = this.#events
    this.#events = ""
    return events
  }

  #response(state: ResponseState): JsonObject {
    return makeResponse(
      this.#head,
      this.#items.map((item) => item.json()),
      state,
    )
  }

  readonly #emit: Emit = (type, fields) => {
    const data = JSON.stringify({ type, sequence_number: this.#number, ...fields })
    this.#number += 1
    this.#events += `event: ${type}\ndata: ${data}\n\n`
  }

  #place(kind: string) {
    const index = this.#items.length
    return { id: `${kind}_${this.#head.seed}_${index}`, index, emit: this.#emit }
  }

  #begun<Item extends OpenItem>(item: Item): Item {
    this.#items.push(item)
    return item
  }

  #reasoning(): ReasoningItem {
    if (this.#current instanceof ReasoningItem) return this.#current
    this.#closeCurrent("completed")
    const item = this.#begun(new ReasoningItem(this.#place("rs")))
    this.#current = item
    return item
  }

  #message(): MessageItem {
    if (this.#current instanceof MessageItem) return this.#current
    this.#closeCurrent("completed")
    const item = this.#begun(new MessageItem(this.#place("msg")))
    this.#current = item
    return item
  }

  #image(image: Image): void {
    this.#closeCurrent("completed")
    this.#begun(new ImageItem(this.#place("ig"), image)).close()
  }

  #call(piece: JsonObject): void {
    const { index = 0 } = piece
    const read = readCall(piece, this.#names)
    const known = this.#calls.get(index)
    if (known !== undefined) {
      known.add(read.said)
      return
    }
    this.#closeCurrent("completed")
    this.#calls.set(index, this.#begun(new CallItem(this.#place(read.isCustom ? "ctc" : "fc"), read)))
  }

  #closeCurrent(status: "completed" | "incomplete"): void {
    this.#current?.close(status)
    this.#current = undefined
  }
}
