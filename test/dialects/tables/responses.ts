import type {
  CustomTool,
  EasyInputMessage,
  FunctionTool,
  NamespaceTool,
  ResponseCreateParamsBase,
  ResponseCustomToolCall,
  ResponseCustomToolCallOutput,
  ResponseFormatTextConfig,
  ResponseFunctionToolCall,
  ResponseIncludable,
  ResponseInputFile,
  ResponseInputImage,
  ResponseInputItem,
  ResponseInputText,
  ResponseOutputMessage,
  ResponseOutputRefusal,
  ResponseOutputText,
  ResponseReasoningItem,
  ResponseTextConfig,
  ServiceTier,
  Tool,
} from "openai/resources/responses/responses"
import type { Reasoning, ReasoningEffort } from "openai/resources/shared"
import type { JsonObject } from "../../../src/platform/json.ts"
import { PNG } from "./chat.ts"
import type { Probe } from "./probe.ts"

/** What a client of Responses may say. With a field that OpenAI's package adds, this does not compile. */

const user = { role: "user", content: "Hi" }
const items = (...more: ReadonlyArray<JsonObject>) => ({ input: [user, ...more] })
const item = (...own: ReadonlyArray<JsonObject>): Probe => ({ asks: items(...own) })
const text = { type: "input_text", text: "Hi" }
const said = (content: unknown): JsonObject => ({ input: [{ role: "user", content }] })
const part = (own: JsonObject, without?: JsonObject): Probe => ({
  asks: said([text, own]),
  without: said([text, ...(without === undefined ? [] : [without])]),
})
const call = (more: JsonObject = {}) => ({
  type: "function_call",
  call_id: "call_1",
  name: "f",
  arguments: "{}",
  ...more,
})
const output = (more: JsonObject = {}) => ({
  type: "function_call_output",
  call_id: "call_1",
  output: "4",
  ...more,
})
const customCall = (more: JsonObject = {}) => ({
  type: "custom_tool_call",
  call_id: "call_1",
  name: "f",
  input: "zq-input",
  ...more,
})
const customOutput = { type: "custom_tool_call_output", call_id: "call_1", output: "4" }
const ofCall = (more: JsonObject): Probe => ({
  asks: items(call(more), output()),
  without: items(call(), output()),
})
const ofOutput = (more: JsonObject): Probe => ({
  asks: items(call(), output(more)),
  without: items(call(), output()),
})
const ofCustom = (more: JsonObject): Probe => ({
  asks: items(customCall(more), customOutput),
  without: items(customCall(), customOutput),
})
const ofCustomOutput = (more: JsonObject): Probe => ({
  asks: items(customCall(), { ...customOutput, ...more }),
  without: items(customCall(), customOutput),
})
const answer = {
  type: "message",
  role: "assistant",
  id: "msg_1",
  status: "completed",
  content: [{ type: "output_text", text: "Ho", annotations: [] }],
}
const schema = { type: "object", properties: {}, additionalProperties: false }
const f = (more: JsonObject = {}) => ({ type: "function", name: "f", ...more })
const tools = (...list: ReadonlyArray<JsonObject>) => ({ tools: list })
const tool = (more: JsonObject): Probe => ({ asks: tools(f(more)), without: tools(f()) })
const g = (more: JsonObject = {}) => ({ type: "custom", name: "f", ...more })
const choice = (tool_choice: unknown): Probe => ({
  asks: { ...tools(f()), tool_choice },
  without: tools(f()),
})

const DEFAULT = "It is what is done anyway."
const ID = "An id of what nobody keeps: calls and results find each other by `call_id`."
const STATUS = "A finished item says so."
const STORED = "Nothing is stored here, and the answer says `store: false`."
const CHAT_ENDS = (reason: string) => ({
  "OpenAI, chat": reason,
  "OpenAI-compatible": reason,
  Gemini: reason,
  Claude: reason,
})
const HINT = "It says where a cache may begin, and changes no answer."
const METADATA = CHAT_ENDS("It names the answer, which repeats it.")
const OWN = "OpenAI's own thought, which nobody else can read."

