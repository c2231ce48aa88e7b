import type {
  BetaContentBlockParam,
  BetaMessageParam,
  BetaOutputConfig,
  MessageCreateParamsBase as BetaParams,
  BetaThinkingConfigAdaptive,
  BetaThinkingConfigEnabled,
  BetaThinkingConfigParam,
  BetaTool,
  BetaToolChoice,
  BetaToolResultBlockParam,
  BetaToolUnion,
  BetaToolUseBlockParam,
} from "@anthropic-ai/sdk/resources/beta/messages/messages"
import type {
  CacheControlEphemeral,
  ContentBlockParam,
  DocumentBlockParam,
  ImageBlockParam,
  JSONOutputFormat,
  MessageCreateParamsBase,
  MessageParam,
  Metadata,
  OutputConfig,
  SearchResultBlockParam,
  TextBlockParam,
  TextCitationParam,
  ThinkingConfigAdaptive,
  ThinkingConfigEnabled,
  ThinkingConfigParam,
  Tool,
  ToolChoice,
  ToolResultBlockParam,
  ToolUnion,
  ToolUseBlockParam,
} from "@anthropic-ai/sdk/resources/messages/messages"
import type { JsonObject } from "../../../src/platform/json.ts"
import { PNG } from "./chat.ts"
import type { Probe } from "./probe.ts"

/** What a client of Messages may say, betas included. With a field that Anthropic's package adds, this does not compile. */

const PDF = "JVBERi0="

const text = { type: "text", text: "Hi" }
const said = (...content: ReadonlyArray<JsonObject>): JsonObject => ({
  messages: [{ role: "user", content }],
})
const block = (own: JsonObject, without?: JsonObject): Probe => ({
  asks: said(text, own),
  without: said(text, ...(without === undefined ? [] : [without])),
})
const answered = (...content: ReadonlyArray<JsonObject>): JsonObject => ({
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: [text, ...content] },
    { role: "user", content: "Hi again" },
  ],
})
const answer = (own: JsonObject, without?: JsonObject): Probe => ({
  asks: answered(own),
  without: answered(...(without === undefined ? [] : [without])),
})
const use = { type: "tool_use", id: "toolu_1", name: "f", input: { "zq-key": 1 } }
const result = { type: "tool_result", tool_use_id: "toolu_1", content: "4" }
const called = (ownUse: JsonObject, ownResult: JsonObject): JsonObject => ({
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: [text, ownUse] },
    { role: "user", content: [ownResult] },
  ],
})
const ofUse = (more: JsonObject): Probe => ({
  asks: called({ ...use, ...more }, result),
  without: called(use, result),
})
const ofResult = (more: JsonObject): Probe => ({
  asks: called(use, { ...result, ...more }),
  without: called(use, result),
})
const cached = { cache_control: { type: "ephemeral" } }
const schema = { type: "object", properties: {}, additionalProperties: false }
const tools = (more: JsonObject = {}) => ({ tools: [{ name: "f", input_schema: schema, ...more }] })
const tool = (more: JsonObject): Probe => ({ asks: tools(more), without: tools() })
const choice = (tool_choice: JsonObject, without: JsonObject = {}): Probe => ({
  asks: { ...tools(), tool_choice },
  without: { ...tools(), ...without },
})

const HINT = "It says where a cache may begin, and changes no answer."
const ELSEWHERE = (reason: string) => ({
  "OpenAI, chat": reason,
  "OpenAI, Responses": reason,
  "OpenAI-compatible": reason,
  "Claude, OpenAI-compatible": reason,
  Gemini: reason,
})
const THOUGHT = "Claude's own thought, which nobody else can read."
const CITED = "Where an earlier answer found what it says; the words arrive."
const BOUND = "It says what becomes of Claude's earlier thoughts, which go to Claude alone."
const bound = { prefix_mismatch_behavior: "drop" }
const SHOWN = "Thoughts come as this end shows them, or not at all."
const DEFAULT = "It is what is done anyway."

type FieldsOf<
  Kind extends string,
  Of,
> = `${Kind}.${Exclude<(Of extends unknown ? keyof Of : never) & string, "type">}`

