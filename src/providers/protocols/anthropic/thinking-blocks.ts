import type { RedactedThinkingBlockParam, ThinkingBlockParam } from "@anthropic-ai/sdk/resources/messages"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { CLAUDE_FORMAT, isClaudesReasoning } from "../../../domain/reasoning-details.ts"
import { type JsonObject, objectsAt, stringAt } from "../../../platform/json.ts"

/** Claude's thoughts on the wire of chats, in `reasoning_details`. A thought is signed, and comes back as it was or not at all. */

type ThoughtBlock = ThinkingBlockParam | RedactedThinkingBlockParam

/** A thought of an answer, always whole: clients join the pieces of a field that they do not know in ways of their own. */
export interface ReasoningDetail {
  readonly type: "reasoning.text" | "reasoning.encrypted"
  readonly text?: string
  readonly signature?: string
  readonly data?: string
  readonly format?: string
  readonly index: number
}

export const textDetail = (index: number, text: string, signature?: string): ReasoningDetail => ({
  type: "reasoning.text",
  text,
  ...(signature !== undefined && { signature }),
  format: CLAUDE_FORMAT,
  index,
})

export const encryptedDetail = (index: number, data: string): ReasoningDetail => ({
  type: "reasoning.encrypted",
  data,
  format: CLAUDE_FORMAT,
  index,
})

interface Joined {
  readonly first: JsonObject
  text: string
  signature: string | undefined
}

/**
 * Reads Claude's own thoughts of an earlier turn; those of others, and those without a signature, are left out. What other
 * gateways stream comes in pieces, of which those with the same `index` belong together.
 */
export const thoughtsOf = (message: ChatMessage): ReadonlyArray<ThoughtBlock> => {
  const joined: Array<Joined> = []
  for (const detail of objectsAt(message, "reasoning_details")) {
    const last = joined.at(-1)
    const isPiece =
      last !== undefined && typeof detail.index === "number" && last.first.index === detail.index
    if (!isPiece) {
      joined.push({ first: detail, text: stringAt(detail, "text") ?? "", signature: signatureOf(detail) })
      continue
    }
    last.text += stringAt(detail, "text") ?? ""
    last.signature = signatureOf(detail) ?? last.signature
  }
  return joined.flatMap(blockOf)
}

const signatureOf = (detail: JsonObject): string | undefined => stringAt(detail, "signature") || undefined

const blockOf = ({ first, signature, text }: Joined): ReadonlyArray<ThoughtBlock> => {
  if (!isClaudesReasoning(first)) return []
  const data = stringAt(first, "data")
  if (first.type === "reasoning.encrypted") {
    return data === undefined ? [] : [{ type: "redacted_thinking", data }]
  }
  return first.type === "reasoning.text" && signature !== undefined
    ? [{ type: "thinking", thinking: text, signature }]
    : []
}

/** Tells a thought from what else an assistant's turn has. */
export const isThought = ({ type }: { readonly type?: unknown }): boolean =>
  type === "thinking" || type === "redacted_thinking"