const fields = {
  access_programs: { asks: { access_programs: { cyber: "standard" } } },
  background: { asks: { background: true } },
  context_management: { asks: { context_management: [{ type: "compaction" }] } },
  conversation: { asks: { conversation: "conv_1" } },
  image: { asks: { image: { context_compression: "enabled" } } },
  include: { asks: { include: ["message.output_text.logprobs"] } },
  input: { asks: { input: "zq-words" } },
  instructions: { asks: { instructions: "zq-words" } },
  max_output_tokens: { asks: { max_output_tokens: 2000 } },
  max_tool_calls: { asks: { max_tool_calls: 3 } },
  metadata: { asks: { metadata: { topic: "zq-topic" } }, same: METADATA },
  model: { asks: { model: "other" }, same: "The route picks the model." },
  moderation: { asks: { moderation: { model: "omni-moderation-latest" } } },
  parallel_tool_calls: { asks: { ...tools(f()), parallel_tool_calls: false }, without: tools(f()) },
  previous_response_id: { asks: { previous_response_id: "resp_1" } },
  prompt: { asks: { prompt: { id: "pmpt_1" } } },
  prompt_cache_key: { asks: { prompt_cache_key: "zq-key" } },
  prompt_cache_options: { asks: { prompt_cache_options: { mode: "explicit" } } },
  prompt_cache_retention: { asks: { prompt_cache_retention: "24h" } },
  reasoning: { asks: { reasoning: { effort: "low" } } },
  safety_identifier: { asks: { safety_identifier: "zq-user" } },
  service_tier: { asks: { service_tier: "auto" }, same: { Gemini: DEFAULT } },
  store: { asks: { store: true }, why: STORED },
  stream: { asks: { stream: true } },
  stream_options: {
    asks: { stream: true, stream_options: { include_obfuscation: false } },
    without: { stream: true },
    same: CHAT_ENDS("Streams of translated answers have no such padding."),
  },
  temperature: { asks: { temperature: 0.5 } },
  text: { asks: { text: { verbosity: "low" } } },
  tool_choice: choice("required"),
  tools: { asks: tools(f()) },
  top_logprobs: { asks: { include: ["message.output_text.logprobs"], top_logprobs: 2 } },
  top_p: { asks: { top_p: 0.5 } },
  truncation: { asks: { truncation: "auto" } },
  user: { asks: { user: "zq-user" } },
} satisfies Record<keyof ResponseCreateParamsBase, Probe>

const NO_SUCH = "It belongs to a tool that is refused."

const includes = {
  "file_search_call.results": { asks: { include: ["file_search_call.results"] }, why: NO_SUCH },
  "web_search_call.results": { asks: { include: ["web_search_call.results"] }, why: NO_SUCH },
  "web_search_call.action.sources": { asks: { include: ["web_search_call.action.sources"] }, why: NO_SUCH },
  "message.input_image.image_url": {
    asks: { include: ["message.input_image.image_url"] },
    why: "It belongs to items that are stored.",
  },
  "computer_call_output.output.image_url": {
    asks: { include: ["computer_call_output.output.image_url"] },
    why: NO_SUCH,
  },
  "code_interpreter_call.outputs": { asks: { include: ["code_interpreter_call.outputs"] }, why: NO_SUCH },
  "reasoning.encrypted_content": {
    asks: { include: ["reasoning.encrypted_content"] },
    same: "What a provider wants back of its reasoning comes with the answer anyway.",
  },
  "message.output_text.logprobs": { asks: { include: ["message.output_text.logprobs"] } },
} satisfies Record<ResponseIncludable, Probe>

const ofReasoning = {
  effort: { asks: { reasoning: { effort: "low" } } },
  summary: { asks: { reasoning: { summary: "auto" } } },
  generate_summary: { asks: { reasoning: { generate_summary: "auto" } } },
  context: { asks: { reasoning: { context: "all_turns" } } },
  mode: { asks: { reasoning: { mode: "pro" } } },
} satisfies Record<keyof Reasoning, Probe>

const format = (more: JsonObject = {}) => ({
  text: { format: { type: "json_schema", name: "answer", schema, ...more } },
})

const ofText = {
  format: { asks: format() },
  verbosity: { asks: { text: { verbosity: "low" } } },
} satisfies Record<keyof ResponseTextConfig, Probe>

