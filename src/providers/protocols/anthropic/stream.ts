import type { ChatChunk, FinishReason } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import { fromWireName } from "../function-names.ts"
import { chatChunk, usageChunk, type WireDelta, type WireHead } from "../openai-chat/wire.ts"
import type { Reading, StreamReader } from "../Protocol.ts"
import { faulty, MAX_PARTS, nothing, readLast, tooManyParts, truncated } from "../readings.ts"
import { answerHead } from "./content.ts"
import { classifyInBand } from "./errors.ts"
import { emptyFault, readFinishReason } from "./finish-reason.ts"
import { encryptedDetail, textDetail } from "./thinking-blocks.ts"
import { readUsage, withCounts } from "./usage.ts"

/**
 * Turns Claude's events into OpenAI's chunks. Each block has a number, by which its pieces are told; the answer is whole with
 * `message_stop`, and its end waits for that. Events that nobody here knows say nothing.
 */
export const openStream = (model: string, nowMs: number): StreamReader => new MessageStream(model, nowMs)

/** A call or a thought of which more may come. */
interface OpenBlock {
  readonly type: "tool_use" | "thinking"
  /** Its number among the calls or among the thoughts. */
  readonly nth: number
  /** Arguments of a call, where they come with its beginning. */
  readonly input?: JsonObject | undefined
  /** A thought, as far as it has come. */
  thought: string
  /** Whether something of it has come. */
  isBegun: boolean
}

/** Characters of an answer's thoughts, which are handed out whole: far more than a model puts out. */
const MAX_THOUGHT = 4_000_000

class MessageStream implements StreamReader {
  readonly #model: string
  readonly #nowMs: number
  #head: WireHead | undefined
  /** By the numbers that their events have. */
  readonly #open = new Map<unknown, OpenBlock>()
  #calls = 0
  #thoughts = 0
  #thoughtLength = 0
  /** True once there was a text or a call. */
  #begun = false
  #stopReason: unknown
  #counts: JsonObject | undefined
  #usage: ChatChunk["usage"]

  constructor(model: string, nowMs: number) {
    this.#model = model
    this.#nowMs = nowMs
  }

  read({ data }: { readonly data: string }): Reading {
    if (data.trim() === "") return nothing
    const json = parseJson(data)
    return isObject(json) ? this.#take(json) : faulty(badResponse("event is not a JSON object"))
  }

  end(rest: string): Reading {
    return readLast(rest, early, (data) => this.read({ data }))
  }

