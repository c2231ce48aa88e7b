import { Result } from "effect"
import type { AnswerSummary } from "../../domain/Chat.ts"
import { sealSummary } from "../../domain/compaction.ts"
import type { GatewayError } from "../../domain/GatewayError.ts"
import type { ReadRequest } from "../../domain/Task.ts"
import { type JsonObject, objectsAt } from "../../platform/json.ts"
import { readRequest, responsesNames } from "./request.ts"
import type { ResponseHead } from "./response.ts"
import { responseUsage } from "./usage.ts"

/** A conversation in short: what the user said as it is, and one item that stands for the rest. */

/** Fields of a chat that is to be compacted, which has no answer of its own. */
const FIELDS = ["input", "instructions", "previous_response_id", "service_tier"]
const HINTS = ["prompt_cache_key", "prompt_cache_retention"]

const ASK = `Do not go on with this conversation: it is to be continued from a summary of it, by somebody who has not seen it. \
Write that summary: what the user wants, what was decided and found out, what was done and with which results, what is left \
to do. Keep names, numbers, paths, identifiers and quotations that are still needed. Answer with the summary alone.`

/** Puts the wish for a summary into chat's words, for who has no other way to compact. */
export const readCompaction = (body: JsonObject): Result.Result<ReadRequest, GatewayError> => {
  const fields = [...FIELDS, ...HINTS].flatMap((name) => (name in body ? [[name, body[name]]] : []))
  return Result.map(readRequest(Object.fromEntries(fields)), (read) => ({
    ...read,
    request: { ...read.request, messages: [...read.request.messages, { role: "user", content: ASK }] },
    body,
    ownNames: responsesNames(body),
    isCompaction: true,
  }))
}

/** Tells whether an answer can stand for a conversation: one that was cut, or says nothing, would lose it. */
export const isSummary = ({ finishReason, text }: AnswerSummary): boolean =>
  finishReason === "stop" && text.trim() !== ""

export const compactionOf = (
  { text, usage }: AnswerSummary,
  { asked, createdAt, seed }: Omit<ResponseHead, "model">,
): JsonObject => ({
  id: `resp_${seed}`,
  object: "response.compaction",
  created_at: createdAt,
  output: [
    ...questions(asked.input).map((content, index) => ({
      id: `msg_${seed}_${index}`,
      type: "message",
      status: "completed",
      role: "user",
      content,
    })),
    { id: `cmp_${seed}`, type: "compaction", encrypted_content: sealSummary(text) },
  ],
  usage: usage === null ? null : responseUsage(usage),
})

/** Returns the contents of what the user said. */
const questions = (input: unknown): ReadonlyArray<unknown> =>
  typeof input === "string"
    ? [partsOf(input)]
    : objectsAt({ input }, "input").flatMap((item) =>
        (item.type ?? "message") === "message" && item.role === "user" ? [partsOf(item.content)] : [],
      )

const partsOf = (content: unknown): unknown =>
  typeof content === "string" ? [{ type: "input_text", text: content }] : content
