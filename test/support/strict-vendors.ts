import type { PresetName } from "../../src/catalog/vendors.ts"

/** What vendors that check the turns of the assistant answer, by the types of their SDKs and as users report it. */

interface Turn {
  readonly role: string
  readonly content?: unknown
  readonly tool_calls?: unknown
  readonly [field: string]: unknown
}

type Check = (turn: Turn, at: number) => string | object | undefined

/** Fields that are none of these, of the turn and of its calls. */
const othersThan = (turn: Turn, fields: ReadonlyArray<string>, ofCalls: ReadonlyArray<string>) => [
  ...Object.keys(turn).filter((field) => !["role", "content", "tool_calls", ...fields].includes(field)),
  ...listOf(turn.tool_calls).flatMap((call) => Object.keys(call).filter((field) => !ofCalls.includes(field))),
]

const listOf = (value: unknown): ReadonlyArray<object> => (Array.isArray(value) ? value : [])

const typesIn = (content: unknown): ReadonlyArray<unknown> =>
  listOf(content).map((part) => (part as { readonly type?: unknown }).type)

const CALL = ["id", "type", "function"]

const insists =
  (says: (at: number) => string): Check =>
  ({ reasoning_content: own, tool_calls: calls }, at) =>
    // DeepSeek V4 Pro takes no empty text either.
    listOf(calls).length > 0 && (own === undefined || own === "") ? says(at) : undefined

const noOtherParts: Check = ({ content }, at) => {
  const other = typesIn(content).find((type) => type !== "text")
  return other === undefined
    ? undefined
    : `Failed to deserialize the JSON body into the target type: messages[${at}]: unknown variant \`${other}\`, expected \`text\``
}

const checks: Partial<Record<PresetName | "openai", ReadonlyArray<Check>>> = {
  // groq-sdk 1.6.0; janhq/jan#8136
  groq: [
    (turn, at) => {
      const [other] = othersThan(turn, ["function_call", "name", "reasoning"], CALL)
      return (
        other &&
        `'messages.${at}' : for 'role:assistant' the following must be satisfied[('messages.${at}' : property '${other}' is unsupported)]`
      )
    },
    noOtherParts,
  ],
  // @mistralai/mistralai 2.7.0; charmbracelet/crush#1590
  mistral: [
    (turn, at) => {
      const others = othersThan(turn, ["prefix"], [...CALL, "index"])
      const detail = others.map((field) => ({
        type: "extra_forbidden",
        loc: ["body", "messages", at, "assistant", field],
        msg: "Extra inputs are not permitted",
      }))
      return detail.length === 0
        ? undefined
        : { object: "error", message: { detail }, type: "invalid_request_error" }
    },
  ],
  // @cerebras/cerebras_cloud_sdk 1.91.0; Kilo-Org/kilocode#10375
  cerebras: [
    (turn, at) => {
      const [other] = othersThan(turn, ["name", "reasoning"], [...CALL, "index"])
      const path = `messages.${at}.assistant.${other}`
      return (
        other && {
          message: `${path}: property '${path}' is unsupported`,
          type: "invalid_request_error",
          param: "validation_error",
          code: "wrong_api_format",
        }
      )
    },
    noOtherParts,
  ],
  // api-docs.deepseek.com/guides/thinking_mode; NousResearch/hermes-agent#17341
  deepseek: [
    insists(() => "The `reasoning_content` in the thinking mode must be passed back to the API."),
    noOtherParts,
  ],
  // platform.kimi.ai/docs/guide/use-kimi-k2-thinking-model; anomalyco/opencode#10996
  moonshot: [
    insists(
      (at) =>
        `thinking is enabled but reasoning_content is missing in assistant tool call message at index ${at}`,
    ),
  ],
  // ollama's openai.go
  ollama: [
    ({ content }) =>
      typesIn(content).some((type) => type !== "text") ? "invalid message format" : undefined,
  ],
  openai: [
    (turn, at) => {
      const known = ["annotations", "audio", "function_call", "name", "refusal"]
      const [other] = othersThan(turn, known, [...CALL, "custom", "index"])
      return other && `Unknown parameter: 'messages[${at}].${other}'.`
    },
    ({ content }, at) => {
      const other = typesIn(content).find((type) => type !== "text" && type !== "refusal")
      return other === undefined
        ? undefined
        : {
            error: {
              message: `Invalid value: '${other}'. Supported values are: 'text' and 'refusal'.`,
              type: "invalid_request_error",
              param: `messages[${at}].content[0].type`,
              code: "invalid_value",
            },
          }
    },
  ],
}

export type StrictVendor = "cerebras" | "deepseek" | "groq" | "mistral" | "moonshot" | "ollama" | "openai"
export const strictVendors = Object.keys(checks) as ReadonlyArray<StrictVendor>

/** Returns the refusal of a request whose past turns a vendor does not take; undefined when it takes them. */
export const refusalOf = (
  vendor: StrictVendor,
  { messages }: { readonly messages: ReadonlyArray<Turn> },
): { readonly status: number; readonly body: object } | undefined => {
  for (const [at, turn] of messages.entries()) {
    if (turn.role !== "assistant") continue
    for (const check of checks[vendor] ?? []) {
      const said = check(turn, at)
      if (typeof said === "string") {
        return { status: 400, body: { error: { message: said, type: "invalid_request_error" } } }
      }
      if (said !== undefined) return { status: vendor === "mistral" ? 422 : 400, body: said }
    }
  }
  return undefined
}
