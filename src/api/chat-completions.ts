import { Schema } from "effect"
import { absent, known, nonEmpty, open } from "./shapes.ts"

export const tokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))

export const modelName = Schema.NonEmptyString.check(Schema.isMaxLength(256)).annotate({
  description: "`auto`, a route name, `provider/model`, or a model name",
})

/** Far above what a conversation of a million tokens has. */
export const MAX_MESSAGES = 10_000
export const MAX_PARTS = 10_000
const MAX_STOPS = 1_000

/** Fields that the gateway itself reads. `object` makes the schema of an object that has more of them. */
const readFields = (object: typeof open) => {
  const part = object({ type: Schema.String, text: absent(Schema.String) })
  const message = {
    role: Schema.Literals(["system", "developer", "user", "assistant", "tool", "function"]),
    content: absent(Schema.Union([Schema.String, Schema.Array(part).check(Schema.isMaxLength(MAX_PARTS))])),
  }
  const request = {
    model: modelName,
    messages: nonEmpty(object(message)).check(Schema.isMaxLength(MAX_MESSAGES)),
    stream: absent(Schema.Boolean),
    stream_options: absent(object({ include_usage: absent(Schema.Boolean) })),
    n: absent(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 128 }))),
    max_tokens: absent(tokens),
    max_completion_tokens: absent(tokens),
    temperature: absent(Schema.Finite),
    top_p: absent(Schema.Finite),
    stop: absent(
      Schema.Union([Schema.String, Schema.Array(Schema.String).check(Schema.isMaxLength(MAX_STOPS))]),
    ),
  }
  return { message, request }
}

/** The parts of a chat completion that the gateway itself reads; the provider judges the rest. */
export const ChatCompletionRequest = known(readFields(known).request)
export type ChatCompletionRequest = typeof ChatCompletionRequest.Type

const described = readFields(open)

const ToolCall = open({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: open({
    name: Schema.String,
    arguments: Schema.String.annotate({ description: "JSON text, as the model wrote it" }),
  }),
}).annotate({ identifier: "ChatToolCall" })

const Tool = open({
  type: Schema.Literal("function"),
  function: open({
    name: Schema.String,
    description: Schema.optionalKey(Schema.String),
    parameters: Schema.optionalKey(
      Schema.Record(Schema.String, Schema.Unknown).annotate({ description: "JSON Schema of the arguments" }),
    ),
    strict: absent(Schema.Boolean),
  }),
}).annotate({ identifier: "ChatTool" })

const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required"]),
  open({ type: Schema.Literal("function"), function: open({ name: Schema.String }) }),
]).annotate({ identifier: "ChatToolChoice" })

const ResponseFormat = Schema.Union([
  open({ type: Schema.Literals(["text", "json_object"]) }),
  open({
    type: Schema.Literal("json_schema"),
    json_schema: open({
      name: Schema.String,
      schema: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
      strict: absent(Schema.Boolean),
    }),
  }),
]).annotate({ identifier: "ChatResponseFormat" })

const question = [{ role: "user", content: "Say hello" }] as const

/** Body of `POST /v1/chat/completions` as it is described; what the gateway does not read itself, it does not check. */
export const ChatCompletionBody = open({
  ...described.request,
  messages: nonEmpty(
    open({
      ...described.message,
      name: Schema.optionalKey(Schema.String),
      tool_calls: absent(Schema.Array(ToolCall)),
      tool_call_id: Schema.optionalKey(
        Schema.String.annotate({ description: "Of a message with the role `tool`" }),
      ),
    }).annotate({ identifier: "ChatMessage" }),
  ).check(Schema.isMaxLength(MAX_MESSAGES)),
  tools: absent(Schema.Array(Tool)),
  tool_choice: absent(ToolChoice),
  parallel_tool_calls: absent(Schema.Boolean),
  response_format: absent(ResponseFormat),
  seed: absent(Schema.Int),
  frequency_penalty: absent(Schema.Finite),
  presence_penalty: absent(Schema.Finite),
  logit_bias: absent(Schema.Record(Schema.String, Schema.Finite)),
  logprobs: absent(Schema.Boolean),
  top_logprobs: absent(Schema.Int),
  reasoning_effort: absent(Schema.String),
  user: absent(Schema.String),
}).annotate({
  identifier: "ChatCompletionRequest",
  description: "Fields that are not listed here reach the provider unchanged",
  examples: [
    { model: "auto", messages: question },
    { model: "auto", messages: question, stream: true, stream_options: { include_usage: true } },
    {
      model: "auto",
      messages: [{ role: "user", content: "What is the weather in Oslo?" }],
      tools: [
        {
          type: "function",
          function: {
            name: "weather",
            description: "The weather at a place now",
            parameters: {
              type: "object",
              properties: { place: { type: "string" } },
              required: ["place"],
            },
          },
        },
      ],
      tool_choice: "auto",
      max_completion_tokens: 200,
    },
  ],
})

const Usage = open({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.Int,
  prompt_tokens_details: absent(open({ cached_tokens: absent(Schema.Int) })),
  completion_tokens_details: absent(open({ reasoning_tokens: absent(Schema.Int) })),
}).annotate({ identifier: "ChatUsage" })

const common = { id: Schema.String, created: Schema.Int, model: Schema.String }

const finishReason = Schema.NullOr(Schema.String).annotate({
  description: "`stop`, `length`, `tool_calls`, `content_filter`, …",
})

/** A whole answer, as the provider gave it. */
export const ChatCompletion = open({
  ...common,
  object: Schema.Literal("chat.completion"),
  choices: Schema.Array(
    open({
      index: Schema.Int,
      message: open({
        role: Schema.Literal("assistant"),
        content: absent(Schema.String),
        refusal: absent(Schema.String),
        tool_calls: absent(Schema.Array(ToolCall)),
      }),
      finish_reason: finishReason,
    }),
  ),
  usage: absent(Usage),
}).annotate({ identifier: "ChatCompletion" })

/** Data of one event of a streamed answer. */
export const ChatCompletionChunk = open({
  ...common,
  object: Schema.Literal("chat.completion.chunk"),
  choices: Schema.Array(
    open({
      index: Schema.Int,
      delta: open({
        role: Schema.optionalKey(Schema.String),
        content: absent(Schema.String),
        refusal: absent(Schema.String),
        tool_calls: absent(Schema.Array(open({ index: Schema.Int }))),
      }),
      finish_reason: absent(Schema.String),
    }),
  ),
  usage: absent(Usage),
}).annotate({ identifier: "ChatCompletionChunk" })