const formats = {
  text: { asks: { text: { format: { type: "text" } } }, same: DEFAULT },
  json_object: { asks: { text: { format: { type: "json_object" } } } },
  json_schema: { asks: format() },
  "json_schema.name": {
    asks: format(),
    without: format({ name: undefined }),
    why: "It names the schema for nobody but OpenAI, and no answer shows it.",
  },
  "json_schema.schema": {
    asks: format({ schema: { ...schema, description: "zq-words" } }),
    without: format(),
  },
  "json_schema.description": { asks: format({ description: "zq-words" }), without: format() },
  "json_schema.strict": {
    asks: format({ strict: true }),
    without: format(),
    same: { Gemini: "Answers follow the schema anyway.", Claude: "Answers follow the schema anyway." },
  },
} satisfies Record<
  | ResponseFormatTextConfig["type"]
  | `json_schema.${Exclude<keyof Extract<ResponseFormatTextConfig, { type: "json_schema" }> & string, "type">}`,
  Probe
>

const tier = (service_tier: string): Probe => ({ asks: { service_tier } })

const tiers = {
  auto: { ...tier("auto"), same: { Gemini: DEFAULT } },
  default: { ...tier("default"), same: { Gemini: DEFAULT } },
  flex: tier("flex"),
  scale: tier("scale"),
  priority: tier("priority"),
  fast: tier("fast"),
  ultrafast: tier("ultrafast"),
} satisfies Record<NonNullable<ServiceTier>, Probe>

const effort = (asked: string): Probe => ({ asks: { reasoning: { effort: asked } } })

const efforts = {
  none: { ...effort("none"), same: { Claude: DEFAULT, "gemini-2.0-flash": DEFAULT } },
  minimal: effort("minimal"),
  low: effort("low"),
  medium: effort("medium"),
  high: effort("high"),
  xhigh: effort("xhigh"),
  max: effort("max"),
} satisfies Record<NonNullable<ReasoningEffort>, Probe>

const verbosities = {
  low: { asks: { text: { verbosity: "low" } } },
  medium: { asks: { text: { verbosity: "medium" } } },
  high: { asks: { text: { verbosity: "high" } } },
} satisfies Record<NonNullable<ResponseTextConfig["verbosity"]>, Probe>

const truncations = {
  auto: { asks: { truncation: "auto" } },
  disabled: { asks: { truncation: "disabled" }, same: CHAT_ENDS(DEFAULT) },
} satisfies Record<NonNullable<ResponseCreateParamsBase["truncation"]>, Probe>

const roles = {
  user: { asks: said("zq-words") },
  assistant: item({ role: "assistant", content: "zq-words" }),
  system: item({ role: "system", content: "zq-words" }),
  developer: item({ role: "developer", content: "zq-words" }),
} satisfies Record<EasyInputMessage["role"], Probe>

const thought = (more: JsonObject) => ({ type: "reasoning", id: "rs_1", summary: [], ...more })
const turn = (more: JsonObject, less?: JsonObject): Probe => ({
  asks: items(thought(more), { ...answer, id: undefined }, user),
  without: items(...(less === undefined ? [] : [thought(less)]), { ...answer, id: undefined }, user),
})
const SHOWN =
  "Another vendor's, of an earlier turn: who signs or encrypts what it thought takes nothing else back."

type Item = NonNullable<Exclude<ResponseInputItem, { type?: "item_reference" | null }>["type"]>

const drawn = (more: JsonObject = {}) => ({
  type: "image_generation_call",
  status: "completed",
  result: PNG,
  ...more,
})
const ofImage = (more: JsonObject): Probe => ({
  asks: items(drawn(more), user),
  without: items(drawn(), user),
})
const SEEN = { Gemini: "The image shows it." }

const other = (type: string, more: JsonObject = {}) => item({ type, id: "x_1", ...more })

