import type { ChatChunk } from "../../../domain/Chat.ts"
import {
  isObject,
  type JsonObject,
  objectAt,
  objectsAt,
  parseJson,
  stringAt,
} from "../../../platform/json.ts"
import type { SseEvent } from "../../http/sse.ts"
import { badResponse } from "../fault.ts"
import type { Reading, StreamReader } from "../Protocol.ts"
import { faulty, MAX_PARTS, nothing, tooManyParts, truncated } from "../readings.ts"
import { imagesOf, textOf } from "./content.ts"
import { DeltaTemplate } from "./DeltaTemplate.ts"
import { classifyInBand, inBandFault } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { ToolCalls } from "./tool-calls.ts"
import { countedIn, countsNothing, readUsage } from "./usage.ts"

/** Choices of which something has come, and those of them that said why they ended. */
class Choices {
  readonly #begun = new Set<unknown>()
  readonly #ended = new Set<unknown>()

  read(choices: ReadonlyArray<JsonObject>): void {
    for (const { index = 0, finish_reason } of choices) {
      this.#begun.add(index)
      if (isReason(finish_reason)) this.#ended.add(index)
    }
  }

  get count(): number {
    return this.#begun.size
  }

  get areWhole(): boolean {
    return this.#ended.size > 0 && this.#ended.size === this.#begun.size
  }
}

/** Some servers send an empty one as long as there is none. */
const isReason = (reason: unknown): boolean => reason !== undefined && reason !== null && reason !== ""

/** What the chunks say of the usage. Its parts may be in different ones: the tier in the first, the counts in the last. */
class Counts {
  #tier: unknown
  #counted: JsonObject | undefined

  /** Returns the usage so far, where a chunk says something of it. */
  read(json: JsonObject, choices: ReadonlyArray<JsonObject>): ChatChunk["usage"] {
    const counted = countedIn(json, choices)
    // Zeros at the end do not replace what was counted before.
    const hasCounted = counted !== undefined && !countsNothing(counted)
    if (hasCounted) this.#counted = counted
    const tier = json.service_tier ?? this.#tier
    const hasTold = hasCounted || tier !== this.#tier
    this.#tier = tier
    return hasTold && this.#counted !== undefined
      ? { usage: readUsage(this.#counted, tier, json.model), raw: this.#counted }
      : undefined
  }
}

/**
 * Reads a streamed chat completion. Each event is passed on as it came and read only to be understood; of the events
 * before it, it needs at most the form that text deltas have here.
 */
export const openStream = (endsWithDone: boolean): StreamReader => {
  const template = new DeltaTemplate()
  const calls = new ToolCalls()
  const seen = endsWithDone ? undefined : new Choices()
  const counts = new Counts()
  return {
    read: (event) => {
      const chunk = event.type === "message" ? template.read(event) : undefined
      return chunk === undefined
        ? readEvent(event, { template, calls, seen, counts })
        : { _tag: "Chunks", chunks: [chunk] }
    },
    // An answer that ended, in a body that did too, is whole, whatever its vendor leaves out.
    end: (rest) => (rest.trim() === "" && seen?.areWhole === true ? done : readEnd(rest)),
  }
}

/** What is known of the events before. */
interface SoFar {
  readonly template: DeltaTemplate
  readonly calls: ToolCalls
  readonly seen: Choices | undefined
  readonly counts: Counts
}

const readEvent = (event: SseEvent, { calls, counts, seen, template }: SoFar): Reading => {
  const { type, data } = event
  if (type === "error") return faulty(classifyInBand(parseJson(data) ?? { message: data }))
  // Some servers name their chunks, and clients read them all the same. Other named events are not part of the answer.
  const named = type !== "message"
  const json = parseJson(data)
  if (isObject(json)) {
    const choices = objectsAt(json, "choices")
    const fault = inBandFault(json, choices)
    if (fault !== undefined) return faulty(fault)
    const hasChoices = Array.isArray(json.choices)
    if (named && !hasChoices) return nothing
    template.learn(data, json)
    seen?.read(choices)
    // OpenAI's own clients go through the choices of every chunk.
    const isBareCount = !hasChoices && isObject(json.usage)
    const mended = isBareCount ? { ...json, choices: [] } : calls.mend(json, choices)
    if (calls.count > MAX_PARTS || (seen?.count ?? 0) > MAX_PARTS) return tooManyParts
    const bytes = mended === undefined ? event.bytes : Buffer.from(`data: ${JSON.stringify(mended)}\n\n`)
    return { _tag: "Chunks", chunks: [readChunk(bytes, json, choices, counts)] }
  }
  const text = data.trim()
  if (text === "[DONE]") return done
  return named || text === "" ? nothing : badEvent
}

const readEnd = (rest: string): Reading => {
  const text = rest.replace(/^data:/, "").trim()
  // Only the last blank line is missing.
  if (text === "[DONE]") return done
  const json = parseJson(text)
  const fault = isObject(json) ? inBandFault(json, objectsAt(json, "choices")) : undefined
  return fault === undefined ? early : faulty(fault)
}

const done: Reading = { _tag: "Done", chunks: [] }
const badEvent = faulty(badResponse("event data is not a JSON object"))
const early = truncated("ended without its terminal event")

const readChunk = (
  event: Uint8Array,
  json: JsonObject,
  choices: ReadonlyArray<JsonObject>,
  counts: Counts,
): ChatChunk => {
  let text = ""
  let generated = 0
  let semantic = false
  let finished: unknown
  let images: Pick<ChatChunk, "images"> | undefined
  for (const choice of choices) {
    const delta = objectAt(choice, "delta")
    const reason = choice.finish_reason
    semantic ||= isReason(reason) || isSemantic(delta)
    generated += characters(delta)
    // A stream of many choices mixes them; the first is number 0 and need not be first in the event.
    if ((choice.index ?? 0) !== 0) continue
    text += textOf(delta)
    images = imagesOf(delta) ?? images
    if (isReason(reason)) finished ??= reason
  }
  return {
    event,
    text,
    ...images,
    generated,
    semantic,
    usageOnly: choices.length === 0 && countedIn(json, choices) !== undefined,
    model: stringAt(json, "model") || undefined,
    finishReason: finished === undefined ? undefined : readFinishReason(finished),
    usage: counts.read(json, choices),
  }
}

/** Tells whether a delta has anything besides the role, known to us or not. */
const isSemantic = (delta: JsonObject | undefined): boolean => {
  for (const field in delta) {
    if (field !== "role" && !isEmpty(delta[field])) return true
  }
  return false
}

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === "" ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0)

const characters = (delta: JsonObject | undefined): number => {
  if (delta === undefined) return 0
  let count = textOf(delta).length
  // Two names of the same thing: servers that send both repeat it.
  count += lengthAt(delta, "reasoning_content") || lengthAt(delta, "reasoning")
  count += called(objectAt(delta, "function_call"))
  for (const call of objectsAt(delta, "tool_calls")) count += called(objectAt(call, "function"))
  return count
}

const called = (call: JsonObject | undefined): number => lengthAt(call, "name") + lengthAt(call, "arguments")

const lengthAt = (parent: JsonObject | undefined, key: string): number => stringAt(parent, key)?.length ?? 0
