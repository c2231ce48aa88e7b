/** An embeddings request: OpenAI's body without `model`; fields the gateway does not know ride along. */
export interface EmbeddingRequest {
  /** Texts, or texts as token ids. */
  readonly input:
    | string
    | ReadonlyArray<string>
    | ReadonlyArray<number>
    | ReadonlyArray<ReadonlyArray<number>>
  readonly dimensions?: number | null
  readonly encoding_format?: "float" | "base64" | null
  readonly [field: string]: unknown
}

/** Returns the inputs one by one: a lone text, or one text as token ids, is a list of one. */
export const embeddingInputs = ({
  input,
}: EmbeddingRequest): ReadonlyArray<string | ReadonlyArray<number>> =>
  typeof input === "string" || isTokenIds(input) ? [input] : input

const isTokenIds = (input: EmbeddingRequest["input"]): input is ReadonlyArray<number> =>
  typeof input[0] === "number"

const tokensOf = (input: string | ReadonlyArray<number>): number =>
  typeof input === "string" ? Buffer.byteLength(input) / 4 : input.length

/** Estimates input tokens before a provider counts them: four bytes of UTF-8 a token, token ids as they are. */
export const estimateEmbeddingTokens = (request: EmbeddingRequest): number =>
  Math.ceil(embeddingInputs(request).reduce((sum, input) => sum + tokensOf(input), 0))

/** Estimates the tokens of the longest input alone: each has to fit the model's window by itself. */
export const estimateLongestInputTokens = (request: EmbeddingRequest): number =>
  Math.ceil(embeddingInputs(request).reduce((longest, input) => Math.max(longest, tokensOf(input)), 0))