const itemKinds = {
  message: item({ type: "message", role: "user", content: "zq-words" }),
  function_call: item(call({ arguments: '{"zq-key":1}' }), output()),
  function_call_output: item(call(), output({ output: "zq-words" })),
  custom_tool_call: item(customCall(), customOutput),
  custom_tool_call_output: item(customCall(), { ...customOutput, output: "zq-words" }),
  reasoning: { ...turn({ encrypted_content: "zq-data" }), why: OWN },
  item_reference: item({ type: "item_reference", id: "msg_1" }),
  additional_tools: other("additional_tools", { role: "developer", tools: [] }),
  apply_patch_call: other("apply_patch_call"),
  apply_patch_call_output: other("apply_patch_call_output"),
  code_interpreter_call: other("code_interpreter_call"),
  compaction: other("compaction", { encrypted_content: "e" }),
  compaction_trigger: other("compaction_trigger"),
  computer_call: other("computer_call"),
  computer_call_output: other("computer_call_output"),
  configuration_update: other("configuration_update"),
  file_search_call: other("file_search_call"),
  image_generation_call: item(drawn(), user),
  local_shell_call: other("local_shell_call"),
  local_shell_call_output: other("local_shell_call_output"),
  mcp_approval_request: other("mcp_approval_request"),
  mcp_approval_response: other("mcp_approval_response"),
  mcp_call: other("mcp_call"),
  mcp_list_tools: other("mcp_list_tools"),
  program: other("program"),
  program_output: other("program_output"),
  shell_call: other("shell_call"),
  shell_call_output: other("shell_call_output"),
  tool_search_call: other("tool_search_call"),
  tool_search_output: other("tool_search_output"),
  web_search_call: other("web_search_call"),
} satisfies Record<Item | "item_reference", Probe>

type Fields<
  Kind extends string,
  Of,
  Known extends string = "type",
> = `${Kind}.${Exclude<(Of extends unknown ? keyof Of : never) & string, Known>}`

