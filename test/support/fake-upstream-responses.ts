import { type Asked, field, type Said, type Tokens } from "./fake-upstream-wire.ts"
import { ENCRYPTED_REASONING, isOpenAi } from "./openai-request.ts"

/** OpenAI's Responses seen from OpenAI's side: whole answers and streams as its documentation shows them. */
export const responsesAnswer = (asked: Asked, said: Said): unknown => {
  const reason = said.finish === "length" ? "max_output_tokens" : said.finish
  return {
    ...base(asked),
    status: said.finish === "stop" ? "completed" : "incomplete",
    incomplete_details: said.finish === "stop" ? null : { reason },
    output: [...reasoningItems(asked, said), ...items(said)].map((item) => ({
      ...item,
      id: item.id + turnOf(asked),
    })),
    ...(said.tokens && { usage: usageOf(said.tokens) }),
  }
}

/** Reasoning, when it was asked for, and then each item: its beginning, its pieces of four characters, its end. */
export const responsesEvents = (asked: Asked, said: Said): ReadonlyArray<string> => {
  const whole = responsesAnswer(asked, said) as {
    readonly status: string
    readonly output: ReadonlyArray<Item>
  }
  const begun = { ...base(asked), status: "in_progress", output: [] }
  const events: Array<object> = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...whole.output.flatMap((item, output_index) => itemEvents(item, output_index)),
    { type: `response.${whole.status}`, response: whole },
  ]
  return events.map((event, sequence_number) => {
    const { type, ...rest } = event as { readonly type: string }
    return `event: ${type}\ndata: ${JSON.stringify({ type, ...rest, sequence_number })}\n\n`
  })
}

interface Item {
  readonly id: string
  readonly type: string
  readonly status?: string
  readonly role?: string
  readonly call_id?: string
  readonly name?: string
  readonly content?: ReadonlyArray<{ readonly text: string; readonly [field: string]: unknown }>
  readonly arguments?: string
  readonly summary?: ReadonlyArray<{ readonly text: string }>
}

const base = ({ json, model }: Asked) => ({
  id: "resp_fake",
  object: "response",
  created_at: 1_700_000_000,
  model,
  error: null,
  store: field(json, "store") ?? true,
  service_tier: "default",
})

/** Ends the ids of one turn, since OpenAI's are unique. */
const turnOf = ({ json }: Asked): string => {
  const input = field(json, "input")
  return Array.isArray(input) && input.length > 1 ? `_${input.length}` : ""
}

const wantsReasoning = ({ json }: Asked): boolean => {
  const include = field(json, "include")
  return Array.isArray(include) && include.includes("reasoning.encrypted_content")
}

/** OpenAI's is encrypted and there when it is wanted; servers of open models show what they have. */
const reasoningItems = (asked: Asked, { thought }: Said) => {
  const encrypts = isOpenAi(asked.model)
  const item = {
    id: "rs_fake",
    type: "reasoning",
    summary: thought === undefined ? [] : [{ type: "summary_text", text: thought }],
    ...(encrypts && { encrypted_content: ENCRYPTED_REASONING }),
  }
  return (encrypts ? wantsReasoning(asked) : thought !== undefined) ? [item] : []
}

const items = ({ text, toolCalls }: Said): ReadonlyArray<Item> => [
  ...(toolCalls.length > 0 && text === ""
    ? []
    : [
        {
          id: "msg_fake",
          type: "message",
          status: "completed",
          role: "assistant",
          content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
        },
      ]),
  ...toolCalls.map(({ args, id, name }, index) => ({
    id: `fc_fake_${index}`,
    type: "function_call",
    status: "completed",
    call_id: id ?? `call_fake_${index}`,
    name,
    arguments: JSON.stringify(args),
  })),
]

const itemEvents = (item: Item, output_index: number): ReadonlyArray<object> => {
  const at = { item_id: item.id, output_index }
  const text = item.content?.[0]?.text
  const part = { type: "output_text", annotations: [], logprobs: [] }
  return [
    {
      type: "response.output_item.added",
      output_index,
      item: {
        ...item,
        ...(text !== undefined && { content: [] }),
        ...(item.summary !== undefined && { summary: [] }),
        ...(item.arguments !== undefined && { arguments: "" }),
      },
    },
    ...(item.summary ?? []).flatMap((summary) => [
      {
        type: "response.reasoning_summary_part.added",
        ...at,
        summary_index: 0,
        part: { ...summary, text: "" },
      },
      ...pieces(summary.text).map((delta) => ({
        type: "response.reasoning_summary_text.delta",
        ...at,
        summary_index: 0,
        delta,
      })),
      { type: "response.reasoning_summary_text.done", ...at, summary_index: 0, text: summary.text },
      { type: "response.reasoning_summary_part.done", ...at, summary_index: 0, part: summary },
    ]),
    ...(text === undefined
      ? []
      : [
          { type: "response.content_part.added", ...at, content_index: 0, part: { ...part, text: "" } },
          ...pieces(text).map((delta) => ({
            type: "response.output_text.delta",
            ...at,
            content_index: 0,
            delta,
          })),
          { type: "response.output_text.done", ...at, content_index: 0, text },
          { type: "response.content_part.done", ...at, content_index: 0, part: { ...part, text } },
        ]),
    ...(item.arguments === undefined
      ? []
      : [
          ...pieces(item.arguments).map((delta) => ({
            type: "response.function_call_arguments.delta",
            ...at,
            delta,
          })),
          { type: "response.function_call_arguments.done", ...at, arguments: item.arguments },
        ]),
    { type: "response.output_item.done", output_index, item },
  ]
}

const pieces = (text: string): ReadonlyArray<string> => text.match(/.{1,4}/gsu) ?? []

const usageOf = ({ cached, input, output, reasoning }: Tokens) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached ?? 0 },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning ?? 0 },
  total_tokens: input + output,
})
