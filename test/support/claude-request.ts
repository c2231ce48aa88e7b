/**
 * What a body of Claude's Messages API may hold: it answers 400 invalid_request_error to an unknown field or a conversation
 * out of order, and so does the fake. A request that passes here was not merely ignored.
 */

import { CLAUDE_SIGNATURE, isClaude } from "./fake-upstream-anthropic.ts"

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Returns why the API would refuse this body under these betas, in its words; undefined when it would not. */
export const claudeRequestFault = (json: unknown, betas = ""): string | undefined => {
  if (!isObject(json)) return "The request body is not valid JSON"
  // Servers of open models take any field.
  if (!isClaude(json.model)) return messagesFault(json, true)
  return (
    unknownField(
      json,
      "",
      betas.includes("context-management-") ? [...FIELDS, "context_management"] : FIELDS,
    ) ??
    (Number.isInteger(json.max_tokens) && Number(json.max_tokens) >= 0
      ? undefined
      : "max_tokens: Field required") ??
    samplingFault(json) ??
    (typeof json.system === "string"
      ? undefined
      : listOf(json.system ?? [], "system", (block, path) => blockFault(block, path, ["text"]))) ??
    messagesFault(json, betas.includes("mid-conversation-system-")) ??
    toolsFault(json) ??
    thinkingFault(json) ??
    stopFault(json.stop_sequences)
  )
}

/** The same of what is to be counted, which has no limit. */
export const claudeCountFault = (json: unknown, betas: string): string | undefined =>
  isObject(json) && json.max_tokens !== undefined
    ? "max_tokens: Extra inputs are not permitted"
    : claudeRequestFault(isObject(json) ? { ...json, max_tokens: 1 } : json, betas)

