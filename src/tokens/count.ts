import { createRequire } from "node:module"
import { type ChatRequest, PART_TOKENS } from "../domain/Chat.ts"
import { type EmbeddingRequest, embeddingInputs } from "../domain/Embedding.ts"

/**
 * Tokens as today's models of OpenAI count them (`o200k_base`). The vocabulary takes 75 ms to load and 65 MB of memory, so
 * it is loaded when tokens are first counted; a bound on what is encoded keeps every request to milliseconds.
 */
type Tokenizer = typeof import("gpt-tokenizer/encoding/o200k_base")

let loaded: Tokenizer | undefined
const tokenizer = (): Tokenizer => {
  if (loaded === undefined) {
    const module: Tokenizer = createRequire(import.meta.url)("gpt-tokenizer/encoding/o200k_base")
    // It remembers words that it met; those of a client shall not stay, nor take much.
    module.setMergeCacheSize(1_000)
    loaded = module
  }
  return loaded
}

/** A text that looks like a special token is a text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() }

/** Matches what the encoding would take for one word of such a length that its merges take long. */
const LONG_WORD = /[\p{L}\p{M}]{100}|[^\s\p{L}\p{N}]{100}|\s{200}/u

/** Cuts a text with endless words into parts: a cut adds a token at most. */
const partsOf = (text: string): ReadonlyArray<string> =>
  text.length >= 100 && LONG_WORD.test(text) ? (text.match(/[\s\S]{1,64}/gu) ?? []) : [text]

const count = (text: string): number =>
  partsOf(text).reduce((sum, part) => sum + tokenizer().countTokens(part, AS_TEXT), 0)

/** A text in the pieces that a model says one after the other. */
export interface Spoken {
  readonly pieces: ReadonlyArray<string>
  /** As many as pieces or more: a character may take several. */
  readonly tokens: number
  /** False when the limit cut it. */
  readonly whole: boolean
}

/** Splits a text into its first `limit` tokens. */
export const speak = (text: string, limit = Number.POSITIVE_INFINITY): Spoken => {
  const { encode, decodeGenerator } = tokenizer()
  const ids = partsOf(text).flatMap((part) => encode(part, AS_TEXT))
  let said = 0
  const saying = function* () {
    for (const id of ids) {
      said++
      yield id
    }
  }
  const pieces: Array<string> = []
  // To the end in any case: the library would begin its next text with the rest of a character.
  for (const piece of decodeGenerator(saying())) if (said <= limit) pieces.push(piece)
  return { pieces, tokens: Math.min(ids.length, limit), whole: ids.length <= limit }
}

/** Characters that are encoded exactly; of more, samples are. */
const EXACT = 16_384
const SAMPLES = 16

const countAll = (texts: ReadonlyArray<string>): number => {
  const length = texts.reduce((sum, text) => sum + text.length, 0)
  if (length <= EXACT) return texts.reduce((sum, text) => sum + count(text), 0)
  const text = texts.join("\n")
  const size = EXACT / SAMPLES
  let tokens = 0
  for (let i = 0; i < SAMPLES; i++) {
    const start = Math.floor((i * (text.length - size)) / (SAMPLES - 1))
    tokens += count(text.slice(start, start + size))
  }
  return Math.round((tokens * text.length) / EXACT)
}

/** Tokens around a message, and of the beginning of the answer: from OpenAI's cookbook on counting tokens. */
const MESSAGE_TOKENS = 3
const NAME_TOKENS = 1
const ANSWER_TOKENS = 3

/** Counts the tokens of a prompt. Tools and schemas are counted as their JSON, other parts than texts at a flat rate. */
export const promptTokens = (request: ChatRequest): number => {
  let flat = ANSWER_TOKENS
  const texts = jsonOf(request.tools, request.functions, request.response_format)
  for (const { role, name, content, tool_calls, function_call } of request.messages) {
    flat += MESSAGE_TOKENS
    texts.push(role, ...jsonOf(tool_calls, function_call))
    if (typeof name === "string") {
      flat += NAME_TOKENS
      texts.push(name)
    }
    if (typeof content === "string") texts.push(content)
    else {
      for (const { text } of content ?? []) {
        if (text == null) flat += PART_TOKENS
        else texts.push(text)
      }
    }
  }
  return flat + countAll(texts)
}

const jsonOf = (...values: ReadonlyArray<unknown>): Array<string> =>
  values.flatMap((value) => (value === undefined || value === null ? [] : [JSON.stringify(value)]))

/** Counts the tokens of an embeddings request; token ids are tokens already. */
export const embeddingTokens = (request: EmbeddingRequest): number => {
  const inputs = embeddingInputs(request)
  const ids = inputs.reduce((sum, input) => sum + (typeof input === "string" ? 0 : input.length), 0)
  return ids + countAll(inputs.filter((input) => typeof input === "string"))
}
