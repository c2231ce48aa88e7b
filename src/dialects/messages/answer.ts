import type { AnswerSummary, FinishReason } from "../../domain/Chat.ts"
import type { Usage } from "../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt, objectsAt, parseJson, stringAt } from "../../platform/json.ts"
import { type CallPiece, type Piece, piecesOf } from "./pieces.ts"

/** Turns a whole answer of chat into a message; of several choices the first, for Messages has no other. */
export const toMessage = (chat: JsonObject, { finishReason, model, usage }: AnswerSummary): JsonObject => {
  const said = objectAt(objectsAt(chat, "choices")[0], "message") ?? {}
  const pieces = piecesOf(said)
  return {
    ...messageHead(chat, model),
    content: pieces.map(blockOf),
    ...ending(finishReason, { called: pieces.some(({ kind }) => kind === "call"), refused: refuses(said) }),
    usage: usageOf(usage),
  }
}

/** Returns the fields with which a message begins, whole or streamed. */
export const messageHead = (chat: JsonObject, model: string) => ({
  id: `msg_${(stringAt(chat, "id") ?? "").replace(/^chatcmpl-/, "")}`,
  type: "message",
  role: "assistant",
  model,
})

export const refuses = (said: JsonObject): boolean => (stringAt(said, "refusal") ?? "") !== ""

/** Returns why a message ended. Chat does not tell whether it met a stop sequence, nor which. */
export const ending = (
  reason: FinishReason | null,
  { called, refused }: { readonly called: boolean; readonly refused: boolean },
) => ({ stop_reason: stopReason(reason, called, refused), stop_sequence: null })

const stopReason = (reason: FinishReason | null, called: boolean, refused: boolean): string => {
  if (reason === "length") return "max_tokens"
  if (reason === "content_filter" || refused) return "refusal"
  // Some servers say that they stopped when they called: clients go by the reason.
  return reason === "tool_calls" || called ? "tool_use" : "end_turn"
}

/** Counts as Messages has them: what a cache had or took is not in `input_tokens`. Unknown counts are zeros on this wire. */
export const usageOf = (usage: Usage | null): JsonObject => {
  const { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens, serviceTier } =
    usage ?? none
  return {
    input_tokens: inputTokens - cachedTokens - cacheWriteTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
    ...(reasoningTokens > 0 && { output_tokens_details: { thinking_tokens: reasoningTokens } }),
    ...(serviceTier === "priority" && { service_tier: serviceTier }),
  }
}

const none: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
}

const blockOf = (piece: Piece): JsonObject => {
  switch (piece.kind) {
    case "text":
      return { ...blockStart(piece), text: piece.text }
    case "thinking":
      return { ...blockStart(piece), thinking: piece.text, signature: piece.signature ?? "" }
    case "call":
      return { ...blockStart(piece), input: inputOf(piece.text) }
    case "image":
    case "redacted":
      return blockStart(piece)
  }
}

/** Returns a block as a stream begins it, without what comes in deltas. */
export const blockStart = (piece: Piece): JsonObject => {
  switch (piece.kind) {
    case "text":
      // Without `citations`, as Claude's own texts are that have none: its type allows null, and Vercel's AI SDK does not.
      return { type: "text", text: "" }
    case "thinking":
      // Unsigned: not Claude's, and known by that when it comes back.
      return { type: "thinking", thinking: "", signature: "" }
    case "redacted":
      return { type: "redacted_thinking", data: piece.data }
    case "image":
      // What a model gives beside its text has the form that images of questions have.
      return { type: "image", source: piece.source, ...extraContent(piece) }
    case "call":
      return {
        type: "tool_use",
        id: piece.id ?? "",
        name: piece.name ?? "",
        input: {},
        ...extraContent(piece),
      }
  }
}

const extraContent = ({ extra }: Pick<CallPiece, "extra">) => extra && { extra_content: extra }

/** Reads the arguments of a call. What is no object, cut or mistaken, is given under the name that the vendor's documentation has for it. */
const inputOf = (text: string): JsonObject => {
  if (text.trim() === "") return {}
  const input = parseJson(text)
  return isObject(input) ? input : { INVALID_JSON: text }
}
