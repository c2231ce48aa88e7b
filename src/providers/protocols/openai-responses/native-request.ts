import type { CallMode } from "../../../domain/Chat.ts"
import { isObject, parseJson } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChange } from "../../../platform/json-source.ts"
import { ENCRYPTED, reasons } from "./models.ts"

/**
 * Writes the body for a client that speaks Responses too: its own bytes, for the routed model, and nothing stored. So reasoning
 * has to travel with the client, encrypted.
 */
export const writeNative = (model: string, source: JsonSource, mode: CallMode): Uint8Array => {
  const changes = new Map<string, MemberChange>([
    ["model", { value: JSON.stringify(model) }],
    ["store", { value: "false" }],
    ["stream", mode === "stream" ? { value: "true" } : "remove"],
  ])
  if (reasons(model)) {
    const include = memberOf(source, "include")
    const wanted = Array.isArray(include) ? include : []
    if (!wanted.includes(ENCRYPTED)) changes.set("include", { value: JSON.stringify([...wanted, ENCRYPTED]) })
  }
  // A look at the bytes costs less than reading all items, which few requests need.
  if (source.bytes.includes('"reasoning"') || source.bytes.includes('"extra_content"')) {
    const input = memberOf(source, "input")
    if (Array.isArray(input)) changes.set("input", { value: JSON.stringify(input.flatMap(ownItem)) })
  }
  return changeMembers(source, changes)
}

/** Leaves out what other vendors said: reasoning that OpenAI would look for in its store, and what they want back with a call. */
const ownItem = (item: unknown): ReadonlyArray<unknown> => {
  if (!isObject(item)) return [item]
  if (item.type === "reasoning" && typeof item.encrypted_content !== "string") return []
  const { extra_content: _, ...own } = item
  return [own]
}

const memberOf = ({ bytes, members }: JsonSource, name: string): unknown => {
  const member = members.find((each) => each.name === name)
  return member === undefined
    ? undefined
    : parseJson(bytes.toString("utf8", member.valueStart, member.valueEnd))
}
