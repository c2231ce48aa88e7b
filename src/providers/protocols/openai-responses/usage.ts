import type { ChatChunk } from "../../../domain/Chat.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { readUsage as readCounts } from "../openai-chat/usage.ts"

/** Reads what a response says that it used, and counts the searches in it, which OpenAI charges for and does not count itself. */
export const readUsage = (response: JsonObject): Usage | null => {
  const usage = objectAt(response, "usage")
  const searches = objectsAt(response, "output").filter(isSearch).length
  return readCounts(
    usage !== undefined && searches > 0 ? { ...usage, num_search_queries: searches } : usage,
    response.service_tier,
  )
}

/** "Search actions incur a tool call cost" (developers.openai.com/api/docs/guides/tools-web-search): to open a page, and to look into it, do not. */
const isSearch = (item: JsonObject): boolean =>
  item.type === "web_search_call" && (objectAt(item, "action")?.type ?? "search") === "search"

/** Returns what a chunk tells of the usage; undefined where the response says nothing of it. */
export const counted = (response: JsonObject): ChatChunk["usage"] =>
  isObject(response.usage) ? { usage: readUsage(response), raw: response.usage } : undefined
