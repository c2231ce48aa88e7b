import type { Asked, Said, Tokens } from "./fake-upstream-wire.ts"

/**
 * Claude seen from Anthropic's side: good answers of every kind, whole and in events. Written apart from the gateway's own
 * translation, so that a mistake there is not mirrored.
 */

/** A block of an answer, as a whole message has it. */
export type ClaudeBlock =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly thinking: string; readonly signature: string }
  | { readonly type: "redacted_thinking"; readonly data: string }
  | { readonly type: "tool_use"; readonly id: string; readonly name: string; readonly input: object }

const stopReasons = { stop: "end_turn", length: "max_tokens", content_filter: "refusal" } as const

/** Claude's mark of a thought of its own, of the form that it has. */
export const CLAUDE_SIGNATURE =
  "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds6Dz9mWaE0pZkLtXV4pKd6bMqWfCOo1lk0kJqv2t7p9BNEx4pQ=="

/** Of a server of open models that speaks Messages too: sixteen bytes in hexadecimal, as vLLM signs. */
const OTHERS_SIGNATURE = "e0f1c2d3a4b5968778695a4b3c2d1e0f"

export const isClaude = (model: unknown): boolean => String(model).includes("claude")

const blocksOf = ({ model }: Asked, { thought, ...said }: Said): ReadonlyArray<ClaudeBlock> => {
  const signature = isClaude(model) ? CLAUDE_SIGNATURE : OTHERS_SIGNATURE
  return [
    ...(thought === undefined ? [] : [{ type: "thinking" as const, thinking: thought, signature }]),
    ...answerBlocks(said),
  ]
}

const answerBlocks = ({ text, toolCalls }: Said): ReadonlyArray<ClaudeBlock> => [
  ...(toolCalls.length > 0 && text === "" ? [] : [{ type: "text" as const, text }]),
  ...toolCalls.map(({ args, id, name }, index) => ({
    type: "tool_use" as const,
    id: id ?? `toolu_fake_${index}`,
    name,
    input: args,
  })),
]

const stopOf = ({ finish, toolCalls }: Said): string =>
  toolCalls.length > 0 ? "tool_use" : stopReasons[finish]

const usageOf = ({ cached = 0, input, output, reasoning, written = 0 }: Tokens) => ({
  input_tokens: input - cached - written,
  cache_creation_input_tokens: written,
  cache_read_input_tokens: cached,
  cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
  output_tokens: output,
  ...(reasoning !== undefined && { output_tokens_details: { thinking_tokens: reasoning } }),
  service_tier: "standard",
})

/** A whole message with these blocks. */
export const claudeMessage = (
  asked: Pick<Asked, "model">,
  content: ReadonlyArray<ClaudeBlock>,
  stop_reason: string,
  usage: object = usageOf({ input: 10, output: 5 }),
) => ({
  id: "msg_fake",
  type: "message",
  role: "assistant",
  model: asked.model,
  content,
  stop_reason,
  stop_sequence: null,
  usage,
})

export const claudeAnswer = (asked: Asked, said: Said): unknown =>
  claudeMessage(asked, blocksOf(asked, said), stopOf(said), said.tokens === null ? {} : usageOf(said.tokens))

/** One event as the API frames it. */
export const claudeEvent = (json: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`

const deltasOf = (block: ClaudeBlock): ReadonlyArray<object> => {
  switch (block.type) {
    case "text":
      return pieces(block.text).map((text) => ({ type: "text_delta", text }))
    case "thinking":
      return [
        ...pieces(block.thinking).map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: block.signature },
      ]
    case "tool_use":
      // The first piece is always empty, and of a call without arguments the only one.
      return ["", ...(Object.keys(block.input).length === 0 ? [] : pieces(JSON.stringify(block.input)))].map(
        (partial_json) => ({ type: "input_json_delta", partial_json }),
      )
    default:
      return []
  }
}

const begun = (block: ClaudeBlock): object => {
  switch (block.type) {
    case "text":
      return { ...block, text: "" }
    case "thinking":
      return { ...block, thinking: "", signature: "" }
    case "tool_use":
      return { ...block, input: {} }
    default:
      return block
  }
}

/** What is known at the end only. */
const deltaUsageOf = (usage: object) =>
  Object.fromEntries(Object.entries(usage).filter(([name]) => name.startsWith("output_tokens")))

/** The same in events, to `message_stop`, with a ping on the way. */
export const claudeEvents = (message: ReturnType<typeof claudeMessage>): ReadonlyArray<string> => {
  const { content, stop_reason, usage, ...head } = message
  const counted = Object.keys(usage).length > 0
  return [
    claudeEvent({
      type: "message_start",
      message: {
        ...head,
        content: [],
        stop_reason: null,
        ...(counted && { usage: { ...usage, output_tokens: 1, output_tokens_details: null } }),
      },
    }),
    claudeEvent({ type: "ping" }),
    ...content.flatMap((block, index) => [
      claudeEvent({ type: "content_block_start", index, content_block: begun(block) }),
      ...deltasOf(block).map((delta) => claudeEvent({ type: "content_block_delta", index, delta })),
      claudeEvent({ type: "content_block_stop", index }),
    ]),
    claudeEvent({
      type: "message_delta",
      delta: { stop_reason, stop_sequence: null },
      ...(counted && { usage: deltaUsageOf(usage) }),
    }),
    claudeEvent({ type: "message_stop" }),
  ]
}

export const claudeStreamEvents = (asked: Asked, said: Said): ReadonlyArray<string> =>
  claudeEvents(
    claudeMessage(
      asked,
      blocksOf(asked, said),
      stopOf(said),
      said.tokens === null ? {} : usageOf(said.tokens),
    ),
  )

/** In pieces of four characters. */
const pieces = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const all: Array<string> = []
  for (let at = 0; at < characters.length; at += 4) all.push(characters.slice(at, at + 4).join(""))
  return all
}
