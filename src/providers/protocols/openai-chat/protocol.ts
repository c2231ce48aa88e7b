import { Result } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import type { BodyWriter, Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { audienceOf } from "./audience.ts"
import { parseEmbedding, writeEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { foreignFields } from "./foreign-fields.ts"
import { lostOnOpenAi, unknownToOpenAi } from "./from-messages.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { type ChatWriting, hasOwnStreamOptions, type Wording, writeChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

/**
 * OpenAI chat completions and embeddings, as OpenAI and the many servers that imitate it speak them. Clients speak
 * the same, so requests and answers pass as they are but for what the gateway must set; nothing of theirs is unsupported.
 */
export const openAiChat = (
  options: ChatOptions & {
    /** A stream is whole only with `[DONE]`, and not already when its choices have ended. */
    readonly endsWithDone?: boolean
  },
): Protocol => {
  const learned: Learned = new Map()
  return {
    lower: (task, model) => {
      if (task._tag === "Embedding") return Result.succeed({ write: () => writeEmbedding(model, task) })
      const foreign =
        task.dialect === "messages" && !audienceOf(model, options.isOpenAi).isClaude
          ? unknownToOpenAi(task.request)
          : undefined
      return foreign === undefined
        ? Result.succeed(new ChatWriter(model, task, options, learned))
        : Result.fail(foreign)
    },
    parse: parseAnswer,
    usageOf: ({ usage, service_tier }) => readUsage(usage, service_tier),
    openStream: () => openStream(options.endsWithDone ?? true),
    joinEvents,
    splitAnswer,
    parseEmbedding,
    classify,
  }
}

interface ChatOptions extends ChatWriting {
  /** False: the server is known to refuse `stream_options`, which spares each model the first refusal. */
  readonly takesStreamOptions?: boolean
}

/** What models of the server refused so far, and took in other words. Names of models come from the configuration. */
type Learned = Map<string, Wording>

const USUAL: Wording = { withStreamOptions: true, inOlderWords: false }

class ChatWriter implements BodyWriter {
  readonly #model: string
  readonly #task: ChatTask
  readonly #options: ChatOptions
  readonly #learned: Learned
  /** Undefined: what was learned, or else the usual. */
  readonly #wording: Wording | undefined

  constructor(model: string, task: ChatTask, options: ChatOptions, learned: Learned, wording?: Wording) {
    this.#model = model
    this.#task = task
    this.#options = options
    this.#learned = learned
    this.#wording = wording
  }

  get dropped(): ReadonlyArray<string> {
    const { dialect, request } = this.#task
    const audience = audienceOf(this.#model, this.#options.isOpenAi)
    return [
      ...(dialect === "messages" && !audience.isClaude ? lostOnOpenAi(request, audience) : []),
      ...foreignFields(request, audience),
    ]
  }

  write(mode: CallMode): string | Uint8Array {
    return writeChat(this.#model, this.#task, mode, this.#options, this.#words())
  }

  reworded(refused: string): BodyWriter | undefined {
    const words = this.#words()
    const isOption = refused === "stream_options"
    const isWorn = isOption
      ? !words.withStreamOptions || hasOwnStreamOptions(this.#task.request)
      : words.inOlderWords
    if (isWorn) return undefined
    const change = isOption ? { withStreamOptions: false } : { inOlderWords: true }
    return new ChatWriter(this.#model, this.#task, this.#options, this.#learned, { ...words, ...change })
  }

  taken(): void {
    if (this.#wording === undefined) return
    // Another call may have learned something else meanwhile.
    const { withStreamOptions, inOlderWords } = this.#known()
    this.#learned.set(this.#model, {
      withStreamOptions: withStreamOptions && this.#wording.withStreamOptions,
      inOlderWords: inOlderWords || this.#wording.inOlderWords,
    })
  }

  #words(): Wording {
    return this.#wording ?? this.#known()
  }

  #known(): Wording {
    const { takesStreamOptions: withStreamOptions = true } = this.#options
    return this.#learned.get(this.#model) ?? (withStreamOptions ? USUAL : { ...USUAL, withStreamOptions })
  }
}

export const openAiPath = (_model: string, call: "chat" | "stream" | "embedding"): string =>
  call === "embedding" ? "/embeddings" : "/chat/completions"
