import { Schema } from "effect"
import { MAX_MESSAGES, MAX_PARTS, modelName } from "./chat-completions.ts"
import { absent, known, nonEmpty, open } from "./shapes.ts"

const MAX_STOPS = 1_000

/** Fields that the gateway itself reads. `object` makes the schema of an object that has more of them. */
const readFields = (object: typeof open) => {
  const block = object({ type: Schema.String })
  const blocks = Schema.Array(block).check(Schema.isMaxLength(MAX_PARTS))
  return {
    model: modelName,
    messages: nonEmpty(
      object({
        role: Schema.Literals(["user", "assistant", "system"]),
        content: Schema.Union([Schema.String, blocks]),
      }),
    ).check(Schema.isMaxLength(MAX_MESSAGES)),
    system: absent(Schema.Union([Schema.String, blocks])),
    stop_sequences: absent(Schema.Array(Schema.String).check(Schema.isMaxLength(MAX_STOPS))),
    temperature: absent(Schema.Finite).annotate({ description: "Up to version 2023-06-01" }),
    top_p: absent(Schema.Finite).annotate({ description: "Up to version 2023-06-01" }),
    top_k: absent(Schema.Int).annotate({ description: "Up to version 2023-06-01" }),
    thinking: absent(object({ type: Schema.String })),
    tools: absent(Schema.Array(object({})).check(Schema.isMaxLength(MAX_PARTS))),
    tool_choice: absent(object({ type: Schema.String })),
    output_config: absent(
      object({
        effort: absent(Schema.String),
        format: absent(object({ type: Schema.Literal("json_schema") })),
      }),
    ),
    metadata: absent(object({ user_id: absent(Schema.String) })),
    service_tier: absent(Schema.String),
  }
}

const read = readFields(known)
const maxTokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))
const stream = absent(Schema.Boolean)

/** The parts of a request that the gateway itself reads; the blocks are read where they are translated. */
export const MessagesRequest = known({ ...read, max_tokens: maxTokens, stream })

/** The same of a request whose tokens are counted: it asks for no answer, and may say all the same how long one may be. */
export const CountTokensRequest = known({ ...read, max_tokens: absent(maxTokens) })

const described = readFields(open)

const question = [{ role: "user", content: "Say hello" }] as const

/** Body of `POST /v1/messages` as it is described. */
export const MessagesBody = open({ ...described, max_tokens: maxTokens, stream }).annotate({
  identifier: "MessagesRequest",
  description:
    "A provider that speaks Messages gets it as it came; for others it is translated, and `x-gateway-dropped` names what they have no words for",
  examples: [
    { model: "auto", max_tokens: 100, messages: question },
    { model: "auto", max_tokens: 100, messages: question, stream: true },
    {
      model: "auto",
      max_tokens: 500,
      system: "Be brief.",
      messages: [{ role: "user", content: "What is the weather in Oslo?" }],
      tools: [
        {
          name: "weather",
          description: "The weather at a place now",
          input_schema: {
            type: "object",
            properties: { place: { type: "string" } },
            required: ["place"],
          },
        },
      ],
      tool_choice: { type: "auto" },
    },
  ],
})

const Usage = open({
  input_tokens: Schema.Int.annotate({ description: "Without what was read from a cache or written to one" }),
  output_tokens: Schema.Int,
  cache_read_input_tokens: absent(Schema.Int),
  cache_creation_input_tokens: absent(Schema.Int),
}).annotate({ identifier: "MessageUsage" })

/** A whole answer. */
export const Message = open({
  id: Schema.String,
  type: Schema.Literal("message"),
  role: Schema.Literal("assistant"),
  model: Schema.String,
  content: Schema.Array(
    open({
      type: Schema.String.annotate({ description: "`text`, `thinking`, `tool_use`, …" }),
    }),
  ),
  stop_reason: absent(Schema.String).annotate({
    description: "`end_turn`, `max_tokens`, `tool_use`, `refusal`, …",
  }),
  stop_sequence: absent(Schema.String),
  usage: Usage,
}).annotate({ identifier: "Message" })

/** Data of one event of a streamed answer; its `type` is the event's name too. */
export const MessageStreamEvent = open({ type: Schema.String }).annotate({
  identifier: "MessageStreamEvent",
  description:
    "`message_start`, for each block `content_block_start`, `content_block_delta` and `content_block_stop`, then `message_delta` and `message_stop`; `error` ends a stream that broke",
})

/** Body of `POST /v1/messages/count_tokens` as it is described. */
export const CountTokensBody = open(described).annotate({
  identifier: "CountTokensRequest",
  examples: [{ model: "auto", messages: question }],
})

export const TokenCount = Schema.Struct({ input_tokens: Schema.Int }).annotate({ identifier: "TokenCount" })