const fields = {
  max_tokens: { asks: { max_tokens: 6000 } },
  messages: { asks: { messages: [{ role: "user", content: "zq-words" }] } },
  model: { asks: { model: "other" }, same: "The route picks the model." },
  betas: {
    asks: {},
    headers: { "anthropic-beta": "zq-beta" },
    why: "Clients send it as a header field, for a provider that speaks Messages.",
  },
  billing_policy: { asks: { billing_policy: { type: "billing_policy", bill_to: "self" } } },
  cache_control: { asks: cached },
  compaction: { asks: { compaction: { type: "summarize" } } },
  container: { asks: { container: "container_1" } },
  context_management: {
    asks: { context_management: { edits: [{ type: "clear_tool_uses_20250919" }] } },
  },
  diagnostics: { asks: { diagnostics: { previous_message_id: "msg_1" } } },
  fallback_credit_token: { asks: { fallback_credit_token: "token" } },
  fallbacks: { asks: { fallbacks: [{ model: "claude-opus-5" }] } },
  inference_geo: { asks: { inference_geo: "us" } },
  mcp_servers: { asks: { mcp_servers: [{ type: "url", url: "https://example.test", name: "x" }] } },
  metadata: { asks: { metadata: { user_id: "zq-user" } } },
  output_config: { asks: { output_config: { effort: "low" } } },
  output_format: { asks: { output_format: { type: "json_schema", schema } } },
  service_tier: { asks: { service_tier: "standard_only" }, same: { Gemini: DEFAULT } },
  speed: { asks: { speed: "fast" } },
  stop_sequences: { asks: { stop_sequences: ["zq-stop"] } },
  stream: { asks: { stream: true } },
  system: { asks: { system: "zq-words" } },
  thinking: { asks: { thinking: { type: "enabled", budget_tokens: 2000 } } },
  thread: { asks: { thread: { type: "create" } } },
  tool_choice: choice({ type: "any" }),
  tools: { asks: tools() },
  user_profile_id: { asks: { user_profile_id: "profile_1" } },
  workspace_id: { asks: { workspace_id: "workspace_1" } },
} satisfies Record<keyof MessageCreateParamsBase | keyof BetaParams, Probe>

const older = {
  temperature: { asks: { temperature: 0.5 } },
  top_p: { asks: { top_p: 0.5 } },
  top_k: { asks: { top_k: 5 } },
} satisfies Record<string, Probe>

const ofMetadata = { user_id: { asks: { metadata: { user_id: "zq-user" } } } } satisfies Record<
  keyof Metadata,
  Probe
>

const formatted = (schema: JsonObject) => ({ output_config: { format: { type: "json_schema", schema } } })

const ofOutput = {
  effort: { asks: { output_config: { effort: "low" } } },
  format: { asks: { output_config: { format: { type: "json_schema", schema } } } },
  "format.schema": {
    asks: formatted({ ...schema, description: "zq-words" }),
    without: formatted(schema),
  },
  task_budget: { asks: { output_config: { task_budget: { type: "tokens", total: 20_000 } } } },
} satisfies Record<keyof OutputConfig | keyof BetaOutputConfig | FieldsOf<"format", JSONOutputFormat>, Probe>

const thinking = {
  enabled: { asks: { thinking: { type: "enabled", budget_tokens: 2000 } } },
  "enabled.budget_tokens": {
    asks: { thinking: { type: "enabled", budget_tokens: 2000 } },
  },
  "enabled.block_binding": {
    asks: { thinking: { type: "enabled", budget_tokens: 2000, block_binding: bound } },
    why: BOUND,
  },
  "adaptive.block_binding": {
    asks: { thinking: { type: "adaptive", block_binding: bound } },
    why: BOUND,
  },
  "enabled.display": {
    asks: { thinking: { type: "enabled", budget_tokens: 2000, display: "omitted" } },
    why: SHOWN,
  },
  adaptive: { asks: { thinking: { type: "adaptive" } }, same: { Gemini: DEFAULT } },
  "adaptive.display": {
    asks: { thinking: { type: "adaptive", display: "omitted" } },
    why: SHOWN,
  },
  disabled: {
    asks: { thinking: { type: "disabled" } },
    same: { "gpt-4o": DEFAULT, "gemini-2.0-flash": DEFAULT },
  },
  between_tools: { asks: { thinking: { type: "between_tools" } }, same: { Gemini: DEFAULT } },
} satisfies Record<
  | (ThinkingConfigParam | BetaThinkingConfigParam)["type"]
  | FieldsOf<"enabled", ThinkingConfigEnabled | BetaThinkingConfigEnabled>
  | FieldsOf<"adaptive", ThinkingConfigAdaptive | BetaThinkingConfigAdaptive>,
  Probe
>

