import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type {
  EasyInputMessage,
  ResponseCreateParams,
  ResponseFunctionCallOutputItem,
  ResponseInputContent,
  ResponseInputItem,
  ResponseOutputMessage,
  ResponseTextConfig,
  ServiceTier,
  Tool,
} from "openai/resources/responses/responses"
import type { ReasoningEffort } from "openai/resources/shared"
import { readRequest } from "../../../src/dialects/responses/request.ts"
import type { JsonObject } from "../../../src/platform/json.ts"
import type { TypeOf } from "../../support/value-of.ts"

/**
 * Every value that OpenAI's own package knows in a request for a response, and what becomes of it in chat: with a new one
 * there, this does not compile. OpenAI itself gets the client's own bytes.
 *
 * `said`: chat says it. `left out`: nothing of it is needed. `dropped`: named as left out. `OpenAI's`: candidates that do not
 * speak Responses are left out for it. `refused`: it needs what nobody keeps here.
 */
type Fate = "said" | "left out" | "dropped" | "OpenAI's" | "refused"

const fate = (body: JsonObject, without: JsonObject = {}): Fate => {
  const chat = (more: JsonObject) => readRequest({ input: "Hi", ...more })
  const read = chat(body)
  if (Result.isFailure(read)) return "refused"
  const { beyond, request } = read.success
  if (beyond?.refused !== undefined) return "OpenAI's"
  if (beyond !== undefined) return "dropped"
  const other = Result.getOrThrow(chat(without)).request
  return JSON.stringify(request) === JSON.stringify(other) ? "left out" : "said"
}

const become = <Value extends string>(
  what: string,
  fates: Readonly<Record<Value, Fate>>,
  bodyWith: (value: Value) => JsonObject,
  without?: JsonObject,
) =>
  describe(what, () => {
    it.each(Object.entries(fates))("%s", (value, expected) => {
      // Its keys are the values, which the type of `entries` does not say.
      assert.strictEqual(fate(bodyWith(value as Value), without), expected)
    })
  })

const user = { role: "user", content: "Hi" }
const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" }
const customCall = { type: "custom_tool_call", call_id: "call_1", name: "f", input: "1" }

type ItemType = TypeOf<ResponseInputItem>
const items: Partial<Record<ItemType, ReadonlyArray<JsonObject>>> = {
  message: [{ type: "message", ...user }],
  function_call: [call],
  custom_tool_call: [customCall],
  function_call_output: [call, { type: "function_call_output", call_id: "call_1", output: "1" }],
  custom_tool_call_output: [customCall, { type: "custom_tool_call_output", call_id: "call_1", output: "1" }],
  reasoning: [
    { type: "reasoning", summary: [{ type: "summary_text", text: "They greet." }] },
    { role: "assistant", content: "Hello" },
  ],
}

become<ItemType>(
  "an item",
  {
    message: "said",
    reasoning: "said",
    function_call: "said",
    function_call_output: "said",
    custom_tool_call: "said",
    custom_tool_call_output: "said",
    item_reference: "refused",
    additional_tools: "OpenAI's",
    apply_patch_call: "OpenAI's",
    apply_patch_call_output: "OpenAI's",
    code_interpreter_call: "OpenAI's",
    compaction: "OpenAI's",
    compaction_trigger: "OpenAI's",
    computer_call: "OpenAI's",
    computer_call_output: "OpenAI's",
    configuration_update: "OpenAI's",
    file_search_call: "OpenAI's",
    image_generation_call: "OpenAI's",
    local_shell_call: "OpenAI's",
    local_shell_call_output: "OpenAI's",
    mcp_approval_request: "OpenAI's",
    mcp_approval_response: "OpenAI's",
    mcp_call: "OpenAI's",
    mcp_list_tools: "OpenAI's",
    program: "OpenAI's",
    program_output: "OpenAI's",
    shell_call: "OpenAI's",
    shell_call_output: "OpenAI's",
    tool_search_call: "OpenAI's",
    tool_search_output: "OpenAI's",
    web_search_call: "OpenAI's",
  },
  (type) => ({ input: [user, ...(items[type] ?? [{ type, id: "item_1" }])] }),
  { input: [user] },
)

become<EasyInputMessage["role"] | ResponseInputItem.Message["role"] | ResponseOutputMessage["role"]>(
  "a role",
  { user: "said", assistant: "said", system: "said", developer: "said" },
  (role) => ({ input: [user, { role, content: "So" }] }),
  { input: [user] },
)

type PartType = TypeOf<
  ResponseInputContent | ResponseOutputMessage["content"][number] | ResponseFunctionCallOutputItem
