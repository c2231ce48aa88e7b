import type { AnswerSummary, ChatChunk, FinishReason } from "../domain/Chat.ts"
import { makeUsage, type Usage } from "../domain/Usage.ts"
import type { ChunkSink } from "../providers/Provider.ts"
import type { Candidate } from "../routing/plan.ts"
import type { AnswerSink } from "./AnswerSink.ts"

/**
 * Bytes of chunks without content that are held back. Further ones are dropped, since no client of chat misses them; those of
 * other dialects, which begin with all that was asked, go out.
 */
const HELD_BYTES = 64 * 1024

/** Rule of thumb for tokens that no provider counted. */
const CHARACTERS_PER_TOKEN = 4

/**
 * One streamed answer on its way from the providers, one after another, to the client. Until a provider has said
 * something nothing of it goes out, so that the next one can start over; the first thing said is the point of no
 * return. Called from socket callbacks: no fiber takes part in a chunk.
 */
export class StreamedAnswer implements ChunkSink {
  onRoom: () => void = nothing
  /** True once the client has something of an answer. */
  committed = false
  candidate: Candidate | undefined
  /** Epoch milliseconds. */
  firstTokenAt: number | undefined

  readonly #sink: ChunkTaker
  readonly #now: () => number
  readonly #inputTokens: () => number
  #held: Array<ChatChunk> = []
  #heldBytes = 0
  #text = ""
  #generated = 0
  #model: string | undefined
  #finishReason: FinishReason | undefined
  #usage: ChatChunk["usage"]

  /** `inputTokens` estimates the request's, for a provider that did not count them. */
  constructor(sink: ChunkTaker, now: () => number, inputTokens: () => number) {
    this.#sink = sink
    this.#now = now
    this.#inputTokens = inputTokens
    sink.onRoom = () => this.onRoom()
  }

  /** Makes the holder of one of two attempts at once: what it says is this answer if `mayAnswer` lets it, and else nothing. */
  rival(mayAnswer: () => boolean): StreamedAnswer {
    const rival: StreamedAnswer = new StreamedAnswer(
      new RivalSink(this, mayAnswer, () => rival.candidate),
      this.#now,
      this.#inputTokens,
    )
    return rival
  }

  /** Starts the next attempt: nothing of an earlier one is left. */
  begin(candidate: Candidate): void {
    this.candidate = candidate
    this.onRoom = nothing
    this.#held = []
    this.#heldBytes = 0
    this.#text = ""
    this.#generated = 0
    this.#model = undefined
    this.#finishReason = undefined
    this.#usage = undefined
  }

  write(chunk: ChatChunk): boolean {
    this.#take(chunk)
    if (this.committed) return this.#sink.chunk(chunk)
    if (!chunk.semantic) {
      this.#heldBytes += chunk.event.length
      if (this.#heldBytes <= HELD_BYTES) this.#held.push(chunk)
      if (this.#heldBytes <= HELD_BYTES || chunk.dialect === undefined) return true
    }
    this.committed = true
    this.firstTokenAt = this.#now()
    for (const held of this.#held) this.#sink.chunk(held)
    this.#held = []
    return this.#sink.chunk(chunk)
  }

  /** True once the response's head is out, which a keep-alive may have sent before any answer. */
  get opened(): boolean {
    return this.#sink.opened
  }

  /** True while the client takes no more. */
  get full(): boolean {
    return this.#sink.full
  }

  summary(): AnswerSummary {
    return {
      text: this.#text,
      finishReason: this.#finishReason ?? "other",
      model: this.#model ?? this.candidate?.model.name ?? "",
      usage: this.#usage?.usage ?? null,
      usageEstimated: false,
      rawUsage: this.#usage?.raw ?? null,
    }
  }

  /**
   * Summary of an attempt that did not end well: the provider's count so far, and an estimate for what came since
   * then, as most providers count only at the end. Usage is null when nothing came.
   */
  partial(): AnswerSummary {
    return { ...this.summary(), finishReason: null, usage: this.#partialUsage(), usageEstimated: true }
  }

  #partialUsage(): Usage | null {
    const counted = this.#usage?.usage
    // Reasoning that is encrypted has been said, in no characters that tell of its tokens.
    if (counted == null && this.#generated === 0 && !this.committed) return null
    const estimate = Math.ceil(this.#generated / CHARACTERS_PER_TOKEN)
    return makeUsage({
      inputTokens: counted?.inputTokens ?? this.#inputTokens(),
      cachedTokens: counted?.cachedTokens,
      cacheWriteTokens: counted?.cacheWriteTokens,
      details: counted?.details,
      serviceTier: counted?.serviceTier,
      reasoningTokens: counted?.reasoningTokens,
      outputTokens: Math.max(counted?.outputTokens ?? 0, estimate),
    })
  }

  #take(chunk: ChatChunk): void {
    if (this.#sink.needsText) this.#text += chunk.text
    this.#generated += chunk.generated
    this.#model ??= chunk.model
    this.#finishReason ??= chunk.finishReason
    this.#usage = chunk.usage ?? this.#usage
  }
}

const nothing = (): void => {}

/** What an answer's chunks go to. */
type ChunkTaker = Pick<AnswerSink, "chunk" | "opened" | "full" | "needsText" | "onRoom">

/** Passes one of two attempts on to the answer that both are for, from the moment that it has something to say. */
class RivalSink implements ChunkTaker {
  onRoom: () => void = nothing
  readonly needsText = false
  readonly #answer: StreamedAnswer
  readonly #mayAnswer: () => boolean
  readonly #candidate: () => Candidate | undefined
  /** Undefined while that is open. */
  #answers: boolean | undefined

  constructor(answer: StreamedAnswer, mayAnswer: () => boolean, candidate: () => Candidate | undefined) {
    this.#answer = answer
    this.#mayAnswer = mayAnswer
    this.#candidate = candidate
  }

  chunk(chunk: ChatChunk): boolean {
    if (this.#answers === undefined) {
      this.#answers = this.#mayAnswer()
      const candidate = this.#candidate()
      if (this.#answers && candidate !== undefined) {
        this.#answer.begin(candidate)
        this.#answer.onRoom = () => this.onRoom()
      }
    }
    return this.#answers ? this.#answer.write(chunk) : true
  }

  get opened(): boolean {
    return this.#answer.opened
  }

  get full(): boolean {
    return this.#answer.full
  }
}
