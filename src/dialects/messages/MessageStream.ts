import type { AnswerSummary, ChatChunk } from "../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, parseJson } from "../../platform/json.ts"
import { chunkData } from "../chat-answer.ts"
import { blockStart, ending, messageHead, refuses, usageOf } from "./answer.ts"
import { type Piece, piecesOf } from "./pieces.ts"

/**
 * Turns chunks of chat into the events of one message. A message has one open block at a time, and none is opened twice: what
 * belongs to another block waits until the open one is complete. Chat may mix the pieces of calls that are made at once.
 */
export class MessageStream {
  #started = false
  #blocks = 0
  #called = false
  #refused = false
  #open: Block | undefined
  #waiting: Array<Block> = []
  /** Of these, how many were opened since none waited. */
  #opened = 0
  /** Of those that wait, each call's, and the latest of each other kind. */
  readonly #latest = new Map<unknown, Block>()
  /** Calls that were complete when something else came. */
  readonly #closed = new Set<unknown>()
  readonly #inputTokens: () => number

  /** `inputTokens` estimates the request's: most providers count at the end, and clients show how full a context is by the start. */
  constructor(inputTokens: () => number) {
    this.#inputTokens = inputTokens
  }

  /** Returns the events that a chunk makes; an empty text for none. */
  read({ event, model, usage }: ChatChunk): string {
    const chunk = chunkData(event)
    if (chunk === undefined) return ""
    const events = this.#started ? "" : this.#start(chunk, model ?? "", usage?.usage ?? null)
    const choice = objectsAt(chunk, "choices").find(({ index }) => (index ?? 0) === 0)
    const delta = objectAt(choice, "delta") ?? {}
    this.#refused ||= refuses(delta)
    return piecesOf(delta).reduce((sum, piece) => sum + this.#take(piece), events)
  }

  /** Returns the last events of an answer that is complete. */
  end({ finishReason, model, usage }: AnswerSummary): string {
    let events = this.#started ? "" : this.#start({}, model, usage)
    while (this.#open !== undefined) events += this.#next()
    return (
      events +
      eventOf("message_delta", {
        delta: ending(finishReason, { called: this.#called, refused: this.#refused }),
        usage: usageOf(usage),
      }) +
      eventOf("message_stop", {})
    )
  }

  #start(chunk: JsonObject, model: string, usage: Parameters<typeof usageOf>[0]): string {
    this.#started = true
    const message = {
      ...messageHead(chunk, model),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: {
        ...usageOf(usage),
        ...(usage === null && { input_tokens: this.#inputTokens() }),
        output_tokens: 0,
      },
    }
    return eventOf("message_start", { message })
  }

  #take(piece: Piece): string {
    if (piece.kind === "call") {
      this.#called = true
      // Nothing can be added to what is whole JSON but white space.
      if (this.#closed.has(piece.index)) return ""
    }
    if (this.#open !== undefined && belongs(piece, this.#open)) return this.#add(this.#open, piece)
    const waiting = this.#latest.get(keyOf(piece))
    if (waiting !== undefined && belongs(piece, waiting)) join(waiting, piece)
    else this.#wait(blockOf(piece))
    let events = ""
    while (this.#opened < this.#waiting.length && this.#isOpenComplete()) events += this.#next()
    return events
  }

  #wait(block: Block): void {
    this.#waiting.push(block)
    this.#latest.set(keyOf(block.first), block)
  }

  /** Only the arguments of a call tell that nothing more of it comes, and are looked at once: a call in pieces may be long. */
  #isOpenComplete(): boolean {
    const open = this.#open
    if (open?.first.kind !== "call") return true
    if (!open.isMixed && isObject(parseJson(open.text))) return true
    open.isMixed = true
    return false
  }

  #add(block: Block, piece: Piece): string {
    const index = this.#blocks - 1
    if (piece.kind === "call") block.text += piece.text
    block.isSigned ||= isSigned(piece)
    return deltasOf(piece)
      .map((delta) => eventOf("content_block_delta", { index, delta }))
      .join("")
  }

  /** Closes the open block, and opens the next one, if any waits, with what came of it. */
  #next(): string {
    const closed = this.#open === undefined ? "" : eventOf("content_block_stop", { index: this.#blocks - 1 })
    if (this.#open?.first.kind === "call") this.#closed.add(this.#open.first.index)
    const next = this.#waiting[this.#opened++]
    this.#open = next
    if (this.#opened >= this.#waiting.length) {
      this.#waiting = []
      this.#opened = 0
    }
    if (next === undefined) return closed
    if (this.#latest.get(keyOf(next.first)) === next) this.#latest.delete(keyOf(next.first))
    const index = this.#blocks++
    const started = eventOf("content_block_start", { index, content_block: blockStart(next.first) })
    return next.pieces.reduce((events, piece) => events + this.#add(next, piece), closed + started)
  }
}

interface Block {
  readonly first: Piece
  /** Those that came before it was opened. */
  readonly pieces: Array<Piece>
  /** Arguments of a call that have gone out. */
  text: string
  /** Something else came before the call was complete: whatever follows waits for the end. */
  isMixed: boolean
  isSigned: boolean
}

const keyOf = (piece: Piece): unknown => (piece.kind === "call" ? piece.index : piece.kind)

const blockOf = (first: Piece): Block => ({
  first,
  pieces: [first],
  text: "",
  isMixed: false,
  isSigned: isSigned(first),
})

const join = (block: Block, piece: Piece): void => {
  block.pieces.push(piece)
  block.isSigned ||= isSigned(piece)
}

const isSigned = (piece: Piece): boolean => piece.kind === "thinking" && piece.signature !== undefined

/** Tells whether a piece continues a block. A signature ends a thought. */
const belongs = (piece: Piece, { first, isSigned }: Block): boolean => {
  if (piece.kind !== first.kind) return false
  switch (piece.kind) {
    case "call":
      return first.kind === "call" && piece.index === first.index
    case "text":
      return true
    case "thinking":
      return !isSigned
    default:
      return false
  }
}

const textOf = (piece: Piece): string =>
  piece.kind === "image" || piece.kind === "redacted" ? "" : piece.text

const deltasOf = (piece: Piece): ReadonlyArray<JsonObject> => {
  const text = textOf(piece)
  switch (piece.kind) {
    case "text":
      return text === "" ? [] : [{ type: "text_delta", text }]
    case "thinking":
      return [
        ...(text === "" ? [] : [{ type: "thinking_delta", thinking: text }]),
        ...(piece.signature === undefined ? [] : [{ type: "signature_delta", signature: piece.signature }]),
      ]
    case "call":
      return text === "" ? [] : [{ type: "input_json_delta", partial_json: text }]
    default:
      return []
  }
}

/** Writes one event; its name stands in its data too. */
const eventOf = (type: string, fields: JsonObject): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