>
const parts: Readonly<Record<PartType, JsonObject>> = {
  input_text: { text: "So" },
  output_text: { text: "So" },
  refusal: { refusal: "No." },
  input_image: { image_url: "data:image/png;base64,iVBORw0KGgo=" },
  input_file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0xLjEK" },
}
become<PartType>(
  "a part of a message",
  { input_text: "said", output_text: "said", refusal: "said", input_image: "said", input_file: "said" },
  (type) => ({ input: [{ role: "user", content: [{ type, ...parts[type] }] }] }),
  { input: [{ role: "user", content: [] }] },
)

const own: Tool = { type: "function", name: "f", parameters: null, strict: null }
type ToolType = TypeOf<Tool>
become<ToolType>(
  "a tool",
  {
    function: "said",
    custom: "said",
    namespace: "said",
    apply_patch: "OpenAI's",
    code_interpreter: "OpenAI's",
    computer: "OpenAI's",
    computer_use_preview: "OpenAI's",
    file_search: "OpenAI's",
    image_generation: "OpenAI's",
    local_shell: "OpenAI's",
    mcp: "OpenAI's",
    programmatic_tool_calling: "OpenAI's",
    shell: "OpenAI's",
    tool_search: "OpenAI's",
    web_search: "OpenAI's",
    web_search_2025_08_26: "OpenAI's",
    web_search_preview: "OpenAI's",
    web_search_preview_2025_03_11: "OpenAI's",
  },
  (type) => ({ tools: [{ type, name: "g", ...(type === "namespace" && { tools: [own] }) }] }),
)

become<Extract<ToolType, `web_search${string}`>>(
  "a search beside tools of the client's own",
  {
    web_search: "dropped",
    web_search_2025_08_26: "dropped",
    web_search_preview: "dropped",
    web_search_preview_2025_03_11: "dropped",
  },
  (type) => ({ tools: [own, { type }] }),
)

type Choice = NonNullable<ResponseCreateParams["tool_choice"]>
type ChoiceWord = Extract<Choice, string> | TypeOf<Choice>
const choices: Partial<Record<ChoiceWord, unknown>> = {
  none: "none",
  auto: "auto",
  required: "required",
  allowed_tools: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] },
}
become<ChoiceWord>(
  "a choice of tools",
  {
    none: "said",
    auto: "said",
    required: "said",
    function: "said",
    custom: "said",
    allowed_tools: "said",
    apply_patch: "OpenAI's",
    code_interpreter: "OpenAI's",
    computer: "OpenAI's",
    computer_use: "OpenAI's",
    computer_use_preview: "OpenAI's",
    file_search: "OpenAI's",
    image_generation: "OpenAI's",
    mcp: "OpenAI's",
    programmatic_tool_calling: "OpenAI's",
    shell: "OpenAI's",
    web_search_preview: "OpenAI's",
    web_search_preview_2025_03_11: "OpenAI's",
  },
  (word) => ({ tools: [own], tool_choice: choices[word] ?? { type: word, name: "f" } }),
  { tools: [own] },
)

become<NonNullable<ServiceTier>>(
  "a service tier",
  {
    auto: "said",
    default: "said",
    flex: "said",
    scale: "said",
    priority: "said",
    fast: "said",
    ultrafast: "said",
  },
  (service_tier) => ({ service_tier }),
)

become<NonNullable<ReasoningEffort>>(
  "an effort",
  { none: "said", minimal: "said", low: "said", medium: "said", high: "said", xhigh: "said", max: "said" },
  (effort) => ({ reasoning: { effort } }),
)

become<NonNullable<ResponseTextConfig["verbosity"]>>(
  "a verbosity",
  { low: "said", medium: "said", high: "said" },
  (verbosity) => ({ text: { verbosity } }),
)

become<TypeOf<NonNullable<ResponseTextConfig["format"]>>>(
  "a format",
  { text: "left out", json_schema: "said", json_object: "said" },
  (type) => ({ text: { format: { type, name: "n", schema: {} } } }),
)

become<NonNullable<ResponseCreateParams["truncation"]>>(
  "a truncation",
  { auto: "dropped", disabled: "left out" },
  (truncation) => ({ truncation }),
)

/** What an answer is asked to have besides: reasoning that OpenAI encrypted is in it anyway, and of its own tools there are none. */
become<NonNullable<ResponseCreateParams["include"]>[number]>(
  "an addition",
  {
    "message.output_text.logprobs": "said",
    "reasoning.encrypted_content": "left out",
    "code_interpreter_call.outputs": "left out",
    "computer_call_output.output.image_url": "left out",
    "file_search_call.results": "left out",
    "message.input_image.image_url": "left out",
    "web_search_call.action.sources": "left out",
    "web_search_call.results": "left out",
  },
  (each) => ({ include: [each] }),
)
