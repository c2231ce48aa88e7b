import type { FinishReason } from "../../domain/Chat.ts"
import type { Usage } from "../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt } from "../../platform/json.ts"
import { responseUsage } from "./usage.ts"

/** What is known of an answer from its beginning. */
export interface ResponseHead {
  /** Letters and digits from which the ids of the response and its items are made. */
  readonly seed: string
  /** Unix seconds. */
  readonly createdAt: number
  readonly model: string
  /** The client's request, which a response repeats. */
  readonly asked: JsonObject
}

/** The end of an answer, or that there is none yet. */
export type ResponseState =
  | { readonly status: "in_progress" }
  | { readonly status: "completed"; readonly completedAt: number; readonly usage: Usage | null }
  | {
      readonly status: "incomplete"
      readonly reason: "max_output_tokens" | "content_filter"
      readonly usage: Usage | null
    }
  | { readonly status: "failed"; readonly error: { readonly code: string; readonly message: string } }

/** Returns the state of an answer that its provider has ended. */
export const endState = (
  finish: FinishReason | null,
  completedAt: number,
  usage: Usage | null,
): ResponseState => {
  if (finish === "length") return { status: "incomplete", reason: "max_output_tokens", usage }
  return finish === "content_filter"
    ? { status: "incomplete", reason: "content_filter", usage }
    : { status: "completed", completedAt, usage }
}

/** Makes the response object, which has every field that clients' schemas want, unset ones included. */
export const makeResponse = (
  { asked, createdAt, model, seed }: ResponseHead,
  output: ReadonlyArray<JsonObject>,
  state: ResponseState,
): JsonObject => ({
  id: `resp_${seed}`,
  object: "response",
  created_at: createdAt,
  completed_at: state.status === "completed" ? state.completedAt : null,
  status: state.status,
  background: false,
  error: state.status === "failed" ? state.error : null,
  incomplete_details: state.status === "incomplete" ? { reason: state.reason } : null,
  instructions: asked.instructions ?? null,
  max_output_tokens: asked.max_output_tokens ?? null,
  max_tool_calls: asked.max_tool_calls ?? null,
  model,
  output,
  parallel_tool_calls: asked.parallel_tool_calls ?? true,
  previous_response_id: null,
  prompt_cache_key: asked.prompt_cache_key ?? null,
  reasoning: { effort: null, summary: null, ...objectAt(asked, "reasoning") },
  safety_identifier: asked.safety_identifier ?? null,
  service_tier: asked.service_tier ?? "default",
  // Whatever the client wanted: nothing is kept here that could be asked for later.
  store: false,
  temperature: asked.temperature ?? 1,
  text: { format: { type: "text" }, ...objectAt(asked, "text") },
  tool_choice: asked.tool_choice ?? "auto",
  tools: Array.isArray(asked.tools) ? asked.tools.map(withAllFields) : [],
  top_logprobs: asked.top_logprobs ?? 0,
  top_p: asked.top_p ?? 1,
  truncation: asked.truncation ?? "disabled",
  presence_penalty: asked.presence_penalty ?? 0,
  frequency_penalty: asked.frequency_penalty ?? 0,
  usage: "usage" in state && state.usage !== null ? responseUsage(state.usage) : null,
  user: asked.user ?? null,
  metadata: asked.metadata ?? {},
})

const withAllFields = (tool: unknown): unknown =>
  isObject(tool) && tool.type === "function"
    ? { description: null, parameters: null, strict: null, ...tool }
    : tool
