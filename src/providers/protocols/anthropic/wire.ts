import type {
  ContentBlockParam,
  MessageParam,
  OutputConfig,
  TextBlockParam,
  ThinkingConfigParam,
  Tool,
  ToolChoice,
} from "@anthropic-ai/sdk/resources/messages"

/** The parts of a body of `POST /v1/messages` that are the same for every model. */
export interface CommonBody {
  readonly messages: ReadonlyArray<MessageParam>
  readonly system?: ReadonlyArray<TextBlockParam>
  readonly tools?: ReadonlyArray<Tool>
  readonly tool_choice?: ToolChoice
  readonly stop_sequences?: ReadonlyArray<string>
  readonly metadata?: { readonly user_id: string }
  readonly service_tier?: "auto" | "standard_only"
  readonly cache_control?: object
}

/** What models are told in different ways. */
export interface ModelBody {
  readonly model: string
  readonly max_tokens: number
  readonly stream?: true
  readonly thinking?: ThinkingConfigParam
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
}

export type Effort = NonNullable<OutputConfig["effort"]>

/** Messages whose content is always a list, which others can be joined to. */
export interface Turn {
  readonly role: "user" | "assistant"
  readonly content: Array<ContentBlockParam>
}

/**
 * The version of the API that translated requests are written for. The next one, 2026-10-21, refuses `temperature`, `top_p`
 * and `top_k` of every model.
 */
export const API_VERSION = "2023-06-01"

/** The header field that says which betas a request is written with. */
export const BETAS = "anthropic-beta"
