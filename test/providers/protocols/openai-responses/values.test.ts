import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type {
  Response,
  ResponseContent,
  ResponseError,
  ResponseOutputItem,
  ResponseStatus,
  ResponseStreamEvent,
  ServiceTier,
} from "openai/resources/responses/responses"
import type { FinishReason } from "../../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { type JsonObject, objectAt, objectsAt, parseJson } from "../../../../src/platform/json.ts"
import {
  nativeResponses,
  openAiResponses,
} from "../../../../src/providers/protocols/openai-responses/protocol.ts"
import type { Protocol, Reading } from "../../../../src/providers/protocols/Protocol.ts"
import type { TypeOf } from "../../../support/value-of.ts"

/**
 * Every value that OpenAI's own package knows in a response, and what becomes of it in chat: with a new one there, this does
 * not compile. Clients that speak Responses get all of them as they come.
 */
const responseOf = (more: JsonObject): JsonObject => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  model: "m",
  status: "completed",
  output: [said],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  ...more,
})

const said = { type: "message", role: "assistant", content: [{ type: "output_text", text: "!" }] }

const parse = (protocol: Protocol, json: JsonObject) =>
  protocol.parse("m", { json, bytes: Buffer.from(JSON.stringify(json)), nowMs: 0 })

const kindOf = (protocol: Protocol, json: JsonObject): ProviderErrorKind | "answer" =>
  Result.match(parse(protocol, json), { onSuccess: () => "answer", onFailure: ({ kind }) => kind })

/** Returns the message that a response is in chat. */
const messageOf = (json: JsonObject): JsonObject => {
  const body = parseJson(String(Result.getOrThrow(parse(openAiResponses, json)).body())) as JsonObject
  return objectAt(objectsAt(body, "choices")[0], "message") ?? {}
}

const bytesOf = (type: string, data: JsonObject): Buffer =>
  Buffer.from(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)

const readings = (protocol: Protocol, events: ReadonlyArray<JsonObject>): ReadonlyArray<Reading> => {
  const reader = protocol.openStream("m", 0)
  return events.map((event) => {
    const type = String(event.type)
    return reader.read({ type, data: JSON.stringify(event), bytes: bytesOf(type, event) })
  })
}

const chunksOf = (reading: Reading | undefined) =>
  reading === undefined || reading._tag === "Fault" ? [] : reading.chunks

const both = [openAiResponses, nativeResponses]

// --- items

type ItemType = TypeOf<ResponseOutputItem>
type Field = "content" | "reasoning_content" | "reasoning_details" | "tool_calls"

const items: Partial<Record<ItemType, JsonObject>> = {
  message: { content: [{ type: "output_text", text: "Hello" }] },
  reasoning: {
    id: "rs_1",
    summary: [{ type: "summary_text", text: "They greet." }],
    encrypted_content: "ZGF0YQ==",
  },
  function_call: { call_id: "call_1", name: "f", arguments: "{}" },
  custom_tool_call: { call_id: "call_1", name: "f", input: "1" },
}

/** The fields of chat that say it. Without any: of tools that run at OpenAI, for which no translated request asks. */
const itemFields: Readonly<Record<ItemType, ReadonlyArray<Field>>> = {
  message: ["content"],
  reasoning: ["reasoning_content", "reasoning_details"],
  function_call: ["tool_calls"],
  custom_tool_call: ["tool_calls"],
  function_call_output: [],
  custom_tool_call_output: [],
  file_search_call: [],
  web_search_call: [],
  computer_call: [],
  computer_call_output: [],
  program: [],
  program_output: [],
  tool_search_call: [],
  tool_search_output: [],
  additional_tools: [],
  compaction: [],
  image_generation_call: [],
  code_interpreter_call: [],
  local_shell_call: [],
  local_shell_call_output: [],
  shell_call: [],
  shell_call_output: [],
  apply_patch_call: [],
  apply_patch_call_output: [],
  mcp_call: [],
  mcp_list_tools: [],
  mcp_approval_request: [],
  mcp_approval_response: [],
}

const fields: ReadonlyArray<Field> = ["content", "reasoning_content", "reasoning_details", "tool_calls"]
const saidIn = (message: JsonObject) => fields.filter((name) => message[name])

describe.each(Object.entries(itemFields))("an item of type %s", (type, meaning) => {
  const item = { type, id: "item_1", ...items[type as ItemType] }

  it("in a whole answer", () => {
    assert.deepStrictEqual(saidIn(messageOf(responseOf({ output: [item] }))), [...meaning])
    const whole = responseOf({ output: [item] })
    assert.strictEqual(String(Result.getOrThrow(parse(nativeResponses, whole)).body()), JSON.stringify(whole))
  })

  it("as the only one of a stream", () => {
    const ended = readings(openAiResponses, [
      { type: "response.completed", response: responseOf({ output: [item] }) },
    ])
    const deltas = ended.flatMap(chunksOf).map(({ event }) => {
      const chunk = parseJson(Buffer.from(event).toString().slice("data: ".length)) as JsonObject
      return objectAt(objectsAt(chunk, "choices")[0], "delta") ?? {}
    })
    assert.deepStrictEqual(
      fields.filter((name) => deltas.some((delta) => delta[name])),
      [...meaning],
    )
  })
})

