/**
 * What a body of OpenAI's chat completions or Responses may hold: a history out of order, ids that are too long and fields that
 * nobody knows are answered 400, and so does the fake. Servers that imitate OpenAI take any field; a conversation out of
 * order they refuse too, and Mistral's models an id that is not of theirs.
 */

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const objects = (value: unknown): ReadonlyArray<Json> => (Array.isArray(value) ? value.filter(isObject) : [])

export const isOpenAi = (model: unknown): boolean => /^(ft:)?(gpt-|o\d)/.test(String(model))

const first = <A>(items: ReadonlyArray<A>, check: (item: A, index: number) => string | undefined) => {
  for (const [index, item] of items.entries()) {
    const fault = check(item, index)
    if (fault !== undefined) return fault
  }
  return undefined
}

const unknownField = (object: Json, path: string, known: ReadonlyArray<string>): string | undefined => {
  const field = Object.keys(object).find((name) => !known.includes(name))
  return field === undefined ? undefined : `Unknown parameter: '${path}.${field}'.`
}

const tooLong = (path: string, id: unknown, max: number): string | undefined =>
  String(id).length > max
    ? `Invalid '${path}': string too long. Expected a string with maximum length ${max}, but got a string with length ${String(id).length} instead.`
    : undefined

// --- chat completions

/** Returns why the API would refuse this body of `/chat/completions`, in its words; undefined when it would not. */
export const chatRequestFault = (json: unknown): string | undefined => {
  if (!isObject(json) || !Array.isArray(json.messages)) return undefined
  const messages = objects(json.messages)
  const strict = isOpenAi(json.model)
  return first(
    messages,
    (message, index) =>
      orderFault(messages, message, index) ??
      idFault(json.model, message, `messages[${index}]`) ??
      (strict ? messageFault(message, `messages[${index}]`) : undefined),
  )
}

const callsOf = (message: Json | undefined): ReadonlyArray<Json> => objects(message?.tool_calls)

const orderFault = (messages: ReadonlyArray<Json>, message: Json, index: number): string | undefined => {
  if (message.role === "tool") {
    const before = messages.slice(0, index).findLast(({ role }) => role !== "tool")
    return callsOf(before).some(({ id }) => id === message.tool_call_id)
      ? undefined
      : "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
  }
  const calls = callsOf(message)
  if (calls.length === 0) return undefined
  const after = messages.slice(index + 1)
  const end = after.findIndex(({ role }) => role !== "tool")
  const answered = (end < 0 ? after : after.slice(0, end)).map(({ tool_call_id }) => tool_call_id)
  const open = calls.filter(({ id }) => !answered.includes(id)).map(({ id }) => id)
  return open.length > 0
    ? `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${open}`
    : undefined
}

const idFault = (model: unknown, message: Json, path: string): string | undefined => {
  const ids = [
    ...callsOf(message).map(({ id }, nth) => [`${path}.tool_calls[${nth}].id`, id] as const),
    ...(message.tool_call_id === undefined ? [] : [[`${path}.tool_call_id`, message.tool_call_id] as const]),
  ]
  return first(ids, ([at, id]) => {
    if (isOpenAi(model)) return tooLong(at, id, 40)
    return /stral/.test(String(model)) && !/^[a-zA-Z0-9]{9}$/.test(String(id))
      ? `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`
      : undefined
  })
}

const MESSAGE_FIELDS: Readonly<Record<string, ReadonlyArray<string>>> = {
  system: ["content", "name"],
  developer: ["content", "name"],
  user: ["content", "name"],
  tool: ["content", "tool_call_id", "name"],
  assistant: ["content", "name", "refusal", "audio", "annotations", "function_call", "tool_calls"],
}

const PARTS: Readonly<Record<string, ReadonlyArray<string>>> = {
  user: ["text", "image_url", "input_audio", "file"],
  assistant: ["text", "refusal"],
}

