import type { OpenAI } from "openai"
import type { FinishReason } from "../../../domain/Chat.ts"
import type { Usage } from "../../../domain/Usage.ts"

/**
 * OpenAI's answers as bytes, for providers that do not speak OpenAI themselves. Pure; what stands in a message or a
 * delta is the caller's, already in OpenAI's words.
 */

/** Fields that every part of one answer repeats. */
export interface WireHead {
  /** `chatcmpl-…` */
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  readonly model: string
  readonly systemFingerprint?: string
}

interface WireMessage {
  readonly role: "assistant"
  readonly content: string | null
  readonly [field: string]: unknown
}

/** `role` in the first chunk alone, then pieces of `content`, `tool_calls` and so on. */
export type WireDelta = Readonly<Record<string, unknown>>

/** Null when they were not asked for. */
export type WireLogprobs = OpenAI.ChatCompletion.Choice.Logprobs | null

/** Writes a finish reason. OpenAI has no word for "stopped for a reason of its own". */
const finishReason = (reason: FinishReason | null): string | null => (reason === "other" ? "stop" : reason)

export const wireUsage = ({
  inputTokens,
  outputTokens,
  cachedTokens,
  cacheWriteTokens,
  reasoningTokens,
  details: { audio_input_tokens: audioInput, audio_output_tokens: audioOutput } = {},
}: Usage) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
  prompt_tokens_details: {
    cached_tokens: cachedTokens,
    ...(cacheWriteTokens > 0 && { cache_write_tokens: cacheWriteTokens }),
    ...(audioInput !== undefined && { audio_tokens: audioInput }),
  },
  completion_tokens_details: {
    reasoning_tokens: reasoningTokens,
    ...(audioOutput !== undefined && { audio_tokens: audioOutput }),
  },
})

const head = (object: string, { id, created, model, systemFingerprint }: WireHead) => ({
  id,
  object,
  created,
  model,
  ...(systemFingerprint !== undefined && { system_fingerprint: systemFingerprint }),
})

/** Writes the body of a whole answer. Choices stand in the order of their index. */
export const chatCompletion = (
  about: WireHead,
  choices: ReadonlyArray<{
    readonly message: WireMessage
    readonly finishReason: FinishReason
    readonly logprobs?: WireLogprobs
  }>,
  usage: Usage | null,
): string =>
  JSON.stringify({
    ...head("chat.completion", about),
    choices: choices.map((choice, index) => ({
      index,
      message: choice.message,
      logprobs: choice.logprobs ?? null,
      finish_reason: finishReason(choice.finishReason),
    })),
    ...(usage !== null && { usage: wireUsage(usage) }),
  })

const event = (data: unknown): Uint8Array => Buffer.from(`data: ${JSON.stringify(data)}\n\n`)

/** Writes one event of a streamed answer, about one choice. */
export const chatChunk = (
  about: WireHead,
  index: number,
  delta: WireDelta,
  reason: FinishReason | null,
  logprobs: WireLogprobs = null,
): Uint8Array =>
  event({
    ...head("chat.completion.chunk", about),
    choices: [{ index, delta, logprobs, finish_reason: finishReason(reason) }],
  })

/** Writes the event after the last choice has ended. */
export const usageChunk = (about: WireHead, usage: Usage): Uint8Array =>
  event({ ...head("chat.completion.chunk", about), choices: [], usage: wireUsage(usage) })

/** Writes the body of an embeddings answer; `base64` is the vector as 32-bit floats, little-endian. */
export const embeddingList = (
  model: string,
  vectors: ReadonlyArray<ArrayLike<number>>,
  format: "float" | "base64",
  inputTokens: number,
): string =>
  JSON.stringify({
    object: "list",
    data: vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: format === "base64" ? base64(vector) : Array.from(vector),
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  })

const base64 = (vector: ArrayLike<number>): string => {
  const bytes = Buffer.alloc(4 * vector.length)
  for (let i = 0; i < vector.length; i++) bytes.writeFloatLE(vector[i] ?? 0, 4 * i)
  return bytes.toString("base64")
}