const ofItems = {
  "message.role": item({ role: "system", content: "zq-words" }),
  "message.content": item({ role: "user", content: "zq-words" }),
  "message.id": {
    asks: items(answer, user),
    without: items({ ...answer, id: undefined }, user),
    why: ID,
  },
  "message.status": {
    asks: items(answer, user),
    without: items({ ...answer, status: undefined }, user),
    same: CHAT_ENDS(STATUS),
  },
  "message.phase": {
    asks: items({ ...answer, phase: "commentary" }, user),
    without: items(answer, user),
    why: "Whether earlier words were the last of their turn; the words arrive.",
  },
  "reasoning.id": { ...turn({ id: "rs_2", encrypted_content: "zq-data" }), why: OWN },
  "reasoning.summary": {
    ...turn({ summary: [{ type: "summary_text", text: "zq-thought" }] }),
    why: SHOWN,
  },
  "reasoning.content": {
    ...turn({ content: [{ type: "reasoning_text", text: "zq-thought" }] }),
    why: SHOWN,
  },
  "reasoning.encrypted_content": { ...turn({ encrypted_content: "zq-data" }), why: OWN },
  "reasoning.status": {
    ...turn({ encrypted_content: "e", status: "completed" }, { encrypted_content: "e" }),
    same: CHAT_ENDS(STATUS),
  },
  "function_call.arguments": ofCall({ arguments: '{"zq-key":1}' }),
  "function_call.call_id": {
    asks: items(call({ call_id: "call_2" }), output({ call_id: "call_2" })),
    without: items(call(), output()),
  },
  "function_call.name": ofCall({ name: "zq-name" }),
  "function_call.namespace": ofCall({ namespace: "zq-namespace" }),
  "function_call.id": { ...ofCall({ id: "fc_1" }), why: ID },
  "function_call.status": { ...ofCall({ status: "completed" }), same: CHAT_ENDS(STATUS) },
  "function_call.async": ofCall({ async: true }),
  "function_call.caller": { ...ofCall({ caller: { type: "direct" } }), same: CHAT_ENDS(DEFAULT) },
  "function_call_output.call_id": {
    asks: items(call({ call_id: "call_2" }), output({ call_id: "call_2" })),
    without: items(call(), output()),
  },
  "function_call_output.output": ofOutput({ output: [{ type: "input_text", text: "zq-words" }] }),
  "function_call_output.id": { ...ofOutput({ id: "fco_1" }), why: ID },
  "function_call_output.status": { ...ofOutput({ status: "completed" }), same: CHAT_ENDS(STATUS) },
  "function_call_output.caller": { ...ofOutput({ caller: { type: "direct" } }), same: CHAT_ENDS(DEFAULT) },
  "function_call_output.name": { ...ofOutput({ name: "f" }), same: CHAT_ENDS("Its call has it.") },
  "function_call_output.namespace": { ...ofOutput({ namespace: "n" }), same: CHAT_ENDS("Its call has it.") },
  "custom_tool_call_output.call_id": item(customCall(), customOutput),
  "custom_tool_call_output.output": ofCustomOutput({ output: "zq-words" }),
  "custom_tool_call_output.id": { ...ofCustomOutput({ id: "ctco_1" }), why: ID },
  "custom_tool_call_output.caller": {
    ...ofCustomOutput({ caller: { type: "direct" } }),
    same: { "OpenAI, chat": DEFAULT, "OpenAI-compatible": DEFAULT },
  },
  "custom_tool_call.call_id": item(customCall(), customOutput),
  "custom_tool_call.input": item(customCall(), customOutput),
  "custom_tool_call.name": item(customCall({ name: "zq-name" }), customOutput),
  "custom_tool_call.namespace": item(customCall({ namespace: "zq-namespace" }), customOutput),
  "custom_tool_call.id": { ...ofCustom({ id: "ctc_1" }), why: ID },
  "custom_tool_call.async": ofCustom({ async: true }),
  "custom_tool_call.caller": {
    ...ofCustom({ caller: { type: "direct" } }),
    same: { "OpenAI, chat": DEFAULT, "OpenAI-compatible": DEFAULT },
  },
  "image_generation_call.result": { asks: items(drawn(), user), without: items(user) },
  "image_generation_call.output_format": ofImage({ output_format: "webp" }),
  "image_generation_call.id": { ...ofImage({ id: "ig_1" }), why: "An id of what nobody keeps." },
  "image_generation_call.status": {
    asks: items(drawn(), user),
    without: items(drawn({ status: undefined }), user),
    same: { Gemini: STATUS },
  },
  "image_generation_call.action": { ...ofImage({ action: "generate" }), same: SEEN },
  "image_generation_call.background": { ...ofImage({ background: "opaque" }), same: SEEN },
  "image_generation_call.quality": { ...ofImage({ quality: "low" }), same: SEEN },
  "image_generation_call.size": { ...ofImage({ size: "1024x1024" }), same: SEEN },
  "image_generation_call.svg_usage": {
    ...ofImage({ svg_usage: { input_tokens: 1, model: "m", output_tokens: 1 } }),
    same: { Gemini: "It counts what an earlier answer took." },
  },
  "image_generation_call.revised_prompt": {
    ...ofImage({ revised_prompt: "zq-words" }),
    why: "What an earlier answer was asked for; the image arrives.",
  },
  "image_generation_call.error": ofImage({
    error: { code: "moderation_blocked", message: "m", param: null, type: "t" },
  }),
} satisfies Record<
  | Fields<"image_generation_call", ResponseInputItem.ImageGenerationCall>
  | Fields<"message", EasyInputMessage | ResponseInputItem.Message | ResponseOutputMessage>
  | Fields<"reasoning", ResponseReasoningItem>
  | Fields<"function_call", ResponseFunctionToolCall>
  | Fields<"function_call_output", ResponseInputItem.FunctionCallOutput>
  | Fields<"custom_tool_call", ResponseCustomToolCall>
  | Fields<"custom_tool_call_output", ResponseCustomToolCallOutput>,
  Probe
>

const pdf = "data:application/pdf;base64,JVBERi0="
const image = (more: JsonObject = {}) => ({
  type: "input_image",
  image_url: `data:image/png;base64,${PNG}`,
  ...more,
})
const file = (more: JsonObject = {}) => ({ type: "input_file", file_data: pdf, ...more })
const mark = { prompt_cache_breakpoint: { mode: "explicit" } }
const wrote = (own: JsonObject): JsonObject => items({ ...answer, content: [own] }, user)
const words = { type: "output_text", text: "Ho", annotations: [] }

