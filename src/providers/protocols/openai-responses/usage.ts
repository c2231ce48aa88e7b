import type { ChatChunk } from "../../../domain/Chat.ts"
import type { Usage, UsageDetails } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { readUsage as readCounts } from "../openai-chat/usage.ts"

/** Reads what a response says that it used, and counts the calls in it, which OpenAI charges for and does not count itself. */
export const readUsage = (response: JsonObject): Usage | null =>
  readCounts(objectAt(response, "usage"), response.service_tier, response.model, callsIn(response))

type Call = keyof Pick<UsageDetails, "web_searches" | "file_searches" | "unpriced_calls">

/** "Search actions incur a tool call cost" (developers.openai.com/api/docs/guides/tools-web-search): to open a page, and to look into it, do not. */
const isSearch = (item: JsonObject): boolean => (objectAt(item, "action")?.type ?? "search") === "search"

/** The preview of the tool costs two and a half times as much with models that do not reason (developers.openai.com/api/docs/pricing). */
const isDearer = ({ model, tools }: JsonObject): boolean =>
  typeof model === "string" &&
  model.startsWith("gpt-4") &&
  JSON.stringify(tools ?? []).includes('"web_search_preview')

/** What OpenAI runs for the client in a container of its own, and not what the client runs itself. */
const isHosted = (item: JsonObject): boolean => (objectAt(item, "environment")?.type ?? "local") !== "local"

/** Items of which each is charged for, or none: the client's own calls, and what costs its tokens alone. */
const CALLS: Readonly<Record<string, Call | ((item: JsonObject) => Call | undefined) | undefined>> = {
  web_search_call: (item) => (isSearch(item) ? "web_searches" : undefined),
  file_search_call: "file_searches",
  shell_call: (item) => (isHosted(item) ? "unpriced_calls" : undefined),
  function_call: undefined,
  custom_tool_call: undefined,
  computer_call: undefined,
  local_shell_call: undefined,
  apply_patch_call: undefined,
  mcp_call: undefined,
  tool_search_call: undefined,
}

/** Counts what is charged by the call. Of a call that is not known nobody knows what it costs: a container, an image. */
const callsIn = (response: JsonObject): { readonly [Name in Call]?: number } | undefined => {
  let counts: { [Name in Call]?: number } | undefined
  for (const item of objectsAt(response, "output")) {
    const type = stringAt(item, "type") ?? ""
    if (!type.endsWith("_call")) continue
    const known = Object.hasOwn(CALLS, type) ? CALLS[type] : "unpriced_calls"
    const call = typeof known === "function" ? known(item) : known
    if (call === undefined) continue
    counts ??= {}
    counts[call] = (counts[call] ?? 0) + 1
  }
  if (counts?.web_searches === undefined || !isDearer(response)) return counts
  return { ...counts, unpriced_calls: (counts.unpriced_calls ?? 0) + counts.web_searches }
}

/** Returns what a chunk tells of the usage; undefined where the response says nothing of it. */
export const counted = (response: JsonObject): ChatChunk["usage"] =>
  isObject(response.usage) ? { usage: readUsage(response), raw: response.usage } : undefined