const efforts = {
  low: { asks: { output_config: { effort: "low" } } },
  medium: { asks: { output_config: { effort: "medium" } } },
  high: { asks: { output_config: { effort: "high" } } },
  xhigh: { asks: { output_config: { effort: "xhigh" } } },
  max: { asks: { output_config: { effort: "max" } } },
} satisfies Record<NonNullable<OutputConfig["effort"] | BetaOutputConfig["effort"]>, Probe>

const tiers = {
  auto: { asks: { service_tier: "auto" }, same: { Gemini: DEFAULT } },
  standard_only: { asks: { service_tier: "standard_only" }, same: { Gemini: DEFAULT } },
} satisfies Record<NonNullable<MessageCreateParamsBase["service_tier"] | BetaParams["service_tier"]>, Probe>

const roles = {
  user: { asks: { messages: [{ role: "user", content: "zq-words" }] } },
  assistant: answer({ type: "text", text: "zq-words" }),
  system: {
    asks: {
      messages: [
        { role: "system", content: "zq-words" },
        { role: "user", content: "Hi" },
      ],
    },
  },
  content: { asks: said({ type: "text", text: "zq-words" }) },
} satisfies Record<
  (MessageParam | BetaMessageParam)["role"] | Exclude<keyof MessageParam | keyof BetaMessageParam, "role">,
  Probe
>

const pdf = { type: "base64", media_type: "application/pdf", data: PDF }
const png = { type: "base64", media_type: "image/png", data: PNG }
const document = (more: JsonObject) => ({ type: "document", source: pdf, ...more })
const image = (more: JsonObject) => ({ type: "image", source: png, ...more })
const found = (more: JsonObject = {}) => ({
  type: "search_result",
  source: "zq-source",
  title: "zq-title",
  content: [{ type: "text", text: "zq-words" }],
  ...more,
})
const serverResult = (type: string) => answer({ type, tool_use_id: "srvtoolu_1", content: [] })

const blocks = {
  text: block({ type: "text", text: "zq-words" }),
  image: block(image({})),
  document: block(document({})),
  search_result: block(found()),
  thinking: {
    ...answer({ type: "thinking", thinking: "zq-thought", signature: "zq-signature" }),
    why: THOUGHT,
  },
  redacted_thinking: { ...answer({ type: "redacted_thinking", data: "zq-data" }), why: THOUGHT },
  tool_use: { asks: called(use, result), without: answered() },
  tool_result: { asks: called(use, { ...result, content: "zq-words" }), without: answered() },
  server_tool_use: answer({ type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} }),
  web_search_tool_result: serverResult("web_search_tool_result"),
  web_fetch_tool_result: serverResult("web_fetch_tool_result"),
  code_execution_tool_result: serverResult("code_execution_tool_result"),
  bash_code_execution_tool_result: serverResult("bash_code_execution_tool_result"),
  text_editor_code_execution_tool_result: serverResult("text_editor_code_execution_tool_result"),
  tool_search_tool_result: serverResult("tool_search_tool_result"),
  advisor_tool_result: serverResult("advisor_tool_result"),
  container_upload: block({ type: "container_upload", file_id: "file_1" }),
  mcp_tool_use: answer({ type: "mcp_tool_use", id: "mcptoolu_1", name: "x", server_name: "y", input: {} }),
  mcp_tool_result: serverResult("mcp_tool_result"),
  mcp_tool_listing: block({ type: "mcp_tool_listing", mcp_server_name: "y", tools: [] }),
  compaction: block({ type: "compaction", content: "zq-words" }),
  tool_addition: block({ type: "tool_addition", tool: { type: "tool_reference", name: "f" } }),
  tool_removal: block({ type: "tool_removal", tool: { type: "tool_reference", name: "f" } }),
  fallback: answer({ type: "fallback", from: { model: "a" }, to: { model: "b" } }),
} satisfies Record<(ContentBlockParam | BetaContentBlockParam)["type"], Probe>

const cited = (type: string): Probe => ({
  ...answer({ ...text, citations: [{ type, cited_text: "Hi" }] }, text),
  why: CITED,
})

const citations = {
  char_location: cited("char_location"),
  page_location: cited("page_location"),
  content_block_location: cited("content_block_location"),
  web_search_result_location: cited("web_search_result_location"),
  search_result_location: cited("search_result_location"),
} satisfies Record<TextCitationParam["type"], Probe>