const messageFault = (message: Json, path: string): string | undefined => {
  const role = String(message.role)
  const fault =
    unknownField(message, path, ["role", ...(MESSAGE_FIELDS[role] ?? [])]) ??
    first(objects(message.content), ({ type, ...fields }, nth) => {
      const at = `${path}.content[${nth}]`
      return (PARTS[role] ?? ["text"]).includes(String(type))
        ? unknownField(fields, at, [String(type)])
        : `Invalid value: '${type}' in '${at}'. A message of the role '${role}' does not take it.`
    }) ??
    first(callsOf(message), (call, nth) =>
      unknownField(call, `${path}.tool_calls[${nth}]`, ["id", "type", String(call.type)]),
    )
  if (fault !== undefined) return fault
  const saysNothing = message.content == null && message.refusal == null && callsOf(message).length === 0
  if (saysNothing) return `Invalid value for 'content': expected a string, got null.`
  return Array.isArray(message.tool_calls) && message.tool_calls.length === 0
    ? `Invalid '${path}.tool_calls': empty array. Expected an array with minimum length 1.`
    : undefined
}

// --- Responses

/** Reasoning that this account's models encrypted, as a Fernet token. */
export const ENCRYPTED_REASONING = "gAAAAABoZW5jcnlwdGVk"

/** Returns why the API would refuse this body of `/responses`, in its words; undefined when it would not. */
export const responsesRequestFault = (json: unknown): string | undefined => {
  if (!isObject(json) || !Array.isArray(json.input)) return undefined
  const items = objects(json.input)
  return first(
    items,
    (item, index) =>
      (isOpenAi(json.model) ? itemFault(item, `input[${index}]`) : undefined) ??
      itemOrderFault(items, item, index),
  )
}

interface ItemForm {
  /** With which an id of such an item begins. */
  readonly prefix: string
  readonly fields: ReadonlyArray<string>
}

const ITEMS: Readonly<Record<string, ItemForm>> = {
  message: { prefix: "msg", fields: ["role", "content", "phase"] },
  reasoning: { prefix: "rs", fields: ["summary", "content", "encrypted_content"] },
  function_call: { prefix: "fc", fields: ["call_id", "name", "namespace", "arguments"] },
  function_call_output: { prefix: "fc", fields: ["call_id", "output"] },
  custom_tool_call: { prefix: "ctc", fields: ["call_id", "name", "namespace", "input"] },
  custom_tool_call_output: { prefix: "ctc", fields: ["call_id", "output"] },
}

const itemFault = (item: Json, path: string): string | undefined => {
  const form = ITEMS[String(item.type ?? "message")]
  if (form === undefined) return undefined
  const { call_id, encrypted_content, id } = item
  if (id !== undefined && !String(id).startsWith(form.prefix)) {
    return `Invalid '${path}.id': '${id}'. Expected an ID that begins with '${form.prefix}'.`
  }
  const fault =
    unknownField(item, path, ["id", "type", "status", ...form.fields]) ??
    tooLong(`${path}.id`, id ?? "", 64) ??
    tooLong(`${path}.call_id`, call_id ?? "", 64)
  if (fault !== undefined || item.type !== "reasoning") return fault
  if (!Array.isArray(item.summary)) return `Missing required parameter: '${path}.summary'.`
  if (encrypted_content === undefined) {
    return `Item with id '${id}' not found. Items are not persisted when \`store\` is set to false.`
  }
  return encrypted_content === ENCRYPTED_REASONING
    ? undefined
    : `The encrypted content for item ${id} could not be verified. Reason: Encrypted content could not be decrypted or parsed.`
}

const itemOrderFault = (items: ReadonlyArray<Json>, item: Json, index: number): string | undefined => {
  const type = String(item.type)
  const same = (of: string) => (other: Json) => other.type === of && other.call_id === item.call_id
  if (type.endsWith("_call") && !items.slice(index).some(same(`${type}_output`))) {
    return `No tool output found for function call ${item.call_id}.`
  }
  if (type.endsWith("_output") && !items.slice(0, index).some(same(type.replace("_output", "")))) {
    return `No tool call found for function call output with call_id ${item.call_id}.`
  }
  const next = items[index + 1]
  const follows =
    next !== undefined && (next.role === "assistant" || /^(reasoning|\w+_call)$/.test(String(next.type)))
  return type === "reasoning" && !follows
    ? `Item '${item.id}' of type 'reasoning' was provided without its required following item.`
    : undefined
}
