import type { ChatChunk, FinishReason } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import type { SseEvent } from "../../http/sse.ts"
import { badResponse } from "../fault.ts"
import type { Fault, Reading, StreamReader } from "../Protocol.ts"
import { faulty, nothing, readLast, truncated } from "../readings.ts"
import { classifyInBand } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { readUsage, withCounts } from "./usage.ts"

/**
 * Reads a message in events for a client that speaks the same: each is passed on as it came, known or not, and read only to
 * be understood. The last one is `message_stop`.
 */
export const openNativeStream = (model: string): StreamReader => new NativeStream(model)

/** What an event adds to the answer. */
interface Added {
  readonly text?: string
  readonly generated?: number
  readonly finishReason?: FinishReason | undefined
}

const NOTHING: Added = {}

class NativeStream implements StreamReader {
  #model: string
  #started = false
  #counts: JsonObject | undefined
  #usage: ChatChunk["usage"]

  constructor(model: string) {
    this.#model = model
  }

  read(event: SseEvent): Reading {
    if (event.data.trim() === "") return nothing
    const json = parseJson(event.data)
    if (!isObject(json)) return faulty(badResponse("event is not a JSON object"))
    const error = classifyInBand(json) ?? this.#disorder(json.type)
    if (error !== undefined) return faulty(error)
    const chunks = [this.#chunk(bytesOf(event, json), this.#understand(json))]
    return { _tag: json.type === "message_stop" ? "Done" : "Chunks", chunks }
  }

  end(rest: string): Reading {
    const text = rest.trim()
    return readLast(rest, early, (data) =>
      this.read({ bytes: Buffer.from(`${text}\n\n`), type: typeOf(text), data }),
    )
  }

  /** Finds a message that lacks its beginning, or begins again: no client of Anthropic's reads on there. */
  #disorder(type: unknown): Fault | undefined {
    const begins = type === "message_start"
    if (begins === this.#started && /^(message|content_block)_/.test(String(type))) {
      return badResponse(begins ? "a second message_start" : "no message_start")
    }
    this.#started ||= begins
    return undefined
  }

  #understand(json: JsonObject): Added {
    switch (json.type) {
      case "message_start": {
        const message = objectAt(json, "message")
        this.#model = stringAt(message, "model") || this.#model
        this.#count(message?.usage)
        return NOTHING
      }
      case "content_block_start":
        return { generated: stringAt(objectAt(json, "content_block"), "name")?.length ?? 0 }
      case "content_block_delta":
        return addedBy(objectAt(json, "delta"))
      case "message_delta": {
        this.#count(json.usage)
        const reason = objectAt(json, "delta")?.stop_reason
        return { finishReason: reason == null ? undefined : readFinishReason(reason, false) }
      }
      default:
        return NOTHING
    }
  }

  #count(usage: unknown): void {
    this.#counts = withCounts(this.#counts, usage)
    if (this.#counts !== undefined) this.#usage = { usage: readUsage(this.#counts), raw: this.#counts }
  }

  #chunk(event: Uint8Array, { finishReason, generated = 0, text = "" }: Added): ChatChunk {
    return {
      dialect: "messages",
      event,
      text,
      generated,
      semantic: generated > 0 || finishReason !== undefined,
      usageOnly: false,
      model: this.#model,
      finishReason,
      usage: this.#usage,
    }
  }
}

const addedBy = (delta: JsonObject | undefined): Added => {
  const text = stringAt(delta, "text") ?? ""
  const generated =
    text.length || (stringAt(delta, "partial_json") ?? stringAt(delta, "thinking") ?? "").length
  return { text, generated: generated || (stringAt(delta, "signature") === undefined ? 0 : 1) }
}

/** Returns an event with its name, by which Anthropic's clients read it, and which it lacks where a whole message was split. */
const bytesOf = ({ bytes, data, type }: SseEvent, json: JsonObject): Uint8Array =>
  type === "message" && typeof json.type === "string" && /^\w{1,64}$/.test(json.type)
    ? Buffer.from(`event: ${json.type}\n${data.replace(/^/gm, "data: ")}\n\n`)
    : bytes

const typeOf = (text: string): string => /^event: ?(.*)/.exec(text)?.[1] ?? "message"

const early = truncated("stream ended before message_stop")
