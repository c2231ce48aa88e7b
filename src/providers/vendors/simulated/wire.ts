import type { ChatChunk, Completion } from "../../../domain/Chat.ts"
import {
  chatChunk,
  chatCompletion,
  usageChunk,
  type WireDelta,
  type WireHead,
  wireUsage,
} from "../../protocols/openai-chat/wire.ts"
import type { SimulatedAnswer, SimulatedCall, SimulatedChoice } from "./answer.ts"

export const completion = (head: WireHead, { choices, usage }: SimulatedAnswer): Completion => ({
  text: choices[0]?.content?.join("") ?? "",
  finishReason: choices[0]?.finishReason ?? "stop",
  model: head.model,
  usage,
  usageEstimated: false,
  rawUsage: wireUsage(usage),
  body: () => chatCompletion(head, choices.map(wireChoice), usage),
})

const wireChoice = ({ content, calls, finishReason }: SimulatedChoice) => ({
  message: {
    role: "assistant" as const,
    content: content?.join("") ?? null,
    refusal: null,
    annotations: [],
    ...(calls.length > 0 && { tool_calls: calls.map((call) => wireCall(call, call.input.join(""))) }),
  },
  finishReason,
})

const wireCall = ({ id, type, name }: SimulatedCall, input: string) =>
  type === "function"
    ? { id, type, function: { name, arguments: input } }
    : { id, type, custom: { name, input } }

/** Tokens that one chunk of a stream brings. */
export const TOKENS_PER_PIECE = 5

/** A streamed answer: every choice begins, each step takes each a little further, and every choice ends. */
interface Streamed {
  readonly first: ReadonlyArray<ChatChunk>
  readonly steps: number
  readonly step: (nth: number) => ReadonlyArray<ChatChunk>
  readonly last: ReadonlyArray<ChatChunk>
}

export const streamed = (head: WireHead, { choices, usage }: SimulatedAnswer): Streamed => {
  const chunk = (event: Uint8Array, more: Partial<ChatChunk>): ChatChunk => ({
    event,
    text: "",
    generated: 0,
    semantic: false,
    usageOnly: false,
    model: head.model,
    finishReason: undefined,
    usage: undefined,
    ...more,
  })
  const pieces = choices.map(piecesOf)
  return {
    first: choices.map(({ content }, index) =>
      chunk(chatChunk(head, index, { role: "assistant", content: content && "", refusal: null }, null), {}),
    ),
    steps: Math.max(...pieces.map(({ length }) => length)),
    step: (nth) =>
      pieces.flatMap((ofChoice, index) => {
        const piece = ofChoice[nth]
        if (piece === undefined) return []
        const { delta, text, generated } = piece
        return [
          chunk(chatChunk(head, index, delta, null), {
            text: index === 0 ? text : "",
            generated,
            semantic: true,
          }),
        ]
      }),
    last: [
      ...choices.map(({ finishReason }, index) =>
        chunk(chatChunk(head, index, {}, finishReason), {
          semantic: true,
          finishReason: index === 0 ? finishReason : undefined,
        }),
      ),
      chunk(usageChunk(head, usage), { usageOnly: true, usage: { usage, raw: wireUsage(usage) } }),
    ],
  }
}

interface Piece {
  readonly delta: WireDelta
  readonly text: string
  readonly generated: number
}

/** Cuts a choice as OpenAI does: a call is its head with an empty input, and then pieces of the input. */
const piecesOf = ({ content, calls }: SimulatedChoice): ReadonlyArray<Piece> => [
  ...grouped(content ?? []).map((text) => ({ delta: { content: text }, text, generated: text.length })),
  ...calls.flatMap((call, index) => [
    {
      delta: { tool_calls: [{ index, ...wireCall(call, "") }] },
      text: "",
      generated: call.name.length,
    },
    ...grouped(call.input).map((input) => ({
      delta: {
        tool_calls: [
          {
            index,
            ...(call.type === "function" ? { function: { arguments: input } } : { custom: { input } }),
          },
        ],
      },
      text: "",
      generated: input.length,
    })),
  ]),
]

const grouped = (tokens: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(tokens.length / TOKENS_PER_PIECE) }, (_, nth) =>
    tokens.slice(nth * TOKENS_PER_PIECE, (nth + 1) * TOKENS_PER_PIECE).join(""),
  )
