import type { Response } from "openai/resources/responses/responses"
import type { FinishReason } from "../../../domain/Chat.ts"
import { type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { isCall } from "./response.ts"

/** Reads why a response ended. */
export const readFinishReason = (response: JsonObject): FinishReason => {
  if (response.status === "incomplete") {
    return reasons.get(objectAt(response, "incomplete_details")?.reason) ?? "length"
  }
  return objectsAt(response, "output").some(isCall) ? "tool_calls" : "stop"
}

/** Why a response is incomplete: with a new reason in OpenAI's own package, this does not compile. */
const reasons: ReadonlyMap<unknown, FinishReason> = new Map(
  Object.entries({
    max_output_tokens: "length",
    content_filter: "content_filter",
    // Of agents and of WebSockets.
    max_messages: "other",
    steered: "other",
  } satisfies Readonly<Record<NonNullable<Response.IncompleteDetails["reason"]>, FinishReason>>),
)
