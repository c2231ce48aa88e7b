import type { AnswerSummary, ChatChunk, FinishReason } from "../domain/Chat.ts"
import { makeUsage, type Usage } from "../domain/Usage.ts"
import type { ChunkSink } from "../providers/Provider.ts"
import { KEEP_ALIVE, type ReplayableBody } from "../responses/ReplayableBody.ts"
import type { IdempotentResponse } from "../responses/response.ts"
import type { Candidate } from "../routing/plan.ts"
import type { StreamWriter } from "./Exchange.ts"

/** Chunks that say nothing are kept back up to this size, and past it forgotten: nobody misses one more of them. */
const HELD_BYTES = 64 * 1024

/** Four characters a token, the rule of thumb for what nobody counted. */
const CHARACTERS_PER_TOKEN = 4

/** Ticks without an event after which a client hears that the stream lives. */
export const QUIET_TICKS = 15

/**
 * One streamed answer on its way from the providers, one after another, to the client. Until a provider has said
 * something nothing of it goes out, so that the next one can start over; the first thing said is the point of no
 * return. Called from socket callbacks: no fiber takes part in a chunk.
 */
export class StreamedAnswer implements ChunkSink {
  onRoom: () => void = nothing
  readonly body: ReplayableBody
  /** The client has something of an answer. */
  committed = false
  candidate: Candidate | undefined
  attemptStartedAt: number | undefined
  firstTokenAt: number | undefined

  readonly #writer: StreamWriter
  readonly #now: () => number
  readonly #open: (candidate: Candidate | undefined) => IdempotentResponse
  readonly #inputTokens: () => number
  #response: IdempotentResponse | undefined
  #held: Array<ChatChunk> = []
  #heldBytes = 0
  #quietTicks = 0
  #text = ""
  #generated = 0
  #model: string | undefined
  #finishReason: FinishReason | undefined
  #usage: ChatChunk["usage"]

  constructor(options: {
    /** Estimate. */
    readonly inputTokens: () => number
    readonly writer: StreamWriter
    readonly body: ReplayableBody
    readonly now: () => number
    /** Sends the response's head. */
    readonly open: (candidate: Candidate | undefined) => IdempotentResponse
  }) {
    this.#inputTokens = options.inputTokens
    this.#writer = options.writer
    this.body = options.body
    this.body.onRoom = () => this.onRoom()
    this.#now = options.now
    this.#open = options.open
  }

  /** The next attempt: nothing that an earlier one did is left. */
  begin(candidate: Candidate): void {
    this.candidate = candidate
    this.attemptStartedAt = this.#now()
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
    if (this.committed) return this.#send(chunk)
    if (!chunk.semantic) {
      this.#heldBytes += chunk.event.length
      if (this.#heldBytes <= HELD_BYTES) this.#held.push(chunk)
      return true
    }
    this.committed = true
    this.firstTokenAt = this.#now()
    this.open()
    for (const held of this.#held) this.#send(held)
    this.#held = []
    return this.#send(chunk)
  }

  /** The response's head is out: no failure can become an HTTP status any more. */
  get opened(): boolean {
    return this.#response !== undefined
  }

  /** Who answers is in the head only when somebody has begun to. */
  open(): IdempotentResponse {
    this.#response ??= this.#open(this.committed ? this.candidate : undefined)
    return this.#response
  }

  /** Called at even intervals, `QUIET_TICKS` of which make the silence that a client should not have to bear. */
  tick(): void {
    this.#quietTicks += 1
    if (this.#quietTicks < QUIET_TICKS) return
    this.#quietTicks = 0
    if (this.opened) {
      this.body.keepAlive()
      return
    }
    this.open()
    // Its reader is only about to come, and sends the head with the first thing it reads.
    this.body.write(KEEP_ALIVE)
  }

  end(events: Uint8Array): IdempotentResponse {
    const response = this.open()
    this.body.end(events)
    return response
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
   * Of an attempt that did not end well: the provider's count so far, and of what came since then (most count only at
   * the end) an estimate. Nothing at all is unknown.
   */
  partial(): AnswerSummary {
    return { ...this.summary(), finishReason: null, usage: this.#partialUsage(), usageEstimated: true }
  }

  #partialUsage(): Usage | null {
    const counted = this.#usage?.usage
    if (counted == null && this.#generated === 0) return null
    const estimate = Math.ceil(this.#generated / CHARACTERS_PER_TOKEN)
    return makeUsage({
      inputTokens: counted?.inputTokens ?? this.#inputTokens(),
      cachedTokens: counted?.cachedTokens,
      reasoningTokens: counted?.reasoningTokens,
      outputTokens: Math.max(counted?.outputTokens ?? 0, estimate),
    })
  }

  #take(chunk: ChatChunk): void {
    if (this.#writer.needsText) this.#text += chunk.text
    this.#generated += chunk.generated
    this.#model ??= chunk.model
    this.#finishReason ??= chunk.finishReason
    this.#usage = chunk.usage ?? this.#usage
  }

  #send(chunk: ChatChunk): boolean {
    const event = this.#writer.chunk(chunk)
    if (event === undefined) return !this.body.full
    this.#quietTicks = 0
    return this.body.write(event)
  }
}

const nothing = (): void => {}
