import { Schema } from "effect"
import { modelName } from "./chat-completions.ts"
import { absent, nonEmpty, open } from "./shapes.ts"

const TokenIds = nonEmpty(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))

/** Body of `POST /v1/embeddings`. */
export const EmbeddingsRequest = open({
  model: modelName,
  input: Schema.Union([Schema.NonEmptyString, nonEmpty(Schema.NonEmptyString), TokenIds, nonEmpty(TokenIds)]),
  dimensions: absent(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  encoding_format: absent(Schema.Literals(["float", "base64"])),
}).annotate({
  identifier: "EmbeddingsRequest",
  description: "Fields that are not listed here reach the provider unchanged",
  examples: [
    { model: "sim-embed-1", input: "a sentence" },
    { model: "sim-embed-1", input: ["one sentence", "and another"], encoding_format: "base64" },
  ],
})
export type EmbeddingsRequest = typeof EmbeddingsRequest.Type

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
