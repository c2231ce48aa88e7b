import type { ChatChunk } from "../../../domain/Chat.ts"
import { type JsonObject, objectAt, objectsAt, parseJson, stringAt } from "../../../platform/json.ts"
import type { SseEvent } from "../../http/sse.ts"

/** Random padding that OpenAI puts last into every event, so that sizes tell nothing. */
const PADDING = ',"obfuscation":"'

/** Events that are looked at before a stream counts as one without a common form. */
const MAX_LESSONS = 4

/** Content that stands between quotes as it is: no escape, no quote, no control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them within a string
const ESCAPED = /["\\\u0000-\u001f]/

/** Stands for content while a form is tried out; no model says it. */
const PROBE = "\u{f0000}probe"

/**
 * The form that the text deltas of one stream share: all of an event's JSON but the content between its quotes. Most
 * events of most streams have it, and need no parsing then. Anything else does.
 */
export class DeltaTemplate {
  #prefix = ""
  #suffix = ""
  #padded = false
  #model: string | undefined
  #lessons = 0

  /** Returns the chunk of an event that has the form; undefined for one that has to be parsed. */
  read({ bytes, data }: SseEvent): ChatChunk | undefined {
    const prefix = this.#prefix
    // Comparing slices is several times faster than `startsWith` and `endsWith`.
    if (prefix === "" || data.slice(0, prefix.length) !== prefix) return undefined
    const end = this.#padded ? endOfForm(data, prefix.length) : data.length - 1
    const contentEnd = end - this.#suffix.length
    if (contentEnd < prefix.length || data.slice(contentEnd, end) !== this.#suffix) return undefined
    if (data[data.length - 1] !== "}") return undefined
    const text = data.slice(prefix.length, contentEnd)
    return ESCAPED.test(text) ? undefined : textChunk(bytes, text, this.#model)
  }

  /** Takes the form from a parsed event, when that is a delta of text and nothing else. */
  learn(data: string, json: JsonObject): void {
    if (this.#lessons >= MAX_LESSONS) return
    const content = plainContent(json)
    if (content === undefined) return
    this.#lessons += 1
    const quoted = `"content":"${content}"`
    const start = data.indexOf(quoted)
    if (start === -1) return
    const prefix = data.slice(0, start + '"content":"'.length)
    const end = endOfForm(data, prefix.length)
    const suffix = data.slice(start + quoted.length - 1, end)
    // The same words may stand elsewhere in the event: then the content does not follow.
    const probe = parseJson(`${prefix}${PROBE}${suffix}}`)
    if (plainContent(probe) !== PROBE) return
    this.#prefix = prefix
    this.#suffix = suffix
    this.#padded = end < data.length - 1
    this.#model = stringAt(json, "model") || undefined
  }
}

/** Returns the offset behind which only padding and the closing brace stand. Padding comes after `from`. */
const endOfForm = (data: string, from: number): number => {
  const padding = data.indexOf(PADDING, from)
  if (padding === -1) return data.length - 1
  const value = data.slice(padding + PADDING.length, -2)
  return data.endsWith('"}') && !ESCAPED.test(value) ? padding : data.length - 1
}

/** Content of an event that says one piece of text and nothing else; undefined for any other. */
const plainContent = (json: unknown): string | undefined => {
  const [choice, ...others] = objectsAt(objectAt({ json }, "json"), "choices")
  const delta = objectAt(choice, "delta")
  if (choice === undefined || delta === undefined || others.length > 0) return undefined
  const { usage } = objectAt({ json }, "json") ?? {}
  if (usage != null || choice.finish_reason != null || (choice.index ?? 0) !== 0) return undefined
  const content = delta.content
  if (typeof content !== "string" || content === "") return undefined
  for (const field in delta)
    if (field !== "content" && field !== "role" && !isNothing(delta[field])) return undefined
  return content
}

const isNothing = (value: unknown): boolean => value === null || value === "" || value === false

const textChunk = (event: Uint8Array, text: string, model: string | undefined): ChatChunk => ({
  event,
  text,
  generated: text.length,
  semantic: text !== "",
  usageOnly: false,
  model,
  finishReason: undefined,
  usage: undefined,
})
