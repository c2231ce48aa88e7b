import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPart,
  ChatCompletionContentPartImage,
  ChatCompletionContentPartRefusal,
  ChatCompletionContentPartText,
  ChatCompletionCreateParamsBase,
  ChatCompletionCustomTool,
  ChatCompletionDeveloperMessageParam,
  ChatCompletionMessageFunctionToolCall,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
  ChatCompletionStreamOptions,
  ChatCompletionSystemMessageParam,
  ChatCompletionTool,
  ChatCompletionToolChoiceOption,
  ChatCompletionToolMessageParam,
  ChatCompletionUserMessageParam,
} from "openai/resources/chat/completions/completions"
import type { FunctionDefinition, ResponseFormatJSONSchema } from "openai/resources/shared"
import type { JsonObject } from "../../../src/platform/json.ts"
import type { Probe } from "./probe.ts"

/** What a client of chat completions may say. With a field that OpenAI's package adds, this does not compile. */

export const PNG = "iVBORw0KGgo="
const PDF = "JVBERi0="

const said = (content: unknown): JsonObject => ({ messages: [{ role: "user", content }] })
const text = { type: "text", text: "Hi" }
const part = (own: JsonObject, without: JsonObject = text): Probe => ({
  asks: said([text, own]),
  without: said([text, without]),
})
const turn = (own: JsonObject, without: JsonObject = {}): Probe => {
  const turns = (more: JsonObject) => ({
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Ho", ...more },
      { role: "user", content: "Hi again" },
    ],
  })
  return { asks: turns(own), without: turns(without) }
}
const called = (call: JsonObject, more: JsonObject = {}) => ({
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: null, tool_calls: [call], ...more },
    { role: "tool", tool_call_id: "call_1", content: "4" },
  ],
})
const call = { id: "call_1", type: "function", function: { name: "f", arguments: '{"zq":1}' } }
const schema = { type: "object", properties: {}, additionalProperties: false }
const functionTool = (more: JsonObject) => ({
  tools: [{ type: "function", function: { name: "f", ...more } }],
})
const customTool = (more: JsonObject) => ({ tools: [{ type: "custom", custom: { name: "f", ...more } }] })
const f = functionTool({})
const choice = (tool_choice: unknown, same?: Probe["same"]): Probe => ({
  asks: { ...f, tool_choice },
  without: f,
  ...(same !== undefined && { same }),
})

const HINT = "It says where a cache may begin, and changes no answer."
const PADDING = "Streams of translated answers have no such padding."
const DEFAULT = "It is what is done anyway."
const GATEWAYS = "The gateway asks for what it needs, and gives the client what it asked for."
const OTHERS = "Another vendor's, of an earlier turn: it goes back to its maker alone."

const fields = {
  messages: { asks: said("zq-words") },
  model: { asks: { model: "other" }, same: "The route picks the model." },
  audio: { asks: { audio: { voice: "alloy", format: "mp3" } } },
  frequency_penalty: { asks: { frequency_penalty: 0.5 } },
  function_call: { asks: { function_call: "auto" } },
  functions: { asks: { functions: [{ name: "f" }] } },
  logit_bias: { asks: { logit_bias: { 50256: -100 } } },
  logprobs: { asks: { logprobs: true } },
  max_completion_tokens: { asks: { max_completion_tokens: 2000 } },
  max_tokens: { asks: { max_tokens: 2000 } },
  metadata: { asks: { metadata: { topic: "zq-topic" } } },
  modalities: { asks: { modalities: ["text", "audio"] } },
  moderation: { asks: { moderation: { model: "omni-moderation-latest" } } },
  n: { asks: { n: 2 } },
  parallel_tool_calls: { asks: { ...f, parallel_tool_calls: false }, without: f },
  prediction: { asks: { prediction: { type: "content", content: "zq-guess" } } },
  presence_penalty: { asks: { presence_penalty: 0.5 } },
  prompt_cache_key: { asks: { prompt_cache_key: "zq-key" } },
  prompt_cache_options: { asks: { prompt_cache_options: { mode: "explicit" } } },
  prompt_cache_retention: { asks: { prompt_cache_retention: "24h" } },
  reasoning_effort: { asks: { reasoning_effort: "low" } },
  response_format: { asks: { response_format: { type: "json_object" } } },
  safety_identifier: { asks: { safety_identifier: "zq-user" } },
  seed: { asks: { seed: 7 } },
  service_tier: { asks: { service_tier: "flex" } },
  stop: { asks: { stop: ["zq-stop"] } },
  store: { asks: { store: true } },
  stream: { asks: { stream: true } },
  stream_options: {
    asks: { stream: true, stream_options: { include_usage: true } },
    without: { stream: true },
    same: GATEWAYS,
  },
  temperature: { asks: { temperature: 0.5 } },
  tool_choice: choice("required"),
  tools: { asks: f },
  top_logprobs: { asks: { logprobs: true, top_logprobs: 2 } },
  top_p: { asks: { top_p: 0.5 } },
  user: { asks: { user: "zq-user" } },
  verbosity: { asks: { verbosity: "low" } },
  web_search_options: { asks: { web_search_options: {} } },
} satisfies Record<keyof ChatCompletionCreateParamsBase, Probe>

