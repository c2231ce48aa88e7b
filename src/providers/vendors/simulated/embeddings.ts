import { createHash } from "node:crypto"
import type { ModelConfig } from "../../../catalog/model.ts"
import type { Completion } from "../../../domain/Chat.ts"
import { type EmbeddingRequest, embeddingInputs } from "../../../domain/Embedding.ts"
import type { ProviderError } from "../../../domain/ProviderError.ts"
import { embeddingTokens } from "../../../tokens/count.ts"
import { embeddingList } from "../../protocols/openai-chat/wire.ts"

const DEFAULT_DIMENSIONS = 16
const MAX_DIMENSIONS = 1_536
/** The most numbers of an answer, over all its vectors: some megabytes of JSON. */
const MAX_NUMBERS = 262_144

export type SimulatedFailure = Omit<ConstructorParameters<typeof ProviderError>[0], "provider" | "model">

/** Refuses more than the simulated provider gives. */
export const refuseEmbedding = (request: EmbeddingRequest): SimulatedFailure | undefined => {
  const dimensions = request.dimensions ?? DEFAULT_DIMENSIONS
  const refuse = (param: string, message: string): SimulatedFailure => ({
    kind: "bad_request",
    status: 400,
    param,
    message,
  })
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    return refuse("dimensions", `The simulated provider gives 1 to ${MAX_DIMENSIONS} dimensions.`)
  }
  if (embeddingInputs(request).length * dimensions > MAX_NUMBERS) {
    return refuse("input", `The simulated provider gives at most ${MAX_NUMBERS} numbers in one answer.`)
  }
  return undefined
}

/** Answers an embeddings request; vectors are made when the body is asked for. */
export const simulatedEmbeddings = (request: EmbeddingRequest, model: ModelConfig): Completion => {
  const dimensions = request.dimensions ?? DEFAULT_DIMENSIONS
  const format = request.encoding_format ?? "float"
  const inputTokens = embeddingTokens(request)
  return {
    text: "",
    finishReason: null,
    model: model.name,
    usage: { inputTokens, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
    usageEstimated: false,
    rawUsage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
    body: () => {
      const vectors = embeddingInputs(request).map((input) => vectorOf(input, dimensions))
      return embeddingList(model.name, vectors, format, inputTokens)
    },
  }
}

/** Makes a vector of length 1 that means nothing, the same for the same input. */
const vectorOf = (input: string | ReadonlyArray<number>, dimensions: number): Float32Array => {
  const text = typeof input === "string" ? input : input.join(" ")
  const bytes = createHash("shake256", { outputLength: 2 * dimensions })
    .update(text)
    .digest()
  // The half keeps every number, and so the length, away from 0.
  const raw = Float32Array.from({ length: dimensions }, (_, i) => bytes.readInt16LE(2 * i) + 0.5)
  const length = Math.hypot(...raw)
  return raw.map((each) => each / length)
}