  #take(json: JsonObject): Reading {
    const error = classifyInBand(json)
    if (error !== undefined) return faulty(error)
    switch (json.type) {
      case "message_start":
        return this.#start(objectAt(json, "message"))
      case "content_block_start":
        return this.#startBlock(json.index, objectAt(json, "content_block"))
      case "content_block_delta":
        return this.#more(this.#open.get(json.index), objectAt(json, "delta"))
      case "content_block_stop":
        return this.#stopBlock(json.index)
      case "message_delta":
        this.#stopReason = objectAt(json, "delta")?.stop_reason ?? this.#stopReason
        this.#count(json.usage)
        return nothing
      case "message_stop":
        return this.#stop()
      default:
        return nothing
    }
  }

  #start(message: JsonObject | undefined): Reading {
    this.#head = answerHead(this.#model, message, this.#nowMs)
    this.#count(message?.usage)
    return this.#say({ role: "assistant", content: "" }, 0, false)
  }

  #startBlock(index: unknown, block: JsonObject | undefined): Reading {
    if (this.#open.size > MAX_PARTS) return tooManyParts
    switch (block?.type) {
      case "tool_use": {
        this.#begun = true
        const nth = this.#calls++
        this.#open.set(index, {
          type: block.type,
          nth,
          input: objectAt(block, "input"),
          thought: "",
          isBegun: false,
        })
        const name = fromWireName(stringAt(block, "name") ?? "")
        const call = { id: stringAt(block, "id") ?? "", type: "function", function: { name, arguments: "" } }
        return this.#say({ tool_calls: [{ index: nth, ...call }] }, name.length)
      }
      case "thinking": {
        const open: OpenBlock = { type: block.type, nth: this.#thoughts++, thought: "", isBegun: false }
        this.#open.set(index, open)
        return this.#more(open, { type: "thinking_delta", thinking: block.thinking })
      }
      case "redacted_thinking": {
        const detail = encryptedDetail(this.#thoughts++, stringAt(block, "data") ?? "")
        return this.#say({ reasoning_details: [detail] }, 0)
      }
      default:
        return this.#more(undefined, { type: "text_delta", text: block?.text })
    }
  }

  #stopBlock(index: unknown): Reading {
    const block = this.#open.get(index)
    this.#open.delete(index)
    // OpenAI's clients take the text of a call without arguments for JSON too.
    return block?.type === "tool_use" && !block.isBegun
      ? this.#sayArguments(block, JSON.stringify(block.input ?? {}))
      : nothing
  }

  #more(block: OpenBlock | undefined, delta: JsonObject | undefined): Reading {
    switch (delta?.type) {
      case "text_delta": {
        const text = stringAt(delta, "text") ?? ""
        if (text === "") return nothing
        this.#begun = true
        return this.#say({ content: text }, text.length, true, text)
      }
      case "input_json_delta": {
        const piece = stringAt(delta, "partial_json") ?? ""
        return piece === "" || block?.type !== "tool_use" ? nothing : this.#sayArguments(block, piece)
      }
      case "thinking_delta": {
        const thought = stringAt(delta, "thinking") ?? ""
        if (thought === "" || block?.type !== "thinking") return nothing
        block.thought += thought
        this.#thoughtLength += thought.length
        if (this.#thoughtLength > MAX_THOUGHT) return faulty(badResponse("thoughts are too long"))
        return this.#say({ reasoning_content: thought }, thought.length)
      }
      case "signature_delta":
        return block?.type === "thinking"
          ? this.#say(
              { reasoning_details: [textDetail(block.nth, block.thought, stringAt(delta, "signature"))] },
              0,
            )
          : nothing
      default:
        return nothing
    }
  }

  #sayArguments(block: OpenBlock, piece: string): Reading {
    block.isBegun = true
    return this.#say({ tool_calls: [{ index: block.nth, function: { arguments: piece } }] }, piece.length)
  }

  #stop(): Reading {
    const head = this.#head
    if (head === undefined) return early
    const failure = this.#begun ? undefined : emptyFault(this.#stopReason)
    if (failure !== undefined) return faulty(failure)
    const end = this.#chunk(head, {}, 0, true, "", readFinishReason(this.#stopReason, this.#calls > 0))
    const usage = this.#usage?.usage
    return {
      _tag: "Done",
      chunks: usage
        ? [
            end,
            {
              ...end,
              event: usageChunk(head, usage),
              semantic: false,
              usageOnly: true,
              finishReason: undefined,
            },
          ]
        : [end],
    }
  }

  #count(usage: unknown): void {
    this.#counts = withCounts(this.#counts, usage)
    if (this.#counts !== undefined) this.#usage = { usage: readUsage(this.#counts), raw: this.#counts }
  }

  #say(delta: WireDelta, generated: number, semantic = true, text = ""): Reading {
    // A stream that begins in its midst has lost its beginning.
    return this.#head === undefined
      ? faulty(badResponse("no message_start"))
      : { _tag: "Chunks", chunks: [this.#chunk(this.#head, delta, generated, semantic, text)] }
  }

  #chunk(
    head: WireHead,
    delta: WireDelta,
    generated: number,
    semantic: boolean,
    text: string,
    finishReason?: FinishReason,
  ): ChatChunk {
    return {
      event: chatChunk(head, 0, delta, finishReason ?? null),
      text,
      generated,
      semantic,
      usageOnly: false,
      model: head.model,
      finishReason,
      usage: this.#usage,
    }
  }
}

const early = truncated("stream ended before message_stop")