const parts = {
  "input_text.text": part({ type: "input_text", text: "zq-words" }),
  "input_text.prompt_cache_breakpoint": { ...part({ ...text, ...mark }, text), why: HINT },
  "input_image.image_url": part(image()),
  "input_image.detail": part(image({ detail: "high" }), image()),
  "input_image.file_id": part({ type: "input_image", file_id: "file_1" }),
  "input_image.prompt_cache_breakpoint": { ...part(image(mark), image()), why: HINT },
  "input_file.file_data": part(file()),
  "input_file.file_id": part({ type: "input_file", file_id: "file_1" }),
  "input_file.file_url": part({ type: "input_file", file_url: "https://example.test/a.pdf" }),
  "input_file.filename": part(file({ filename: "zq-name.pdf" }), file()),
  "input_file.detail": part(file({ detail: "high" }), file()),
  "input_file.prompt_cache_breakpoint": { ...part(file(mark), file()), why: HINT },
  "output_text.text": { asks: wrote({ ...words, text: "zq-words" }), without: items(answer, user) },
  "output_text.annotations": {
    asks: wrote({
      ...words,
      annotations: [
        { type: "url_citation", url: "https://example.test", title: "t", start_index: 0, end_index: 1 },
      ],
    }),
    without: wrote(words),
    why: "Where an earlier answer found what it says; the words arrive.",
  },
  "output_text.logprobs": {
    asks: wrote({ ...words, logprobs: [{ token: "Ho", logprob: -1, bytes: [], top_logprobs: [] }] }),
    without: wrote(words),
    why: "How sure an earlier answer was; models are told its words.",
  },
  "refusal.refusal": { asks: wrote({ type: "refusal", refusal: "zq-words" }), without: items(answer, user) },
} satisfies Record<
  | Fields<"input_text", ResponseInputText>
  | Fields<"input_image", ResponseInputImage>
  | Fields<"input_file", ResponseInputFile>
  | Fields<"output_text", ResponseOutputText>
  | Fields<"refusal", ResponseOutputRefusal>,
  Probe
>

const inOutputs = {
  input_text: ofOutput({ output: [{ type: "input_text", text: "zq-words" }] }),
  input_image: ofOutput({ output: [image()] }),
  input_file: ofOutput({ output: [file()] }),
} satisfies Record<
  Extract<
    Extract<ResponseInputItem.FunctionCallOutput["output"], ReadonlyArray<unknown>>[number],
    object
  >["type"],
  Probe
>

const toolKinds = {
  function: { asks: tools(f()) },
  custom: { asks: tools(g()) },
  namespace: { asks: tools({ type: "namespace", name: "zq-space", description: "zq-words", tools: [f()] }) },
  apply_patch: { asks: tools({ type: "apply_patch" }) },
  code_interpreter: { asks: tools({ type: "code_interpreter", container: { type: "auto" } }) },
  computer: { asks: tools({ type: "computer" }) },
  computer_use_preview: {
    asks: tools({ type: "computer_use_preview", display_width: 1, display_height: 1, environment: "linux" }),
  },
  file_search: { asks: tools({ type: "file_search", vector_store_ids: ["vs_1"] }) },
  image_generation: { asks: tools({ type: "image_generation" }) },
  local_shell: { asks: tools({ type: "local_shell" }) },
  mcp: { asks: tools({ type: "mcp", server_label: "x", server_url: "https://example.test" }) },
  programmatic_tool_calling: { asks: tools({ type: "programmatic_tool_calling" }) },
  shell: { asks: tools({ type: "shell" }) },
  tool_search: { asks: tools({ type: "tool_search" }) },
  web_search: { asks: tools({ type: "web_search" }) },
  "web_search beside other tools": { asks: tools({ type: "web_search" }, f()), without: tools(f()) },
  web_search_2025_08_26: { asks: tools({ type: "web_search_2025_08_26" }) },
  web_search_preview: { asks: tools({ type: "web_search_preview" }) },
  web_search_preview_2025_03_11: { asks: tools({ type: "web_search_preview_2025_03_11" }) },
} satisfies Record<Tool["type"] | "web_search beside other tools", Probe>