const ofBlocks = {
  "text.text": block({ type: "text", text: "zq-words" }),
  "text.cache_control.ttl": {
    ...block({ ...text, cache_control: { type: "ephemeral", ttl: "1h" } }, text),
    why: HINT,
  },
  "text.cache_control": { ...block({ ...text, ...cached }, text), why: HINT },
  "text.citations": cited("char_location"),
  "image.source": block(image({})),
  "image.cache_control": { ...block(image(cached), image({})), why: HINT },
  "image.transformations": block(image({ transformations: { oversized_image: "error" } }), image({})),
  "document.source": block(document({})),
  "document.cache_control": { ...block(document(cached), document({})), why: HINT },
  "document.citations": block(document({ citations: { enabled: true } }), document({})),
  "document.context": block(document({ context: "zq-context" }), document({})),
  "document.title": block(document({ title: "zq-title" }), document({})),
  "search_result.content": block(found()),
  "search_result.source": block(found()),
  "search_result.title": block(found()),
  "search_result.cache_control": block(found(cached)),
  "search_result.citations": block(found({ citations: { enabled: true } })),
  "tool_use.id": {
    asks: called({ ...use, id: "toolu_2" }, { ...result, tool_use_id: "toolu_2" }),
    without: called(use, result),
  },
  "tool_use.name": ofUse({ name: "zq-name" }),
  "tool_use.input": ofUse({ input: { "zq-other": 2 } }),
  "tool_use.cache_control": { ...ofUse(cached), why: HINT },
  "tool_use.caller": { ...ofUse({ caller: { type: "direct" } }), same: ELSEWHERE(DEFAULT) },
  "tool_use.toolset_name": ofUse({ toolset_name: "zq-name" }),
  "tool_result.tool_use_id": {
    asks: called({ ...use, id: "toolu_2" }, { ...result, tool_use_id: "toolu_2" }),
    without: called(use, result),
  },
  "tool_result.cache_control": { ...ofResult(cached), why: HINT },
  "tool_result.content": ofResult({ content: [{ type: "text", text: "zq-words" }] }),
  "tool_result.is_error": ofResult({ is_error: true }),
  "tool_result.toolset_name": ofResult({ toolset_name: "zq-name" }),
} satisfies Record<
  | FieldsOf<"text", TextBlockParam>
  | FieldsOf<"text.cache_control", CacheControlEphemeral>
  | FieldsOf<"image", ImageBlockParam>
  | FieldsOf<"document", DocumentBlockParam>
  | FieldsOf<"search_result", SearchResultBlockParam>
  | FieldsOf<"tool_use", ToolUseBlockParam | BetaToolUseBlockParam>
  | FieldsOf<"tool_result", ToolResultBlockParam | BetaToolResultBlockParam>,
  Probe
>

const sources = {
  "image: base64": block(image({})),
  "image: url": block(image({ source: { type: "url", url: "https://example.test/zq-image.png" } })),
  "image: file": block(image({ source: { type: "file", file_id: "file_1" } })),
  "document: base64": block(document({})),
  "document: text": block(document({ source: { type: "text", media_type: "text/plain", data: "zq-words" } })),
  "document: content": block(
    document({ source: { type: "content", content: [{ type: "text", text: "zq-words" }, image({})] } }),
  ),
  "document: url": block(document({ source: { type: "url", url: "https://example.test/a.pdf" } })),
  "document: file": block(document({ source: { type: "file", file_id: "file_1" } })),
} satisfies Record<
  `image: ${ImageBlockParam["source"]["type"]}` | `document: ${DocumentBlockParam["source"]["type"]}`,
  Probe
>

type ResultBlock = Exclude<ToolResultBlockParam["content"], string | undefined>[number]

const inResults = {
  text: ofResult({ content: [{ type: "text", text: "zq-words" }] }),
  image: ofResult({ content: [image({})] }),
  document: ofResult({ content: [document({})] }),
  search_result: ofResult({ content: [found()] }),
  tool_reference: ofResult({ content: [{ type: "tool_reference", tool_name: "f" }] }),
  browser_state: ofResult({ content: [{ type: "browser_state", tabs: [] }] }),
} satisfies Record<ResultBlock["type"], Probe>

