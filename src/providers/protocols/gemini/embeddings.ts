import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { type EmbeddingRequest, estimateEmbeddingTokens } from "../../../domain/Embedding.ts"
import { makeUsage } from "../../../domain/Usage.ts"
import { isObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import { embeddingList } from "../openai-chat/wire.ts"
import type { BodyWriter, Fault, JsonAnswer, LoweringFault } from "../Protocol.ts"
import { classifyInBand } from "./errors.ts"

/** The REST body of `:batchEmbedContents`: one request per text, each in a content of its own. */
interface BatchBody {
  readonly requests: ReadonlyArray<{
    readonly model: string
    readonly content: { readonly parts: ReadonlyArray<{ readonly text: string }> }
    readonly outputDimensionality?: number
  }>
}

/** The most inputs of one batch. */
const MAX_INPUTS = 100

export const lowerEmbedding = (
  model: string,
  request: EmbeddingRequest,
): Result.Result<BodyWriter, LoweringFault> => {
  const { encoding_format } = request
  const dimensions = present(request.dimensions)
  if (dimensions !== undefined && !Number.isInteger(dimensions)) {
    return Result.fail(malformed("dimensions", "dimensions is an integer."))
  }
  if (present(encoding_format) !== undefined && encoding_format !== "float" && encoding_format !== "base64") {
    return Result.fail(
      typeof encoding_format === "string"
        ? unsupported("encoding_format", "This encoding_format is")
        : malformed("encoding_format", "encoding_format is a text."),
    )
  }
  const texts = textsOf(request.input)
  if (Result.isFailure(texts)) return Result.fail(texts.failure)
  const write = () => {
    const body: BatchBody = {
      requests: texts.success.map((text) => ({
        model: `models/${model}`,
        content: { parts: [{ text }] },
        ...(dimensions !== undefined && { outputDimensionality: dimensions }),
      })),
    }
    return JSON.stringify(body)
  }
  return Result.succeed({ write })
}

const textsOf = (input: unknown): Result.Result<ReadonlyArray<string>, LoweringFault> => {
  if (typeof input === "string") return Result.succeed([input])
  if (!Array.isArray(input) || input.length === 0) {
    return Result.fail(malformed("input", "input is a text or a list of texts."))
  }
  // All inputs are of one kind, and token ids may be a million.
  if (typeof input[0] === "number" || Array.isArray(input[0])) {
    return Result.fail(unsupported("input", "Input as token ids is"))
  }
  const texts = input.filter((each) => typeof each === "string")
  if (texts.length < input.length)
    return Result.fail(malformed("input", "input is a text or a list of texts."))
  if (texts.length > MAX_INPUTS)
    return Result.fail(unsupported("input", `More than ${MAX_INPUTS} inputs at once are`))
  return Result.succeed(texts)
}

export const parseEmbedding = (
  model: string,
  request: EmbeddingRequest,
  { json }: JsonAnswer,
): Result.Result<Completion, Fault> => {
  const error = classifyInBand(json)
  if (error !== undefined) return Result.fail(error)
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const vectors = objectsAt(json, "embeddings").map(({ values }) => values)
  const wanted = typeof request.input === "string" ? 1 : request.input.length
  if (vectors.length !== wanted) return Result.fail(badResponse("wrong number of embeddings"))
  if (!vectors.every(isVector)) return Result.fail(badResponse("embedding is not a list of numbers"))
  // The API counts tokens for some models only.
  const metadata = objectAt(json, "usageMetadata")
  const counted = present(metadata?.promptTokenCount)
  const usage = makeUsage({ inputTokens: counted ?? estimateEmbeddingTokens(request), outputTokens: 0 })
  return Result.succeed({
    text: "",
    finishReason: null,
    model,
    usage,
    usageEstimated: counted === undefined,
    rawUsage: metadata ?? null,
    body: () =>
      embeddingList(
        model,
        present(request.dimensions) === undefined ? vectors : vectors.map(toUnitLength),
        present(request.encoding_format) ?? "float",
        usage?.inputTokens ?? 0,
      ),
  })
}

/** Scales a vector to length 1: OpenAI's always have it, Google's at full size alone. */
const toUnitLength = (vector: ReadonlyArray<number>): ReadonlyArray<number> => {
  const largest = vector.reduce((most, each) => Math.max(most, Math.abs(each)), 0)
  if (largest === 0) return vector
  // Squares of the numbers themselves might leave the range of a number.
  const length = Math.sqrt(vector.reduce((sum, each) => sum + (each / largest) ** 2, 0))
  return vector.map((each) => each / largest / length)
}

const isVector = (values: unknown): values is ReadonlyArray<number> =>
  Array.isArray(values) && values.length > 0 && values.every((each) => typeof each === "number")