const ofTools = {
  "function.name": tool({ name: "zq-name" }),
  "function.description": tool({ description: "zq-words" }),
  "function.parameters": tool({ parameters: { ...schema, description: "zq-words" } }),
  "function.strict": {
    asks: tools(f({ parameters: schema, strict: true })),
    without: tools(f({ parameters: schema })),
  },
  "function.async": tool({ async: true }),
  "function.allowed_callers": tool({ allowed_callers: ["programmatic"] }),
  "function.defer_loading": tool({ defer_loading: true }),
  "function.output_schema": tool({ output_schema: { ...schema, description: "zq-words" } }),
  "custom.name": { asks: tools(g({ name: "zq-name" })) },
  "custom.description": { asks: tools(g({ description: "zq-words" })) },
  "custom.format": {
    asks: tools(g({ format: { type: "grammar", syntax: "lark", definition: "zq-grammar" } })),
  },
  "custom.async": { asks: tools(g({ async: true })), without: tools(g()) },
  "custom.allowed_callers": { asks: tools(g({ allowed_callers: ["programmatic"] })), without: tools(g()) },
  "custom.defer_loading": { asks: tools(g({ defer_loading: true })), without: tools(g()) },
  "namespace.name": { asks: tools({ type: "namespace", name: "zq-space", tools: [f()] }) },
  "namespace.tools": {
    asks: tools({ type: "namespace", name: "n", tools: [f({ description: "zq-words" })] }),
  },
  "namespace.description": {
    asks: tools({ type: "namespace", name: "n", description: "zq-words", tools: [f()] }),
    without: tools({ type: "namespace", name: "n", tools: [f()] }),
  },
} satisfies Record<
  Fields<"function", FunctionTool> | Fields<"custom", CustomTool> | Fields<"namespace", NamespaceTool>,
  Probe
>

type Choice = NonNullable<ResponseCreateParamsBase["tool_choice"]>
type ChoiceKind = Extract<Choice, string> | Extract<Choice, object>["type"]

const of = (type: string) => ({ asks: { ...tools(f()), tool_choice: { type } }, without: tools(f()) })

const choices = {
  auto: { ...choice("auto"), same: { Gemini: DEFAULT, Claude: DEFAULT } },
  none: choice("none"),
  required: choice("required"),
  function: choice({ type: "function", name: "f" }),
  custom: { asks: { ...tools(g()), tool_choice: { type: "custom", name: "f" } } },
  allowed_tools: choice({
    type: "allowed_tools",
    mode: "required",
    tools: [{ type: "function", name: "f" }],
  }),
  apply_patch: of("apply_patch"),
  code_interpreter: of("code_interpreter"),
  computer: of("computer"),
  computer_use: of("computer_use"),
  computer_use_preview: of("computer_use_preview"),
  file_search: of("file_search"),
  image_generation: of("image_generation"),
  mcp: of("mcp"),
  programmatic_tool_calling: of("programmatic_tool_calling"),
  shell: of("shell"),
  web_search_preview: of("web_search_preview"),
  web_search_preview_2025_03_11: of("web_search_preview_2025_03_11"),
} satisfies Record<ChoiceKind, Probe>

const FOREIGN = "Another vendor's, of an earlier turn: it goes back to its maker alone."

const ours = {
  "`extra_content` of `image_generation_call`": {
    ...ofImage({ extra_content: { google: { thought_signature: "zq-signature" } } }),
    why: FOREIGN,
  },
  "`extra_content` of `function_call`": {
    ...ofCall({ extra_content: { google: { thought_signature: "zq-signature" } } }),
    why: FOREIGN,
  },
  "a field that nobody knows": { asks: { zq_field: 1 } },
} satisfies Record<string, Probe>

export const responses: Readonly<Record<string, Readonly<Record<string, Probe>>>> = {
  Fields: fields,
  "`include`": includes,
  "`reasoning`": ofReasoning,
  "`text`": ofText,
  "`text.format`": formats,
  "Values of `service_tier`": tiers,
  "Values of `reasoning.effort`": efforts,
  "Values of `text.verbosity`": verbosities,
  "Values of `truncation`": truncations,
  "Messages, by `role`": roles,
  Items: itemKinds,
  "Fields of items": ofItems,
  "Parts and their fields": parts,
  "Parts of outputs": inOutputs,
  "Kinds of tools": toolKinds,
  "Fields of tools": ofTools,
  "`tool_choice`": choices,
  "What this gateway hands out, and anything else": ours,
}