const ofTools = {
  name: tool({ name: "zq-name" }),
  input_schema: tool({ input_schema: { ...schema, description: "zq-words" } }),
  description: tool({ description: "zq-words" }),
  type: { ...tool({ type: "custom" }), same: DEFAULT },
  cache_control: { ...tool(cached), why: HINT },
  strict: tool({ strict: true }),
  input_examples: tool({ input_examples: [{ "zq-key": 1 }] }),
  allowed_callers: tool({ allowed_callers: ["code_execution_20260120"] }),
  defer_loading: tool({ defer_loading: true }),
  eager_input_streaming: {
    ...tool({ eager_input_streaming: true }),
    why: "It says how an answer streams, and changes none.",
  },
} satisfies Record<keyof Tool | keyof BetaTool, Probe>

type ServerTool = Exclude<NonNullable<(ToolUnion | BetaToolUnion)["type"]>, "custom">

const kinds = {
  advisor_20260301: "advisor",
  bash_20241022: "bash",
  bash_20250124: "bash",
  browser_toolset_20260801: "browser",
  code_execution_20250522: "code_execution",
  code_execution_20250825: "code_execution",
  code_execution_20260120: "code_execution",
  code_execution_20260521: "code_execution",
  computer_20241022: "computer",
  computer_20250124: "computer",
  computer_20251124: "computer",
  computer_toolset_20260801: "computer",
  mcp_toolset: "",
  memory_20250818: "memory",
  text_editor_20241022: "str_replace_editor",
  text_editor_20250124: "str_replace_editor",
  text_editor_20250429: "str_replace_based_edit_tool",
  text_editor_20250728: "str_replace_based_edit_tool",
  tool_search_tool_bm25: "tool_search_tool_bm25",
  tool_search_tool_bm25_20251119: "tool_search_tool_bm25",
  tool_search_tool_regex: "tool_search_tool_regex",
  tool_search_tool_regex_20251119: "tool_search_tool_regex",
  web_fetch_20250910: "web_fetch",
  web_fetch_20260209: "web_fetch",
  web_fetch_20260309: "web_fetch",
  web_fetch_20260318: "web_fetch",
  web_search_20250305: "web_search",
  web_search_20260209: "web_search",
  web_search_20260318: "web_search",
} satisfies Record<ServerTool, string>

const toolKinds: Readonly<Record<string, Probe>> = {
  custom: { asks: tools({ type: "custom" }) },
  ...Object.fromEntries(
    Object.entries(kinds).map(([type, name]) => [
      type,
      { asks: { tools: [{ type, ...(name && { name }) }] } },
    ]),
  ),
}

const alone = { disable_parallel_tool_use: true }

const choices = {
  auto: { ...choice({ type: "auto" }), same: DEFAULT },
  "auto, disable_parallel_tool_use": choice({ type: "auto", ...alone }),
  any: choice({ type: "any" }),
  "any, disable_parallel_tool_use": choice({ type: "any", ...alone }, { tool_choice: { type: "any" } }),
  tool: choice({ type: "tool", name: "f" }),
  "tool, disable_parallel_tool_use": choice(
    { type: "tool", name: "f", ...alone },
    { tool_choice: { type: "tool", name: "f" } },
  ),
  none: choice({ type: "none" }),
} satisfies Record<
  | (ToolChoice | BetaToolChoice)["type"]
  | `${Extract<ToolChoice, { disable_parallel_tool_use?: boolean }>["type"]}, disable_parallel_tool_use`,
  Probe
>

const FOREIGN = "Another vendor's, of an earlier turn: it goes back to its maker alone."
const unsigned = { type: "thinking", thinking: "zq-thought", signature: "" }

const ours = {
  "`thinking` without a signature": {
    ...answer(unsigned),
    why: FOREIGN,
  },
  "`image` of the assistant": answer(image({})),
  "`extra_content` of `tool_use`": {
    ...ofUse({ extra_content: { google: { thought_signature: "zq-signature" } } }),
    why: FOREIGN,
  },
  "a field that nobody knows": { asks: { zq_field: 1 } },
} satisfies Record<string, Probe>

export const messages: Readonly<Record<string, Readonly<Record<string, Probe>>>> = {
  Fields: fields,
  "Fields of version 2023-06-01": older,
  "`metadata`": ofMetadata,
  "`output_config`": ofOutput,
  "`thinking`": thinking,
  "Messages, by `role`": roles,
  "Values of `output_config.effort`": efforts,
  "Values of `service_tier`": tiers,
  Blocks: blocks,
  "Fields of blocks": ofBlocks,
  "Kinds of `citations`": citations,
  Sources: sources,
  "Blocks of `tool_result`": inResults,
  "Fields of the client's own tools": ofTools,
  "Kinds of tools": toolKinds,
  "`tool_choice`": choices,
  "What this gateway hands out": ours,
}