it("reasoning itself in place of a summary", () => {
  const content = [{ type: "reasoning_text", text: "They greet." }]
  const item = { type: "reasoning", id: "rs_1", summary: [], content }
  assert.strictEqual(messageOf(responseOf({ output: [item, said] })).reasoning_content, "They greet.")
})

type PartType = TypeOf<ResponseContent>

/** What a part of a message says in chat. A message has no parts of a question, and reasoning stands in an item of its own. */
const parts: Readonly<Record<PartType, "content" | "refusal" | undefined>> = {
  output_text: "content",
  refusal: "refusal",
  reasoning_text: undefined,
  input_text: undefined,
  input_image: undefined,
  input_file: undefined,
}

it.each(Object.entries(parts))("a part of type %s", (type, field) => {
  const message = { ...said, content: [{ type, text: "No.", refusal: "No." }] }
  const { content, refusal } = messageOf(responseOf({ output: [message] }))
  assert.deepStrictEqual(
    { content, refusal },
    {
      content: field === "content" ? "No." : field === "refusal" ? null : "",
      refusal: field === "refusal" ? "No." : null,
    },
  )
})

// --- events

type EventType = TypeOf<ResponseStreamEvent>

/** What a stream of chat says with each event: `begin` its role, `end` its reason. */
type Saying =
  | "begin"
  | "content"
  | "refusal"
  | "reasoning_content"
  | "tool_calls"
  | "end"
  | "failure"
  | "nothing"

const eventSayings: Readonly<Record<EventType, Saying>> = {
  "response.created": "begin",
  "response.queued": "nothing",
  "response.in_progress": "nothing",
  "response.completed": "end",
  "response.incomplete": "end",
  "response.failed": "failure",
  error: "failure",
  "response.output_item.added": "tool_calls",
  "response.output_item.done": "nothing",
  "response.content_part.added": "nothing",
  "response.content_part.done": "nothing",
  "response.output_text.delta": "content",
  "response.output_text.done": "nothing",
  "response.output_text.annotation.added": "nothing",
  "response.refusal.delta": "refusal",
  "response.refusal.done": "nothing",
  "response.reasoning_summary_part.added": "nothing",
  "response.reasoning_summary_part.done": "nothing",
  "response.reasoning_summary_text.delta": "reasoning_content",
  "response.reasoning_summary_text.done": "nothing",
  "response.reasoning_text.delta": "reasoning_content",
  "response.reasoning_text.done": "nothing",
  "response.function_call_arguments.delta": "tool_calls",
  "response.function_call_arguments.done": "nothing",
  "response.custom_tool_call_input.delta": "tool_calls",
  "response.custom_tool_call_input.done": "nothing",
  // Of tools that run at OpenAI, for which no translated request asks.
  "response.audio.delta": "nothing",
  "response.audio.done": "nothing",
  "response.audio.transcript.delta": "nothing",
  "response.audio.transcript.done": "nothing",
  "response.code_interpreter_call_code.delta": "nothing",
  "response.code_interpreter_call_code.done": "nothing",
  "response.code_interpreter_call.completed": "nothing",
  "response.code_interpreter_call.in_progress": "nothing",
  "response.code_interpreter_call.interpreting": "nothing",
  "response.compaction.compacting": "nothing",
  "response.file_search_call.completed": "nothing",
  "response.file_search_call.in_progress": "nothing",
  "response.file_search_call.searching": "nothing",
  "response.shell_call_command.added": "nothing",
  "response.shell_call_command.delta": "nothing",
  "response.shell_call_command.done": "nothing",
  "response.shell_call_output_content.delta": "nothing",
  "response.shell_call_output_content.done": "nothing",
  "response.web_search_call.completed": "nothing",
  "response.web_search_call.in_progress": "nothing",
  "response.web_search_call.searching": "nothing",
  "response.image_generation_call.completed": "nothing",
  "response.image_generation_call.generating": "nothing",
  "response.image_generation_call.in_progress": "nothing",
  "response.image_generation_call.partial_image": "nothing",
  "response.mcp_call_arguments.delta": "nothing",
  "response.mcp_call_arguments.done": "nothing",
  "response.mcp_call.completed": "nothing",
  "response.mcp_call.failed": "nothing",
  "response.mcp_call.in_progress": "nothing",
  "response.mcp_list_tools.completed": "nothing",
  "response.mcp_list_tools.failed": "nothing",
  "response.mcp_list_tools.in_progress": "nothing",
}

const failed = { code: "server_error", message: "Oh no." }

/** What stands in an event besides its type, where its type is not all that is read. */
const eventFields: Partial<Record<EventType, JsonObject>> = {
  "response.created": { response: responseOf({ status: "in_progress", output: [] }) },
  "response.queued": { response: responseOf({ status: "queued", output: [] }) },
  "response.in_progress": { response: responseOf({ status: "in_progress", output: [] }) },
  "response.completed": { response: responseOf({}) },
  "response.incomplete": {
    response: responseOf({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }),
  },
  "response.failed": { response: responseOf({ status: "failed", error: failed }) },
  error: failed,
  "response.output_item.added": {
    output_index: 1,
    item: { type: "function_call", call_id: "call_2", name: "g" },
  },
  "response.reasoning_summary_part.added": { summary_index: 0 },
}