const FIELDS = [
  ...["model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "metadata"],
  ...[
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "service_tier",
    "cache_control",
  ],
]

const unknownField = (object: Json, path: string, known: ReadonlyArray<string>): string | undefined => {
  const field = Object.keys(object).find((name) => !known.includes(name))
  return field === undefined ? undefined : `${path}${field}: Extra inputs are not permitted`
}

const listOf = (
  list: unknown,
  path: string,
  check: (item: unknown, path: string, index: number) => string | undefined,
): string | undefined => {
  if (!Array.isArray(list)) return `${path}: Input should be a valid list`
  for (const [index, item] of list.entries()) {
    const fault = check(item, `${path}.${index}`, index)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Names of models that take no sampling settings, and always think. */
const isNew = (model: unknown): boolean => /^claude-[a-z]+-(4-[789]|5)/.test(String(model))
const isNewest = (model: unknown): boolean => /^claude-((opus|sonnet)-5-5|fable)/.test(String(model))
const isAdaptive = (model: unknown): boolean => isNew(model) || /^claude-[a-z]+-4-6/.test(String(model))

const samplingFault = ({ model, temperature, thinking, top_k, top_p }: Json): string | undefined => {
  const set = [temperature, top_p, top_k].some((each) => each !== undefined)
  if (set && isNew(model)) return "`temperature` is deprecated for this model."
  if (temperature !== undefined && top_p !== undefined) {
    return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
  }
  const thinks = isObject(thinking) && ["enabled", "adaptive"].includes(String(thinking.type))
  if (set && thinks) return "`temperature` may only be set to 1 when thinking is enabled."
  return Number(temperature ?? 0) > 1 || Number(temperature ?? 0) < 0 ? "temperature: range: 0..1" : undefined
}

const BLOCK_FIELDS: Readonly<Record<string, ReadonlyArray<string>>> = {
  text: ["text", "citations"],
  image: ["source"],
  document: ["source", "title", "context", "citations"],
  thinking: ["thinking", "signature"],
  redacted_thinking: ["data"],
  tool_use: ["id", "name", "input"],
  tool_result: ["tool_use_id", "content", "is_error"],
}

/** Of Claude's too, where a test reads better with it. */
const SHORT_SIGNATURE = "c2ln"

const ID = /^[a-zA-Z0-9_-]+$/

const blockFault = (
  block: unknown,
  path: string,
  types: ReadonlyArray<string>,
  isClaudes = true,
): string | undefined => {
  if (!isObject(block)) return `${path}: Input should be an object`
  const type = String(block.type)
  const known = BLOCK_FIELDS[type]
  if (known === undefined || !types.includes(type)) return `${path}: Input tag '${type}' is not expected here`
  const marks = type.endsWith("thinking") ? [] : ["cache_control"]
  const fault = unknownField(block, `${path}.`, ["type", ...known, ...marks])
  if (fault !== undefined || !isClaudes) return fault
  switch (type) {
    case "text":
      return /\S/.test(String(block.text ?? ""))
        ? undefined
        : `${path}: text content blocks must be non-empty`
    case "thinking":
      return [CLAUDE_SIGNATURE, SHORT_SIGNATURE].includes(String(block.signature))
        ? undefined
        : `${path}: Invalid \`signature\` in \`thinking\` block`
    case "tool_use":
      if (!ID.test(String(block.id))) return `${path}.id: String should match pattern '^[a-zA-Z0-9_-]+$'`
      if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(block.name)))
        return `${path}.name: String should match pattern`
      return isObject(block.input) ? undefined : `${path}.input: Input should be a valid dictionary`
    case "tool_result":
      return typeof block.content === "string" || block.content === undefined
        ? undefined
        : listOf(block.content, `${path}.content`, (inner, at) =>
            blockFault(inner, at, ["text", "image", "document"]),
          )
    default:
      return undefined
  }
}

const TYPES = {
  user: ["text", "image", "document", "tool_result"],
  assistant: ["text", "thinking", "redacted_thinking", "tool_use"],
} as const

const contentOf = (message: unknown): ReadonlyArray<Json> =>
  isObject(message) && Array.isArray(message.content) ? message.content.filter(isObject) : []

const messagesFault = ({ messages, model, tools }: Json, takesSystem: boolean): string | undefined => {
  if (!Array.isArray(messages) || messages.length === 0) return "messages: at least one message is required"
  const taken = new Set<unknown>()
  const fault = listOf(messages, "messages", (message, path, index) => {
    if (!isObject(message)) return `${path}: Input should be an object`
    const { content, role } = message
    if (takesSystem && role === "system" && index > 0) return undefined
    if (role !== "user" && role !== "assistant") return `${path}.role: Input should be 'user' or 'assistant'`
    if (index === 0 && role !== "user") return 'messages: first message must use the "user" role'
    if (!Array.isArray(content)) {
      return typeof content === "string" && content !== "" ? undefined : `${path}: content must be non-empty`
    }
    if (content.length === 0) return `${path}: all messages must have non-empty content`
    const wrong = listOf(content, `${path}.content`, (block, at) =>
      blockFault(block, at, TYPES[role], isClaude(model)),
    )
    if (wrong !== undefined) return wrong
    const before = contentOf(messages[index - 1])
    const called = before.filter(({ type }) => type === "tool_use").map(({ id }) => id)
    const answered = contentOf(message).filter(({ type }) => type === "tool_result")
    const open = called.filter((id) => !answered.some((result) => result.tool_use_id === id))
    if (open.length > 0) {
      return `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open}`
    }
    const stray = answered.find(({ tool_use_id }) => !called.includes(tool_use_id))
    if (stray !== undefined || answered.length > called.length) {
      return `${path}: unexpected \`tool_use_id\` found in \`tool_result\` blocks`
    }
    for (const { id, type } of contentOf(message)) {
      if (type === "tool_use" && taken.has(id) && isClaude(model))
        return `${path}: \`tool_use\` ids must be unique`
      if (type === "tool_use") taken.add(id)
    }
    const last = contentOf(message).at(-1)
    return isClaude(model) && role === "assistant" && String(last?.type).endsWith("thinking")
      ? `${path}: The final block in an assistant message cannot be \`thinking\`.`
      : undefined
  })
  if (fault !== undefined) return fault
  if (taken.size > 0 && tools === undefined) {
    return "Requests which include `tool_use` or `tool_result` blocks must define tools"
  }
  const last: unknown = messages.at(-1)
  return isObject(last) && last.role === "assistant" && isAdaptive(model)
    ? "This model does not support assistant message prefill."
    : undefined
}

const TOOL_FIELDS = [
  ...["type", "name", "description", "input_schema", "cache_control", "strict", "eager_input_streaming"],
  ...["input_examples", "defer_loading", "allowed_callers"],
]

const toolsFault = ({ model, tool_choice: choice, tools }: Json): string | undefined => {
  const wrong = listOf(tools ?? [], "tools", (tool, path) => {
    if (!isObject(tool)) return `${path}: Input should be an object`
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(tool.name))) return `${path}.name: String should match pattern`
    if (!isObject(tool.input_schema) || tool.input_schema.type !== "object") {
      return `${path}.input_schema.type: Field required`
    }
    if (tool.type !== undefined && tool.type !== "custom") return `${path}: Input tag is not expected here`
    return unknownField(tool, `${path}.`, TOOL_FIELDS)
  })
  if (wrong !== undefined) return wrong
  if (choice === undefined) return undefined
  if (!isObject(choice) || tools === undefined)
    return "tool_choice: may only be specified while providing tools."
  const known = { auto: [], none: [], any: [], tool: ["name"] }[String(choice.type)]
  if (known === undefined) return "tool_choice: Input tag is not expected"
  const orders = choice.type === "any" || choice.type === "tool"
  if (orders && isNewest(model)) {
    return 'tool_choice: type "tool" and "any" are not supported for this model.'
  }
  const parallel = choice.type === "none" ? [] : ["disable_parallel_tool_use"]
  return unknownField(choice, "tool_choice.", ["type", ...known, ...parallel])
}

