import type { Usage } from "../../../domain/Usage.ts"
import { type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { readUsage as readCounts } from "../openai-chat/usage.ts"

/** Reads what a response says that it used, and counts the searches in it, which OpenAI charges for and does not count itself. */
export const readUsage = (response: JsonObject): Usage | null => {
  const usage = objectAt(response, "usage")
  const searches = objectsAt(response, "output").filter(({ type }) => type === "web_search_call").length
  return readCounts(
    usage !== undefined && searches > 0 ? { ...usage, num_search_queries: searches } : usage,
    response.service_tier,
  )
}
