import { Result } from "effect"
import type { CallMode, ChatRequest } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { unseenImage } from "../lowering.ts"
import type { BodyWriter, Fault, Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { audienceOf } from "./audience.ts"
import { parseEmbedding, writeEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { foreignFields } from "./foreign-fields.ts"
import { lostOnOpenAi, unknownToOpenAi } from "./from-messages.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { withTakenTurns } from "./past-turns.ts"
import {
  type ChatWriting,
  hasOwnStreamOptions,
  ownRequest,
  turnsFor,
  type Wording,
  writeChat,
} from "./request.ts"
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
          : unseenImage(task)
      return foreign === undefined
        ? Result.succeed(new ChatWriter(model, task, options, learned))
        : Result.fail(foreign)
    },
    parse: parseAnswer,
    usageOf: ({ model, usage, service_tier }) => readUsage(usage, service_tier, model),
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

const USUAL: Wording = {
  withStreamOptions: true,
  inOlderWords: false,
  reasoning: "own",
  withUsualFields: false,
}

/** What is said otherwise once past turns were refused. */
const OTHER_TURNS = {
  have_fields: { withUsualFields: true },
  have_reasoning: { reasoning: "none" },
  miss_reasoning: { reasoning: "stand_in" },
} as const satisfies Record<NonNullable<Fault["turns"]>, Partial<Wording>>

const NONE: ReadonlyArray<string> = []

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

  dropped(): ReadonlyArray<string> {
    const { dialect, request } = this.#task
    if (dialect !== "messages" && this.#ownRequest(this.#words()) === request) return NONE
    const audience = audienceOf(this.#model, this.#options.isOpenAi)
    return [
      ...(dialect === "messages" && !audience.isClaude ? lostOnOpenAi(request, audience) : []),
      ...foreignFields(request, audience, turnsFor(this.#options, this.#words())),
    ]
  }

  write(mode: CallMode): string | Uint8Array {
    return writeChat(this.#model, this.#task, mode, this.#options, this.#words())
  }

  reworded(refused: string, turns?: Fault["turns"]): BodyWriter | undefined {
    const change = turns === undefined ? this.#otherWords(refused) : this.#otherTurns(turns)
    return (
      change &&
      new ChatWriter(this.#model, this.#task, this.#options, this.#learned, { ...this.#words(), ...change })
    )
  }

  #otherWords(refused: string): Partial<Wording> | undefined {
    const words = this.#words()
    if (refused !== "stream_options") return words.inOlderWords ? undefined : { inOlderWords: true }
    return !words.withStreamOptions || hasOwnStreamOptions(this.#task.request)
      ? undefined
      : { withStreamOptions: false }
  }

  /** Undefined when the turns are so already, and when one wish has been met that contradicts the other. */
  #otherTurns(turns: NonNullable<Fault["turns"]>): Partial<Wording> | undefined {
    const words = this.#words()
    if (turns !== "have_fields" && words.reasoning !== this.#known().reasoning) return undefined
    const change = OTHER_TURNS[turns]
    const taken = turnsFor(this.#options, { ...words, ...change })
    const own = this.#ownRequest(words)
    return taken === undefined || withTakenTurns(own, taken) === own ? undefined : change
  }

  #ownRequest(words: Wording): ChatRequest {
    const audience = audienceOf(this.#model, this.#options.isOpenAi)
    return ownRequest(this.#task, audience, turnsFor(this.#options, words), words.inOlderWords)
  }

  taken(): void {
    if (this.#wording === undefined) return
    // Another call may have learned something else meanwhile.
    const known = this.#known()
    this.#learned.set(this.#model, {
      withStreamOptions: known.withStreamOptions && this.#wording.withStreamOptions,
      inOlderWords: known.inOlderWords || this.#wording.inOlderWords,
      reasoning: this.#wording.reasoning === "own" ? known.reasoning : this.#wording.reasoning,
      withUsualFields: known.withUsualFields || this.#wording.withUsualFields,
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