const thinkingFault = ({
  context_management,
  max_tokens,
  messages,
  model,
  output_config,
  thinking,
  tool_choice,
}: Json): string | undefined => {
  const effort = isObject(output_config) ? output_config.effort : undefined
  if (isObject(output_config)) {
    const fault = unknownField(output_config, "output_config.", ["effort", "format"])
    if (fault !== undefined) return fault
    if (isObject(output_config.format) && isOpen(output_config.format.schema)) {
      return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    }
    if (effort !== undefined && !isAdaptive(model)) return "This model does not support the effort parameter."
  }
  const thinks = isObject(thinking) && thinking.type !== "disabled"
  if (!thinks && JSON.stringify(context_management)?.includes("clear_thinking")) {
    return "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive"
  }
  if (thinking === undefined) return undefined
  if (!isObject(thinking)) return "thinking: Input should be an object"
  const type = String(thinking.type)
  const takes = isNewest(model)
    ? String(model).startsWith("claude-sonnet")
      ? ["adaptive", "between_tools"]
      : ["adaptive"]
    : isNew(model)
      ? ["adaptive", "disabled"]
      : isAdaptive(model)
        ? ["adaptive", "enabled", "disabled"]
        : ["enabled", "disabled"]
  if (!takes.includes(type)) return `"thinking.type.${type}" is not supported for this model.`
  if (type === "disabled" && (effort === "xhigh" || effort === "max")) return "thinking: effort is too high"
  if (type !== "adaptive" && type !== "enabled") return unknownField(thinking, "thinking.", ["type"])
  const choice = isObject(tool_choice) ? tool_choice.type : undefined
  if (choice === "any" || choice === "tool")
    return "Thinking may not be enabled when tool_choice forces tool use."
  if (type === "adaptive") return unknownField(thinking, "thinking.", ["type", "display"])
  const budget = Number(thinking.budget_tokens)
  if (!(budget >= 1024))
    return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
  if (budget >= Number(max_tokens)) return "`max_tokens` must be greater than `thinking.budget_tokens`."
  const turns: ReadonlyArray<unknown> = Array.isArray(messages) ? messages : []
  const isLoop = contentOf(turns.at(-1))[0]?.type === "tool_result"
  const first = contentOf(turns.at(-2))[0]?.type
  return isLoop && !String(first).endsWith("thinking")
    ? `messages.${turns.length - 2}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`.`
    : undefined
}

/** Tells a schema of which an object, at any depth, may have other fields. */
const isOpen = (schema: unknown): boolean =>
  Array.isArray(schema)
    ? schema.some(isOpen)
    : isObject(schema) &&
      ((schema.type === "object" && schema.additionalProperties !== false) ||
        Object.values(schema).some(isOpen))

const stopFault = (sequences: unknown): string | undefined =>
  listOf(sequences ?? [], "stop_sequences", (each, path) =>
    typeof each === "string" && /\S/.test(each)
      ? undefined
      : `${path}: each stop sequence must contain non-whitespace`,
  )
