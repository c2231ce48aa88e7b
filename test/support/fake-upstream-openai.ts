import { createHash } from "node:crypto"
import { type Asked, field, type Said, type Tokens } from "./fake-upstream-wire.ts"

/** OpenAI seen from OpenAI's side: whole answers, streams and embeddings as its documentation shows them. */
export const openAiAnswer = (asked: Asked, said: Said): unknown => ({
  id: "chatcmpl-fake",
  object: "chat.completion",
  created: 1_700_000_000,
  model: asked.model,
  choices: Array.from({ length: choices(asked) }, (_, index) => ({
    index,
    message:
      said.toolCalls.length > 0
        ? {
            role: "assistant",
            content: said.text === "" ? null : said.text,
            ...thoughtOf(said),
            tool_calls: calls(said),
            refusal: null,
          }
        : { role: "assistant", content: said.text, ...thoughtOf(said), refusal: null },
    logprobs: null,
    finish_reason: said.toolCalls.length > 0 ? "tool_calls" : said.finish,
  })),
  ...(said.tokens && { usage: openAiUsage(said.tokens) }),
  system_fingerprint: "fp_fake",
})

/**
 * For each choice a role, pieces of four characters and a finish; then the usage, when it was asked for, and the
 * end. The events of several choices take turns.
 */
export const openAiStreamEvents = (asked: Asked, said: Said): ReadonlyArray<string> => {
  const counted = includesUsage(asked)
  const chunk = (fields: object) =>
    sse({
      id: "chatcmpl-fake",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: asked.model,
      system_fingerprint: "fp_fake",
      ...fields,
      ...(counted && !("usage" in fields) && { usage: null }),
    })
  const inTurns = (delta: object, finish_reason: string | null = null) =>
    Array.from({ length: choices(asked) }, (_, index) =>
      chunk({ choices: [{ index, delta, logprobs: null, finish_reason }] }),
    )
  const toolCalled = said.toolCalls.length > 0
  return [
    ...inTurns(
      toolCalled && said.text === ""
        ? { role: "assistant", content: null }
        : { role: "assistant", content: "", refusal: null },
    ),
    ...(said.thought === undefined ? [] : inTurns(thoughtOf(said))),
    ...[...pieces(said.text).map((content) => ({ content })), ...toolDeltas(said)].flatMap((delta) =>
      inTurns(delta),
    ),
    ...inTurns({}, toolCalled ? "tool_calls" : said.finish),
    ...(counted && said.tokens ? [chunk({ choices: [], usage: openAiUsage(said.tokens) })] : []),
    "data: [DONE]\n\n",
  ]
}

/** As servers of open models have it; OpenAI itself shows none in chats. */
const thoughtOf = ({ thought }: Said) => (thought === undefined ? {} : { reasoning_content: thought })

/** One embedding for each input, by its text: equal texts have equal ones. */
export const openAiEmbeddings = (
  asked: Asked,
  inputs: ReadonlyArray<string>,
  tokens: Tokens | null,
): unknown => {
  const size = field(asked.json, "dimensions")
  return {
    object: "list",
    data: inputs.map((input, index) => {
      const vector = vectorOf(input, typeof size === "number" ? size : 8)
      return {
        object: "embedding",
        index,
        embedding:
          field(asked.json, "encoding_format") === "base64"
            ? Buffer.from(vector.buffer).toString("base64")
            : Array.from(vector),
      }
    }),
    model: asked.model,
    ...(tokens && { usage: { prompt_tokens: tokens.input, total_tokens: tokens.input } }),
  }
}

export const sse = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`

/** Whole characters, four at a time. */
const pieces = (text: string): Array<string> => text.match(/.{1,4}/gsu) ?? []

const vectorOf = (text: string, size: number): Float32Array => {
  const digest = createHash("sha256").update(text).digest()
  return Float32Array.from({ length: size }, (_, at) => (digest[at % digest.length] ?? 0) / 256)
}

const choices = (asked: Asked): number => {
  const n = field(asked.json, "n")
  return typeof n === "number" ? n : 1
}

const includesUsage = (asked: Asked): boolean =>
  field(field(asked.json, "stream_options"), "include_usage") === true

const calls = ({ toolCalls }: Said) =>
  toolCalls.map(({ id, name, args }, index) => ({
    id: id ?? `call_fake_${index}`,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }))

/** The name first, with empty arguments, and then these in pieces; one call after the other. */
const toolDeltas = (said: Said): ReadonlyArray<object> =>
  calls(said).flatMap((call, index) => [
    { tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: "" } }] },
    ...pieces(call.function.arguments).map((piece) => ({
      tool_calls: [{ index, function: { arguments: piece } }],
    })),
  ])

const openAiUsage = ({ input, output, cached, reasoning }: Tokens) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached ?? 0 },
  completion_tokens_details: { reasoning_tokens: reasoning ?? 0 },
})