const streamOptions = {
  include_usage: {
    asks: { stream: true, stream_options: { include_usage: false } },
    without: { stream: true },
    same: GATEWAYS,
  },
  include_obfuscation: {
    asks: { stream: true, stream_options: { include_obfuscation: false } },
    without: { stream: true },
    same: { Gemini: PADDING, Claude: PADDING },
  },
} satisfies Record<keyof ChatCompletionStreamOptions, Probe>

const roles = {
  developer: {
    asks: { messages: [{ role: "developer", content: "zq-words" }, ...(said("Hi").messages as [])] },
  },
  system: { asks: { messages: [{ role: "system", content: "zq-words" }, ...(said("Hi").messages as [])] } },
  user: { asks: said("zq-words") },
  assistant: turn({ content: "zq-words" }),
  tool: { asks: called(call), without: turn({}).asks },
  function: { asks: { messages: [{ role: "function", name: "f", content: "zq-words" }] } },
} satisfies Record<ChatCompletionMessageParam["role"], Probe>

const ofAssistant = {
  role: turn({ content: "zq-words" }),
  content: turn({ content: [{ type: "text", text: "zq-words" }] }),
  audio: turn({ audio: { id: "audio_1" } }),
  function_call: turn({ function_call: { name: "f", arguments: "{}" } }),
  name: { ...turn({ name: "zq-name" }) },
  refusal: turn({ content: null, refusal: "zq-words" }),
  tool_calls: { asks: called(call), without: turn({}).asks },
} satisfies Record<keyof ChatCompletionAssistantMessageParam, Probe>

const calls = {
  function: { asks: called(call), without: turn({}).asks },
  custom: {
    asks: called({ id: "call_1", type: "custom", custom: { name: "f", input: "zq-input" } }),
    without: turn({}).asks,
  },
} satisfies Record<ChatCompletionMessageToolCall["type"], Probe>

const image = (more: JsonObject) => ({
  type: "image_url",
  image_url: { url: `data:image/png;base64,${PNG}`, ...more },
})
const file = (more: JsonObject) => ({ type: "file", file: more })
const pdf = `data:application/pdf;base64,${PDF}`

const parts = {
  text: part({ type: "text", text: "zq-words" }),
  image_url: part(image({})),
  input_audio: part({ type: "input_audio", input_audio: { data: PNG, format: "wav" } }),
  file: part(file({ file_data: pdf, filename: "zq-name.pdf" })),
  refusal: turn({ content: [{ type: "refusal", refusal: "zq-words" }] }),
} satisfies Record<(ChatCompletionContentPart | ChatCompletionContentPartRefusal)["type"], Probe>

type Image = ChatCompletionContentPartImage.ImageURL
type File = ChatCompletionContentPart.File.File

const ofParts = {
  "text.text": part({ type: "text", text: "zq-words" }),
  "text.prompt_cache_breakpoint": {
    ...part({ ...text, prompt_cache_breakpoint: { mode: "explicit" } }),
    why: HINT,
  },
  "image_url.url": part({ type: "image_url", image_url: { url: "https://example.test/zq-image.png" } }),
  "image_url.detail": part(image({ detail: "high" }), image({})),
  "file.file_data": part(file({ file_data: pdf })),
  "file.file_id": part(file({ file_id: "file_1" })),
  "file.filename": part(file({ file_data: pdf, filename: "zq-name.pdf" }), file({ file_data: pdf })),
} satisfies Record<
  | `text.${Exclude<keyof ChatCompletionContentPartText, "type">}`
  | `image_url.${keyof Image}`
  | `file.${keyof File}`,
  Probe
>

const tools = {
  function: { asks: functionTool({ description: "zq-words", parameters: schema }) },
  custom: { asks: customTool({ description: "zq-words" }) },
} satisfies Record<ChatCompletionTool["type"], Probe>

