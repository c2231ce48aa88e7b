import { Result } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import type { BodyWriter, Protocol, Rewording } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { parseEmbedding, writeEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { sayingToGoogle } from "./foreign-fields.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { type ChatWriting, hasOwnStreamOptions, type Wording, writeChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

/**
 * OpenAI chat completions and embeddings, as OpenAI and the many servers that imitate it speak them. Clients speak
 * the same, so requests and answers pass as they are but for what the gateway must set; nothing is unsupported.
 */
export const openAiChat = (
  options: ChatWriting & {
    /** A stream is whole only with `[DONE]`, and not already when its choices have ended. */
    readonly endsWithDone?: boolean
  },
): Protocol => {
  const learned: Learned = { wording: { withStreamOptions: true, inOlderWords: false } }
  return {
    lower: (task, model) =>
      Result.succeed(
        task._tag === "Chat"
          ? new ChatWriter(model, task, options, learned)
          : { write: () => writeEmbedding(model, task) },
      ),
    parse: parseAnswer,
    usageOf: ({ usage, service_tier }) => readUsage(usage, service_tier),
    openStream: () => openStream(options.endsWithDone ?? true),
    joinEvents,
    splitAnswer,
    parseEmbedding,
    classify,
  }
}

/** What the server refused so far, and took in other words. */
interface Learned {
  wording: Wording
}

class ChatWriter implements BodyWriter {
  readonly #model: string
  readonly #task: ChatTask
  readonly #options: ChatWriting
  readonly #learned: Learned

  constructor(model: string, task: ChatTask, options: ChatWriting, learned: Learned) {
    this.#model = model
    this.#task = task
    this.#options = options
    this.#learned = learned
  }

  get dropped(): BodyWriter["dropped"] {
    const field = sayingToGoogle(this.#task.request)
    return field === undefined ? undefined : [field]
  }

  write(mode: CallMode, wording = this.#learned.wording): string | Uint8Array {
    return writeChat(this.#model, this.#task, mode, this.#options, wording)
  }

  reworded(refused: string): Rewording | undefined {
    const isOption = refused === "stream_options"
    if (isOption && hasOwnStreamOptions(this.#task.request)) return undefined
    const change = isOption ? { withStreamOptions: false } : { inOlderWords: true }
    const wording = { ...this.#learned.wording, ...change }
    return {
      write: (mode) => this.write(mode, wording),
      taken: () => {
        this.#learned.wording = { ...this.#learned.wording, ...change }
      },
    }
  }
}

export const openAiPath = (_model: string, call: "chat" | "stream" | "embedding"): string =>
  call === "embedding" ? "/embeddings" : "/chat/completions"
