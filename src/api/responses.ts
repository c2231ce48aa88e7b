import { Schema } from "effect"
import { MAX_MESSAGES, modelName, tokens } from "./chat-completions.ts"
import { absent, known, nonEmpty, open } from "./shapes.ts"

/** Far above what a client has tools. */
const MAX_TOOLS = 10_000

/** Fields that the gateway itself reads; what stands in an item or a tool is read with it. */
const readFields = (object: typeof open) => ({
  model: modelName,
  input: Schema.Union([
    Schema.NonEmptyString,
    nonEmpty(object({ type: absent(Schema.String) })).check(Schema.isMaxLength(MAX_MESSAGES)),
  ]),
  instructions: absent(Schema.String),
  stream: absent(Schema.Boolean),
  max_output_tokens: absent(tokens),
  temperature: absent(Schema.Finite),
  top_p: absent(Schema.Finite),
  tools: absent(Schema.Array(object({ type: Schema.String })).check(Schema.isMaxLength(MAX_TOOLS))),
  tool_choice: absent(Schema.Union([Schema.String, object({ type: Schema.String })])),
  parallel_tool_calls: absent(Schema.Boolean),
  reasoning: absent(object({ effort: absent(Schema.String), summary: absent(Schema.String) })),
  text: absent(object({ format: absent(object({ type: Schema.String })), verbosity: absent(Schema.String) })),
  include: absent(Schema.Array(Schema.String)),
})

/** The parts of a Responses request that the gateway itself reads. */
export const ResponsesRequest = known(readFields(known))

const described = readFields(open)

/** Body of `POST /v1/responses` as it is described. */
export const ResponsesBody = open({
  ...described,
  metadata: absent(Schema.Record(Schema.String, Schema.Unknown)),
  store: absent(Schema.Boolean).annotate({ description: "Answered as false: no response is kept" }),
}).annotate({
  identifier: "ResponsesRequest",
  description:
    "OpenAI's Responses without what needs stored responses: `previous_response_id`, `conversation`, `background`, `prompt`",
  examples: [
    { model: "auto", input: "Say hello" },
    { model: "auto", input: "Say hello", stream: true },
    {
      model: "auto",
      instructions: "Be brief.",
      input: [
        { role: "user", content: "What is the weather in Oslo?" },
        { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"place":"Oslo"}' },
        { type: "function_call_output", call_id: "call_1", output: "4 degrees, rain" },
      ],
      tools: [
        {
          type: "function",
          name: "weather",
          description: "The weather at a place now",
          parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
        },
      ],
      max_output_tokens: 200,
    },
  ],
})

/** Body of `POST /v1/responses/compact` as it is described. */
export const CompactionBody = open({
  model: described.model,
  input: described.input,
  instructions: described.instructions,
}).annotate({
  identifier: "CompactionRequest",
  description: "The items of a conversation; a `previous_response_id` is refused, as no response is kept",
  examples: [
    {
      model: "auto",
      input: [
        { role: "user", content: "We launch on Tuesday, and tell support first." },
        { role: "assistant", content: "I wrote it down." },
      ],
    },
  ],
})

const Usage = open({
  input_tokens: Schema.Int,
  input_tokens_details: open({ cached_tokens: Schema.Int }),
  output_tokens: Schema.Int,
  output_tokens_details: open({ reasoning_tokens: Schema.Int }),
  total_tokens: Schema.Int,
}).annotate({ identifier: "ResponseUsage" })

/** A whole answer. */
export const ResponseObject = open({
  id: Schema.String,
  object: Schema.Literal("response"),
  created_at: Schema.Finite,
  status: Schema.Literals(["completed", "incomplete", "failed", "in_progress"]),
  error: absent(open({ code: Schema.String, message: Schema.String })),
  incomplete_details: absent(open({ reason: absent(Schema.String) })),
  model: Schema.String,
  output: Schema.Array(
    open({ type: Schema.String }).annotate({
      description: "`message`, `function_call`, `custom_tool_call`, `reasoning`, …",
    }),
  ),
  usage: absent(Usage),
}).annotate({ identifier: "Response" })

/** A conversation in short. */
export const CompactedResponse = open({
  id: Schema.String,
  object: Schema.Literal("response.compaction"),
  created_at: Schema.Finite,
  output: Schema.Array(
    open({ type: Schema.String }).annotate({
      description:
        "What the user said, and a `compaction` that stands for the rest: the `input` to go on from",
    }),
  ),
  usage: absent(Usage),
}).annotate({ identifier: "CompactedResponse" })

/** Data of one event of a streamed answer. */
export const ResponseEvent = open({
  type: Schema.String.annotate({ description: "As in the event's name: `response.output_text.delta`, …" }),
  sequence_number: Schema.Int,
}).annotate({ identifier: "ResponseEvent" })
