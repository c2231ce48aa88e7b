import { Schema } from "effect"
import { modelName } from "./chat-completions.ts"
import { absent, known, nonEmpty, open } from "./shapes.ts"

/** OpenAI's own bound. */
const MAX_INPUTS = 2_048
/** Far above what any model of embeddings reads at once. */
const MAX_TOKEN_IDS = 1_000_000

const options = {
  dimensions: absent(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  encoding_format: absent(Schema.Literals(["float", "base64"])),
}

type Input = string | ReadonlyArray<string> | ReadonlyArray<number> | ReadonlyArray<ReadonlyArray<number>>

/** Finds the first input that is none. By hand: a union would try a million token ids one way after the other. */
const inputFault = (input: Input): Schema.FilterOutput => {
  if (typeof input === "string") return input === "" ? EMPTY : undefined
  const [first] = input
  if (typeof first === "number") return tokenIdsFault(input, [])
  if (input.length === 0 || input.length > MAX_INPUTS) return `Expected 1 to ${MAX_INPUTS} inputs`
  for (const [index, each] of input.entries()) {
    const fault = typeof first === "string" ? textFault(each, index) : tokenIdsFault(each, [index])
    if (fault !== undefined) return fault
  }
  return undefined
}

const EMPTY = "Expected a text that is not empty"

const textFault = (text: unknown, index: number): Schema.FilterOutput => {
  if (typeof text !== "string") return { path: [index], issue: "Expected a text, like the inputs before" }
  return text === "" ? { path: [index], issue: EMPTY } : undefined
}

const tokenIdsFault = (ids: unknown, path: ReadonlyArray<number>): Schema.FilterOutput => {
  if (!Array.isArray(ids)) return { path, issue: "Expected a text or a list of token ids" }
  if (ids.length === 0 || ids.length > MAX_TOKEN_IDS) {
    return { path, issue: `Expected 1 to ${MAX_TOKEN_IDS} token ids` }
  }
  for (let index = 0; index < ids.length; index++) {
    const id: unknown = ids[index]
    if (!Number.isInteger(id) || Number(id) < 0) {
      return { path: [...path, index], issue: "Expected a token id, a whole number from 0" }
    }
  }
  return undefined
}

/** The fields of an embeddings request that the gateway itself reads. */
export const EmbeddingsRequest = known({
  model: modelName,
  input: Schema.declare((value): value is Input => typeof value === "string" || Array.isArray(value), {
    message: "Expected a text, a list of texts or of token ids",
  }).check(Schema.makeFilter(inputFault)),
  ...options,
})

const TokenIds = nonEmpty(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))).check(
  Schema.isMaxLength(MAX_TOKEN_IDS),
)

/** Body of `POST /v1/embeddings` as it is described. */
export const EmbeddingsBody = open({
  model: modelName,
  input: Schema.Union([
    Schema.NonEmptyString,
    nonEmpty(Schema.NonEmptyString).check(Schema.isMaxLength(MAX_INPUTS)),
    TokenIds,
    nonEmpty(TokenIds).check(Schema.isMaxLength(MAX_INPUTS)),
  ]),
  ...options,
}).annotate({
  identifier: "EmbeddingsRequest",
  description: "Fields that are not listed here reach the provider unchanged",
  examples: [
    { model: "sim-embed-1", input: "a sentence" },
    { model: "sim-embed-1", input: ["one sentence", "and another"], encoding_format: "base64" },
  ],
})

/** OpenAI's list of embeddings, as the provider gave it. */
export const EmbeddingList = open({
  object: Schema.Literal("list"),
  data: Schema.Array(
    open({
      object: Schema.Literal("embedding"),
      index: Schema.Int,
      embedding: Schema.Union([
        Schema.Array(Schema.Finite),
        Schema.String.annotate({ description: "Base64 of 32-bit floats, little-endian" }),
      ]),
    }),
  ),
  model: Schema.String,
  usage: absent(open({ prompt_tokens: Schema.Int, total_tokens: Schema.Int })),
}).annotate({ identifier: "EmbeddingList" })