const ofTools = {
  "function.name": { asks: functionTool({ name: "zq-name" }) },
  "function.description": { asks: functionTool({ description: "zq-words" }), without: f },
  "function.parameters": {
    asks: functionTool({ parameters: { ...schema, description: "zq-words" } }),
    without: f,
  },
  "function.strict": {
    asks: functionTool({ parameters: schema, strict: true }),
    without: functionTool({ parameters: schema }),
  },
  "custom.name": { asks: customTool({ name: "zq-name" }) },
  "custom.description": { asks: customTool({ description: "zq-words" }) },
  "custom.format": {
    asks: customTool({
      format: { type: "grammar", grammar: { syntax: "lark", definition: "zq-grammar" } },
    }),
  },
} satisfies Record<
  `function.${keyof FunctionDefinition}` | `custom.${keyof ChatCompletionCustomTool.Custom}`,
  Probe
>

type ChoiceKind =
  | Extract<ChatCompletionToolChoiceOption, string>
  | Extract<ChatCompletionToolChoiceOption, object>["type"]

const one = { type: "function", function: { name: "f" } }

const choices = {
  auto: choice("auto", DEFAULT),
  none: choice("none"),
  required: choice("required"),
  function: choice(one),
  custom: { asks: { ...customTool({}), tool_choice: { type: "custom", custom: { name: "f" } } } },
  allowed_tools: choice({ type: "allowed_tools", allowed_tools: { mode: "required", tools: [one] } }),
} satisfies Record<ChoiceKind, Probe>

type FormatKind = NonNullable<ChatCompletionCreateParamsBase["response_format"]>["type"]

const format = (more: JsonObject) => ({
  response_format: { type: "json_schema", json_schema: { name: "answer", schema, ...more } },
})

const formats = {
  text: { asks: { response_format: { type: "text" } }, same: DEFAULT },
  json_object: { asks: { response_format: { type: "json_object" } } },
  json_schema: { asks: format({}) },
} satisfies Record<FormatKind, Probe>

const ofFormats = {
  name: {
    asks: format({}),
    without: format({ name: undefined }),
    why: "It names the schema for nobody but OpenAI, and no answer shows it.",
  },
  schema: { asks: format({ schema: { ...schema, description: "zq-words" } }), without: format({}) },
  description: { asks: format({ description: "zq-words" }), without: format({}) },
  strict: {
    asks: format({ strict: true }),
    without: format({}),
    same: { Gemini: "Answers follow the schema anyway.", Claude: "Answers follow the schema anyway." },
  },
} satisfies Record<keyof ResponseFormatJSONSchema.JSONSchema, Probe>

const tiers = {
  auto: { asks: { service_tier: "auto" }, same: { Gemini: DEFAULT } },
  default: { asks: { service_tier: "default" }, same: { Gemini: DEFAULT } },
  flex: { asks: { service_tier: "flex" } },
  scale: { asks: { service_tier: "scale" } },
  priority: { asks: { service_tier: "priority" } },
  fast: { asks: { service_tier: "fast" } },
} satisfies Record<NonNullable<ChatCompletionCreateParamsBase["service_tier"]>, Probe>

const efforts = {
  none: { asks: { reasoning_effort: "none" }, same: { Claude: DEFAULT, "gemini-2.0-flash": DEFAULT } },
  minimal: { asks: { reasoning_effort: "minimal" } },
  low: { asks: { reasoning_effort: "low" } },
  medium: { asks: { reasoning_effort: "medium" } },
  high: { asks: { reasoning_effort: "high" } },
  xhigh: { asks: { reasoning_effort: "xhigh" } },
  max: { asks: { reasoning_effort: "max" } },
} satisfies Record<NonNullable<ChatCompletionCreateParamsBase["reasoning_effort"]>, Probe>

const verbosities = {
  low: { asks: { verbosity: "low" } },
  medium: { asks: { verbosity: "medium" } },
  high: { asks: { verbosity: "high" } },
} satisfies Record<NonNullable<ChatCompletionCreateParamsBase["verbosity"]>, Probe>

const modalities = {
  text: {
    asks: { modalities: ["text"] },
    same: { "OpenAI, Responses": DEFAULT, Gemini: DEFAULT, Claude: DEFAULT },
  },
  audio: { asks: { modalities: ["audio"] } },
} satisfies Record<NonNullable<ChatCompletionCreateParamsBase["modalities"]>[number], Probe>

const hi = { role: "user", content: "Hi" }
const instructed = (role: string, more: JsonObject) => ({ messages: [{ role, content: "Go", ...more }, hi] })
const instruction = (role: string, more: JsonObject): Probe => ({
  asks: instructed(role, more),
  without: instructed(role, {}),
})
const result = (more: JsonObject, ownCall: JsonObject = call) => ({
  messages: [
    hi,
    { role: "assistant", content: null, tool_calls: [ownCall] },
    { role: "tool", tool_call_id: "call_1", content: "4", ...more },
  ],
})