const opening = [
  { type: "response.created", response: responseOf({ status: "in_progress", output: [] }) },
  {
    type: "response.output_item.added",
    output_index: 0,
    item: { type: "function_call", call_id: "call_1", name: "f" },
  },
]

describe.each(Object.entries(eventSayings))("the event %s", (type, saying) => {
  const event = { type, output_index: 0, delta: "x", ...eventFields[type as EventType] }
  const before = saying === "begin" ? [] : opening

  it("in chat", () => {
    const reading = readings(openAiResponses, [...before, event]).at(-1)
    const [chunk] = chunksOf(reading)
    const json = parseJson(
      Buffer.from(chunk?.event ?? "")
        .toString()
        .slice("data: ".length),
    )
    const delta = objectAt(objectsAt(json as JsonObject | undefined, "choices")[0], "delta") ?? {}
    const heard =
      reading?._tag === "Fault"
        ? "failure"
        : reading?._tag === "Done"
          ? "end"
          : "role" in delta
            ? "begin"
            : (Object.keys(delta)[0] ?? "nothing")
    assert.strictEqual(heard, saying)
  })

  it("passes", () => {
    const reading = readings(nativeResponses, [...before, event]).at(-1)
    assert.strictEqual(reading?._tag, saying === "failure" ? "Fault" : saying === "end" ? "Done" : "Chunks")
    if (saying !== "failure") {
      assert.deepStrictEqual(
        chunksOf(reading).map((chunk) => chunk.event),
        [bytesOf(type, event)],
      )
    }
  })
})

// --- ends, tiers and errors

const statuses: Readonly<Record<ResponseStatus, ProviderErrorKind | "answer">> = {
  completed: "answer",
  incomplete: "answer",
  failed: "server_error",
  cancelled: "server_error",
  // Only of responses in the background, which nobody can ask for here.
  in_progress: "bad_response",
  queued: "bad_response",
}

it.each(Object.entries(statuses))("the status %s", (status, kind) => {
  const response = responseOf({ status, ...(status === "failed" && { error: failed }) })
  for (const protocol of both) assert.strictEqual(kindOf(protocol, response), kind)
})

const reasons: Readonly<Record<NonNullable<Response.IncompleteDetails["reason"]>, FinishReason>> = {
  max_output_tokens: "length",
  content_filter: "content_filter",
  max_messages: "other",
  steered: "other",
}

it.each(Object.entries(reasons))("a response that is incomplete for %s", (reason, finish) => {
  const response = responseOf({ status: "incomplete", incomplete_details: { reason } })
  for (const protocol of both) {
    assert.strictEqual(Result.getOrThrow(parse(protocol, response)).finishReason, finish)
    const [ended] = readings(protocol, [{ type: "response.incomplete", response }])
    assert.deepStrictEqual(
      chunksOf(ended).flatMap(({ finishReason }) => finishReason ?? []),
      [finish],
    )
  }
})

const tiers: Readonly<Record<NonNullable<ServiceTier>, string | undefined>> = {
  auto: undefined,
  default: undefined,
  flex: "flex",
  scale: "scale",
  priority: "priority",
  fast: "fast",
  ultrafast: "ultrafast",
}

it.each(Object.entries(tiers))("the tier %s in a response", (service_tier, tier) => {
  for (const protocol of both) {
    const { usage } = Result.getOrThrow(parse(protocol, responseOf({ service_tier })))
    assert.strictEqual(usage?.serviceTier, tier)
  }
})

const errors: Readonly<Record<ResponseError["code"], ProviderErrorKind>> = {
  server_error: "server_error",
  rate_limit_exceeded: "rate_limited",
  invalid_prompt: "content_filter",
  data_residency_mismatch: "refused",
  bio_policy: "content_filter",
  misalignment_policy_violation: "content_filter",
  vector_store_timeout: "server_error",
  invalid_image: "refused",
  invalid_image_format: "refused",
  invalid_base64_image: "refused",
  invalid_image_url: "refused",
  image_too_large: "refused",
  image_too_small: "refused",
  image_parse_error: "refused",
  image_content_policy_violation: "content_filter",
  invalid_image_mode: "refused",
  image_file_too_large: "refused",
  unsupported_image_media_type: "refused",
  empty_image_file: "refused",
  failed_to_download_image: "refused",
  image_file_not_found: "refused",
}

it.each(Object.entries(errors))("the error code %s", (code, kind) => {
  const response = responseOf({ status: "failed", output: [], error: { code, message: "So it is." } })
  for (const protocol of both) {
    assert.strictEqual(kindOf(protocol, response), kind)
    const [ended] = readings(protocol, [{ type: "response.failed", response }])
    assert.strictEqual(ended?._tag === "Fault" ? ended.fault.kind : undefined, kind)
  }
})
