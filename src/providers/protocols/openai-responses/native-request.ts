import type { CallMode } from "../../../domain/Chat.ts"
import { isCarriedReasoning } from "../../../domain/carried-reasoning.ts"
import { openSummary } from "../../../domain/compaction.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChange } from "../../../platform/json-source.ts"
import { ownCallId } from "./input.ts"
import { ENCRYPTED, reasons } from "./models.ts"

/**
 * Writes the body for a client that speaks Responses too: its own bytes, for the routed model, and nothing stored. So reasoning
 * has to travel with the client, encrypted.
 */
export const writeNative = (
  model: string,
  source: JsonSource,
  { include, input }: JsonObject,
  mode: CallMode,
): Uint8Array => {
  const changes = new Map<string, MemberChange>([
    ["model", { value: JSON.stringify(model) }],
    ["store", { value: "false" }],
    ["stream", mode === "stream" ? { value: "true" } : "remove"],
  ])
  const wanted = Array.isArray(include) ? include : []
  if (reasons(model) && !wanted.includes(ENCRYPTED)) {
    changes.set("include", { value: JSON.stringify([...wanted, ENCRYPTED]) })
  }
  return changeMembers(source, withOwnInput(changes, input))
}

/** Writes the body of a conversation that is to be compacted, of which nothing is stored anyway. */
export const writeCompaction = (model: string, source: JsonSource, { input }: JsonObject): Uint8Array =>
  changeMembers(source, withOwnInput(new Map([["model", { value: JSON.stringify(model) }]]), input))

const withOwnInput = (changes: Map<string, MemberChange>, input: unknown): Map<string, MemberChange> =>
  Array.isArray(input) && input.some(isForeign)
    ? changes.set("input", { value: JSON.stringify(input.flatMap(ownItem)) })
    : changes

/**
 * Recognizes what another vendor said: reasoning that OpenAI would look for in its store, what they want back with a call, and
 * its name; and the gateway's own summaries.
 */
const isForeign = (item: unknown): boolean =>
  isObject(item) &&
  (isOthersReasoning(item) ||
    item.extra_content !== undefined ||
    ownCallId(item.call_id) !== item.call_id ||
    openSummary(item) !== undefined)

const isOthersReasoning = ({ encrypted_content, type }: JsonObject): boolean =>
  type === "reasoning" && (typeof encrypted_content !== "string" || isCarriedReasoning(encrypted_content))

const ownItem = (item: unknown): ReadonlyArray<unknown> => {
  if (!isObject(item)) return [item]
  if (isOthersReasoning(item)) return []
  const summary = openSummary(item)
  if (summary !== undefined) return [{ type: "message", role: "user", content: summary }]
  const { extra_content: _, ...own } = item
  return [own.call_id === undefined ? own : { ...own, call_id: ownCallId(own.call_id) }]
}
