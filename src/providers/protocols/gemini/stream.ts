import type { ChatChunk, FinishReason } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectsAt, parseJson } from "../../../platform/json.ts"
import { isNestedWithin, MAX_ANSWER_LEVELS } from "../depth.ts"
import { badResponse } from "../fault.ts"
import {
  chatChunk,
  usageChunk,
  type WireDelta,
  type WireHead,
  type WireLogprobs,
} from "../openai-chat/wire.ts"
import type { Reading, StreamReader } from "../Protocol.ts"
import { faulty, truncated } from "../readings.ts"
import {
  answerHead,
  besides,
  type CandidateContent,
  callId,
  candidateIndex,
  imagesOf,
  isEmpty,
  nothing,
  readCandidate,
} from "./candidate.ts"
import { blockedPrompt, classifyInBand } from "./errors.ts"
import { candidateFault, readFinishReason } from "./finish-reason.ts"
import { readLogprobs } from "./logprobs.ts"
import { readUsage } from "./usage.ts"

/**
 * Turns Gemini's events into OpenAI's chunks. Gemini has no terminal event: the answer is complete when every candidate has
 * told why it stopped and the body then ends. Some models tell it with every event, so the chunks with the reasons
 * wait for that end too: one each, after everything else.
 */
export const openStream = (model: string, nowMs: number): StreamReader => new GeminiStream(model, nowMs)

interface Choice {
  /** Tool calls given so far. */
  calls: number
  /** True once it has had any content. */
  begun: boolean
  /** Undefined until the candidate has stopped. */
  finish: unknown
}

/** More than OpenAI's `n` can ask for; the reader remembers each. */
const MAX_CHOICES = 128

class GeminiStream implements StreamReader {
  readonly #model: string
  readonly #nowMs: number
  readonly #choices = new Map<number, Choice>()
  /** Fields of the first event, repeated in every chunk. */
  #head: WireHead | undefined
  #usage: ChatChunk["usage"]

  constructor(model: string, nowMs: number) {
    this.#model = model
    this.#nowMs = nowMs
  }

  read({ data }: { readonly data: string }): Reading {
    if (data.trim() === "") return chunks([])
    const json = parseJson(data)
    return json === undefined ? faulty(badResponse("event is not JSON")) : this.#take(json)
  }

  end(rest: string): Reading {
    // Without its blank line, an event or a bare JSON error is not an event yet; it is still said.
    const json = parseJson(rest.trim().replace(/^data:/, ""))
    const last = json === undefined ? chunks([]) : this.#take(json)
    if (last._tag === "Fault") return last
    const head = this.#head
    const ends: Array<ChatChunk> = []
    if (head === undefined) return early
    for (const [index, { finish, calls, begun }] of this.#choices) {
      if (finish === undefined) return early
      const failure = index === 0 ? candidateFault(finish, !begun) : undefined
      if (failure !== undefined) return faulty(failure)
      const reason = readFinishReason(finish, calls > 0)
      ends.push(this.#chunk(head, index, {}, nothing, reason))
    }
    if (ends.length === 0) return early
    return { _tag: "Done", chunks: [...last.chunks, ...ends, ...this.#usageChunk(head)] }
  }

  #take(json: unknown): Reading {
    const error = classifyInBand(json)
    if (error !== undefined) return faulty(error)
    if (!isObject(json)) return faulty(badResponse("event is not a JSON object"))
    if (!isNestedWithin(json, MAX_ANSWER_LEVELS)) return faulty(badResponse("nested too deeply"))
    this.#head ??= answerHead(this.#model, json, this.#nowMs)
    const head = this.#head
    // Counts are of the whole answer so far: the latest one counts.
    if (isObject(json.usageMetadata)) {
      this.#usage = { usage: readUsage(json.usageMetadata), raw: json.usageMetadata }
    }
    const candidates = objectsAt(json, "candidates")
    const blocked = candidates.length === 0 ? blockedPrompt(json) : undefined
    if (blocked !== undefined) return faulty(blocked)
    const said: Array<ChatChunk> = []
    for (const [position, candidate] of candidates.entries()) {
      const index = candidateIndex(candidate, position)
      if (index >= MAX_CHOICES) return faulty(badResponse("too many candidates"))
      const chunk = this.#takeCandidate(head, index, candidate)
      if (chunk !== undefined) said.push(chunk)
    }
    // Known even if nothing further comes, but not for clients: the last chunk tells it.
    if (said.length === 0 && isObject(json.usageMetadata)) said.push(this.#counted(head, COMMENT))
    return chunks(said)
  }

  #takeCandidate(head: WireHead, index: number, candidate: JsonObject): ChatChunk | undefined {
    const known = this.#choices.get(index)
    const choice = known ?? { calls: 0, begun: false, finish: undefined }
    if (known === undefined) this.#choices.set(index, choice)
    if (candidate.finishReason !== undefined && candidate.finishReason !== null) {
      choice.finish = candidate.finishReason
    }
    const before = choice.calls
    const content = readCandidate(candidate, (nth) => callId(head, index, before + nth))
    choice.calls += content.calls.length
    choice.begun ||= !isEmpty(content)
    const logprobs = readLogprobs(candidate)
    const delta: WireDelta = {
      ...(known === undefined && { role: "assistant", content: content.calls.length > 0 ? null : "" }),
      ...besides(content),
      ...(content.text !== "" && { content: content.text }),
      ...(content.calls.length > 0 && {
        tool_calls: content.calls.map((call, nth) => ({ index: before + nth, ...call })),
      }),
    }
    return Object.keys(delta).length === 0 && logprobs === null
      ? undefined
      : this.#chunk(head, index, delta, content, undefined, logprobs)
  }

  #chunk(
    head: WireHead,
    index: number,
    delta: WireDelta,
    content: CandidateContent,
    finish: FinishReason | undefined,
    logprobs: WireLogprobs = null,
  ): ChatChunk {
    const generated = lengthOf(content)
    return {
      event: chatChunk(head, index, delta, finish ?? null, logprobs),
      text: index === 0 ? content.text : "",
      ...(index === 0 && imagesOf(content)),
      generated,
      semantic: finish !== undefined || generated > 0,
      usageOnly: false,
      model: head.model,
      finishReason: index === 0 ? finish : undefined,
      usage: this.#usage,
    }
  }

  #usageChunk(head: WireHead): ReadonlyArray<ChatChunk> {
    const usage = this.#usage?.usage
    return usage ? [this.#counted(head, usageChunk(head, usage))] : []
  }

  #counted(head: WireHead, event: Uint8Array): ChatChunk {
    return {
      event,
      text: "",
      generated: 0,
      semantic: false,
      usageOnly: true,
      model: head.model,
      finishReason: undefined,
      usage: this.#usage,
    }
  }
}

/** An event that says nothing to clients. */
const COMMENT: Uint8Array = Buffer.from(": usage\n\n")

/** Characters that stand for an image in estimates: about what one costs in tokens, at four each. */
const IMAGE_CHARACTERS = 4 * 1290

const lengthOf = ({ text, reasoning, images, calls }: CandidateContent): number =>
  text.length +
  reasoning.length +
  IMAGE_CHARACTERS * images.length +
  calls.reduce((sum, call) => sum + call.function.arguments.length, 0)

const chunks = (list: ReadonlyArray<ChatChunk>) => ({ _tag: "Chunks" as const, chunks: list })

const early = truncated("stream ended before a finishReason")
