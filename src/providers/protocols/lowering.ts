import type { ChatRequest } from "../../domain/Chat.ts"
import type { JsonObject } from "../../platform/json.ts"
import type { LoweringFault } from "./Protocol.ts"

/** What translations of a chat into another protocol's words have in common. */

export const unsupported = (
  param: string,
  subject: string,
  by: "provider" | "model" = "provider",
): LoweringFault => ({
  kind: "unsupported",
  param,
  reason: `${subject} not supported with this ${by}.`,
})

export const malformed = (param: string, reason: string): LoweringFault => ({
  kind: "malformed",
  param,
  reason,
})

/** Returns a value that is there; OpenAI's clients send `null` for what they do not want. */
export const present = <Value>(value: Value | null | undefined): Value | undefined => value ?? undefined

/** Fields of Messages without which the answer would be another: tools on other servers, earlier turns, what is to be done. */
export const CLAUDES_ALONE = ["mcp_servers", "thread", "compaction"] as const

/** Says within a schema what is said of it beside it, for vendors that have no place there. */
export const described = (schema: JsonObject, description: unknown): JsonObject =>
  typeof description === "string" ? { description, ...schema } : schema

/** Matches a name that may stand in a header. */
const PLAIN_NAME = /^[\w.-]{1,64}$/
const MAX_NAMED = 20

/** Names the fields of a request that are none of these and ask for something. */
export const otherFields = (
  request: JsonObject & ChatRequest,
  understood: ReadonlySet<string>,
  asksSomething: (field: string) => boolean = (field) => present(request[field]) !== undefined,
): Array<string> => {
  const others: Array<string> = []
  for (const field in request) {
    if (understood.has(field) || !PLAIN_NAME.test(field) || !asksSomething(field)) continue
    if (others.length < MAX_NAMED) others.push(field)
  }
  return others
}