type FieldsOf<Kind extends string, Of> = `${Kind}.${Exclude<keyof Of & string, "role" | "type">}`

const ofOthers = {
  "user.content": { asks: said([{ type: "text", text: "zq-words" }]) },
  "user.name": instruction("user", { name: "zq-name" }),
  "system.content": instruction("system", { content: "zq-words" }),
  "system.name": instruction("system", { name: "zq-name" }),
  "developer.content": instruction("developer", { content: "zq-words" }),
  "developer.name": instruction("developer", { name: "zq-name" }),
  "tool.content": { asks: result({ content: "zq-words" }), without: result({}) },
  "tool.tool_call_id": {
    asks: result({ tool_call_id: "call_2" }, { ...call, id: "call_2" }),
    without: result({}),
  },
} satisfies Record<
  | FieldsOf<"user", ChatCompletionUserMessageParam>
  | FieldsOf<"system", ChatCompletionSystemMessageParam>
  | FieldsOf<"developer", ChatCompletionDeveloperMessageParam>
  | FieldsOf<"tool", ChatCompletionToolMessageParam>,
  Probe
>

const ofCall = (ownFunction: JsonObject): Probe => ({
  asks: result({}, { ...call, function: { ...call.function, ...ownFunction } }),
  without: result({}),
})

const ofCalls = {
  id: ofOthers["tool.tool_call_id"],
  "function.name": ofCall({ name: "zq-name" }),
  "function.arguments": ofCall({ arguments: '{"zq-other":2}' }),
} satisfies Record<
  | Exclude<keyof ChatCompletionMessageFunctionToolCall, "type" | "function">
  | `function.${keyof ChatCompletionMessageFunctionToolCall.Function}`,
  Probe
>

const ours = { format: "anthropic-claude-v1" }
const openAis = { format: "openai-responses-v1" }
const signed = { extra_content: { google: { thought_signature: "zq-signature" } } }

/** Words of the field that OpenAI's package does not have. */
const more = {
  top_k: { asks: { top_k: 5 } },
  thinking: { asks: { thinking: { type: "enabled", budget_tokens: 2000 } } },
  "`cache_control` of a part": {
    ...part({ ...text, cache_control: { type: "ephemeral" } }),
    why: HINT,
  },
  "`cache_control` of a message": {
    asks: { messages: [{ role: "user", content: "Hi", cache_control: { type: "ephemeral" } }] },
    why: HINT,
  },
  "`cache_control` of a tool": {
    asks: { tools: [{ ...f.tools[0], cache_control: { type: "ephemeral" } }] },
    without: f,
    why: HINT,
  },
  reasoning_content: {
    ...turn({ reasoning_content: "zq-thought" }),
    why: OTHERS,
  },
  reasoning: {
    ...turn({ reasoning: "zq-thought" }),
    why: OTHERS,
  },
  "`reasoning_details` of Claude": {
    ...turn({
      reasoning_details: [{ type: "reasoning.text", text: "zq-thought", signature: "zq-signature", ...ours }],
    }),
    why: OTHERS,
  },
  "`reasoning_details` of OpenAI": {
    ...turn({
      reasoning_details: [{ type: "reasoning.encrypted", id: "rs_1", data: "zq-data", ...openAis }],
    }),
    why: OTHERS,
  },
  "`images` of an answer": turn({ images: [image({})] }),
  "`extra_content` of a call": {
    asks: called({ ...call, ...signed }),
    without: called(call),
    why: OTHERS,
  },
  "`extra_body.google`": { asks: { extra_body: { google: { thinking_config: { thinking_budget: 1 } } } } },
  "`modalities` with `image`": { asks: { modalities: ["text", "image"] } },
  image_config: { asks: { image_config: { aspect_ratio: "16:9" } } },
  "a field that nobody knows": { asks: { zq_field: 1 } },
} satisfies Record<string, Probe>

export const chat: Readonly<Record<string, Readonly<Record<string, Probe>>>> = {
  Fields: fields,
  "`stream_options`": streamOptions,
  "Messages, by `role`": roles,
  "Messages of the assistant": ofAssistant,
  "Other messages": ofOthers,
  "`tool_calls`": calls,
  "Fields of `tool_calls`": ofCalls,
  Content: parts,
  "Fields of content": ofParts,
  "`tools`": tools,
  "Fields of tools": ofTools,
  "`tool_choice`": choices,
  "`response_format`": formats,
  "`response_format.json_schema`": ofFormats,
  "Values of `service_tier`": tiers,
  "Values of `reasoning_effort`": efforts,
  "Values of `verbosity`": verbosities,
  "Values of `modalities`": modalities,
  "Words of the field": more,
}
