import { carryReasoning } from "../../domain/carried-reasoning.ts"
import { isClaudesReasoning, isGatewaysReasoning } from "../../domain/reasoning-details.ts"
import { type JsonObject, objectAt, objectsAt, stringAt } from "../../platform/json.ts"
import { contentText, reasoningOf } from "../chat-answer.ts"

/** What a message of chat, or a delta of one, says, in the order in which Messages says it. */
export type Piece =
  | { readonly kind: "thinking"; readonly text: string; readonly signature?: string }
  | { readonly kind: "redacted"; readonly data: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly source: JsonObject; readonly extra?: JsonObject }
  | CallPiece

export interface CallPiece {
  readonly kind: "call"
  /** Tells the calls of one answer apart. */
  readonly index: unknown
  readonly id?: string
  readonly name?: string
  readonly text: string
  /** What the vendor handed out with the call and wants back. */
  readonly extra?: JsonObject
}

export const piecesOf = (said: JsonObject): ReadonlyArray<Piece> => {
  const text = contentText(said.content) || stringAt(said, "refusal") || ""
  return [
    ...thoughtsOf(said),
    ...(text === "" ? [] : [{ kind: "text" as const, text }]),
    ...objectsAt(said, "images").flatMap(imageOf),
    ...objectsAt(said, "tool_calls").map(callOf),
  ]
}

/**
 * Claude's own reasoning keeps its signatures, whoever passed it on; others' is a text under one of two names, signed with what
 * OpenAI wants back.
 */
const thoughtsOf = (said: JsonObject): ReadonlyArray<Piece> => {
  const own = objectsAt(said, "reasoning_details").filter(isClaudesReasoning)
  const thoughts = own.flatMap((detail): ReadonlyArray<Piece> => {
    if (detail.type === "reasoning.encrypted")
      return [{ kind: "redacted", data: stringAt(detail, "data") ?? "" }]
    const text = stringAt(detail, "text") ?? ""
    const signature = stringAt(detail, "signature")
    return text || signature ? [{ kind: "thinking", text, ...(signature && { signature }) }] : []
  })
  if (thoughts.length > 0) return thoughts
  const text = reasoningOf(said)
  const encrypted = objectsAt(said, "reasoning_details").filter(isGatewaysReasoning)
  if (encrypted.length > 0) return [{ kind: "thinking", text, signature: carryReasoning(encrypted) }]
  return text === "" ? [] : [{ kind: "thinking", text }]
}

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,/i

const imageOf = (image: JsonObject): ReadonlyArray<Piece> => {
  const url = stringAt(objectAt(image, "image_url"), "url")
  if (url === undefined) return []
  const head = DATA_URL.exec(url)
  const source =
    head === null
      ? { type: "url", url }
      : { type: "base64", media_type: head[1], data: url.slice(head[0].length) }
  return [{ kind: "image", source, ...extraOf(image) }]
}

const callOf = (call: JsonObject, position: number): CallPiece => {
  const called = objectAt(call, "function")
  const id = stringAt(call, "id")
  const name = stringAt(called, "name")
  return {
    kind: "call",
    index: call.index ?? position,
    ...(id && { id }),
    ...(name && { name }),
    text: stringAt(called, "arguments") ?? "",
    ...extraOf(call),
  }
}

const extraOf = (bearer: JsonObject) => {
  const extra = objectAt(bearer, "extra_content")
  return extra === undefined ? {} : { extra }
}
