import type {
  BetaContentBlock,
  BetaRawContentBlockDelta,
  BetaRawMessageStreamEvent,
  BetaStopReason,
  BetaTextCitation,
  BetaUsage,
} from "@anthropic-ai/sdk/resources/beta/messages"
import type {
  ContentBlock,
  RawContentBlockDelta,
  RawMessageStreamEvent,
  StopReason,
  TextCitation,
  Usage,
} from "@anthropic-ai/sdk/resources/messages"
import type { ErrorType } from "@anthropic-ai/sdk/resources/shared"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { FinishReason } from "../../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { type JsonObject, objectAt, objectsAt, parseJson } from "../../../../src/platform/json.ts"
import { anthropic, nativeAnthropic } from "../../../../src/providers/protocols/anthropic/protocol.ts"
import type { Protocol, Reading } from "../../../../src/providers/protocols/Protocol.ts"
import type { TypeOf } from "../../../support/value-of.ts"

/**
 * Every value that Anthropic's own package knows in an answer, of its beta API too, and what becomes of it in chat: with a new
 * one there, this does not compile. Clients that speak Messages get all of them as they come.
 */
const translated = anthropic(() => 64_000)

const message = (content: ReadonlyArray<JsonObject>, more: JsonObject = {}): JsonObject => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-x",
  content,
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 2 },
  ...more,
})

const answerOf = (protocol: Protocol, json: JsonObject) =>
  Result.getOrThrow(protocol.parse("claude-x", { json, bytes: Buffer.from(JSON.stringify(json)), nowMs: 0 }))

const bytesOf = (type: string, data: JsonObject): Buffer =>
  Buffer.from(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)

/** Feeds one event after the other; returns every reading. */
const readings = (protocol: Protocol, events: ReadonlyArray<JsonObject>): ReadonlyArray<Reading> => {
  const reader = protocol.openStream("claude-x", 0)
  return events.map((event) => {
    const type = String(event.type)
    return reader.read({ type, data: JSON.stringify(event), bytes: bytesOf(type, event) })
  })
}

const chunksOf = (reading: Reading | undefined) =>
  reading === undefined || reading._tag === "Fault" ? [] : reading.chunks

/** Returns the fields in which the chunks of a stream say something. */
const fieldsOf = (all: ReadonlyArray<Reading>): ReadonlyArray<string> => [
  ...new Set(
    all.flatMap(chunksOf).flatMap(({ event }) => {
      const chunk = parseJson(Buffer.from(event).toString().slice("data: ".length)) as JsonObject
      const delta = objectAt(objectsAt(chunk, "choices")[0], "delta") ?? {}
      return Object.keys(delta).filter((field) => field !== "role" && delta[field] !== "")
    }),
  ),
]

const start = { type: "message_start", message: message([], { stop_reason: null }) }

// --- content

type BlockType = TypeOf<ContentBlock | BetaContentBlock>
type Meaning = "content" | "reasoning_content" | "reasoning_details" | "tool_calls"

const blocks: Partial<Record<BlockType, JsonObject>> = {
  text: { text: "Hello", citations: null },
  thinking: { thinking: "They greet.", signature: "c2ln" },
  redacted_thinking: { data: "ZGF0YQ==" },
  tool_use: { id: "toolu_1", name: "f", input: {} },
}

/** The fields of chat that say it. Without any: of tools that run at Anthropic, for which no translated request asks. */
const blockMeanings: Readonly<Record<BlockType, ReadonlyArray<Meaning>>> = {
  text: ["content"],
  thinking: ["reasoning_content", "reasoning_details"],
  redacted_thinking: ["reasoning_details"],
  tool_use: ["tool_calls"],
  server_tool_use: [],
  web_search_tool_result: [],
  web_fetch_tool_result: [],
  advisor_tool_result: [],
  code_execution_tool_result: [],
  bash_code_execution_tool_result: [],
  text_editor_code_execution_tool_result: [],
  tool_search_tool_result: [],
  mcp_tool_use: [],
  mcp_tool_result: [],
  mcp_tool_listing: [],
  container_upload: [],
  compaction: [],
  fallback: [],
}

describe.each(Object.entries(blockMeanings))("a block of type %s", (type, meaning) => {
  const block = { type, ...blocks[type as BlockType] }
  const said = { type: "text", text: "!" }

  it("in a whole answer", () => {
    const body = parseJson(String(answerOf(translated, message([block, said])).body())) as JsonObject
    const saidByChat = objectAt(objectsAt(body, "choices")[0], "message") ?? {}
    const fields = ["reasoning_content", "reasoning_details", "tool_calls"].filter(
      (name) => name in saidByChat,
    )
    assert.deepStrictEqual(saidByChat.content === "!" ? fields : ["content", ...fields], [...meaning])
  })

  it("as it begins in a stream", () => {
    const begun = readings(translated, [
      start,
      { type: "content_block_start", index: 0, content_block: block },
    ])
    // What signs a thought comes in a delta alone.
    assert.deepStrictEqual(fieldsOf(begun), type === "thinking" ? ["reasoning_content"] : [...meaning])
  })

  it("passes", () => {
    const whole = message([block])
    assert.strictEqual(String(answerOf(nativeAnthropic, whole).body()), JSON.stringify(whole))
    const event = { type: "content_block_start", index: 0, content_block: block }
    const passed = chunksOf(readings(nativeAnthropic, [start, event])[1])
    assert.deepStrictEqual(
      passed.map((chunk) => chunk.event),
      [bytesOf(event.type, event)],
    )
  })
})

type DeltaType = TypeOf<RawContentBlockDelta | BetaRawContentBlockDelta>

const deltas: Readonly<
  Record<DeltaType, { block: BlockType; delta: JsonObject; meaning: ReadonlyArray<Meaning> }>
> = {
  text_delta: { block: "text", delta: { text: "Hello" }, meaning: ["content"] },
  input_json_delta: { block: "tool_use", delta: { partial_json: "{" }, meaning: ["tool_calls"] },
  thinking_delta: { block: "thinking", delta: { thinking: "They" }, meaning: ["reasoning_content"] },
  signature_delta: { block: "thinking", delta: { signature: "c2ln" }, meaning: ["reasoning_details"] },
  citations_delta: { block: "text", delta: { citation: {} }, meaning: [] },
  compaction_delta: { block: "compaction", delta: { content: "They spoke." }, meaning: [] },
}

it.each(Object.entries(deltas))("a delta of type %s", (type, { block, delta, meaning }) => {
  const content_block = { type: block, ...blocks[block], text: "" }
  const events = [
    start,
    { type: "content_block_start", index: 0, content_block },
    { type: "content_block_delta", index: 0, delta: { type, ...delta } },
  ]
  assert.deepStrictEqual(fieldsOf(readings(translated, events).slice(-1)), [...meaning])
  const passed = readings(nativeAnthropic, events).at(-1)
  assert.deepStrictEqual(
    chunksOf(passed).map(({ event }) => event),
    [bytesOf("content_block_delta", events[2] ?? {})],
  )
})

/** Chat has no word for them; the words that they stand at are said all the same. */
const citations: Readonly<Record<TypeOf<TextCitation | BetaTextCitation>, "left out">> = {
  char_location: "left out",
  page_location: "left out",
  content_block_location: "left out",
  web_search_result_location: "left out",
  search_result_location: "left out",
}

it.each(Object.keys(citations))("a citation of type %s", (type) => {
  const block = { type: "text", text: "Hello", citations: [{ type, cited_text: "quoted" }] }
  const body = String(answerOf(translated, message([block])).body())
  assert.include(body, "Hello")
  assert.notInclude(body, "quoted")
})

// --- events

type EventType = TypeOf<RawMessageStreamEvent | BetaRawMessageStreamEvent>

/** What a stream of chat says with each event. */
const events: Readonly<Record<EventType, { event: JsonObject; says: "role" | "text" | "end" | "nothing" }>> =
  {
    message_start: { event: start, says: "role" },
    content_block_start: {
      event: { index: 0, content_block: { type: "text", text: "Hello" } },
      says: "text",
    },
    content_block_delta: { event: { index: 0, delta: { type: "text_delta", text: "!" } }, says: "text" },
    content_block_stop: { event: { index: 0 }, says: "nothing" },
    message_delta: {
      event: { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
      says: "nothing",
    },
    message_stop: { event: {}, says: "end" },
  }

it("an event of each type", () => {
  const all = Object.entries(events).map(([type, { event }]) => ({ ...event, type }))
  const said = readings(translated, all).map((reading) => {
    const [first] = chunksOf(reading)
    if (reading._tag !== "Chunks") return reading._tag === "Done" ? "end" : reading.fault.kind
    if (first === undefined) return "nothing"
    return first.text === "" ? "role" : "text"
  })
  assert.deepStrictEqual(
    said,
    Object.values(events).map(({ says }) => says),
  )
  const passed = readings(nativeAnthropic, all)
  assert.deepStrictEqual(
    passed.flatMap((reading) => chunksOf(reading).map(({ event }) => String(event))),
    all.map((event) => String(bytesOf(event.type, event))),
  )
})

// --- ends, tiers and errors

const reasons: Readonly<Record<StopReason | NonNullable<BetaStopReason>, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
  pause_turn: "other",
  compaction: "other",
}

it.each(Object.entries(reasons))("the stop reason %s", (stop_reason, reason) => {
  const whole = message([{ type: "text", text: "Hello" }], { stop_reason })
  assert.strictEqual(answerOf(translated, whole).finishReason, reason)
  assert.strictEqual(answerOf(nativeAnthropic, whole).finishReason, reason)
  for (const protocol of [translated, nativeAnthropic]) {
    const ended = readings(protocol, [
      start,
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "Hello" } },
      { type: "message_delta", delta: { stop_reason }, usage: { output_tokens: 2 } },
      { type: "message_stop" },
    ])
    const said = ended.flatMap(chunksOf).flatMap(({ finishReason }) => finishReason ?? [])
    assert.deepStrictEqual(said, [reason])
  }
})

const tiers: Readonly<
  Record<NonNullable<Usage["service_tier"] | BetaUsage["service_tier"]>, string | undefined>
> = {
  standard: undefined,
  priority: "priority",
  batch: "batch",
}

it.each(Object.entries(tiers))("the tier %s in a usage block", (service_tier, tier) => {
  const usage = { input_tokens: 3, output_tokens: 2, service_tier }
  assert.strictEqual(
    answerOf(translated, message([{ type: "text", text: "!" }], { usage })).usage?.serviceTier,
    tier,
  )
})

/** What an error within a stream of status 200 says by its type alone. */
const errors: Readonly<Record<ErrorType, ProviderErrorKind>> = {
  invalid_request_error: "refused",
  authentication_error: "auth",
  billing_error: "quota_exhausted",
  permission_error: "auth",
  not_found_error: "model_not_found",
  conflict_error: "request_conflict",
  memory_path_conflict_error: "request_conflict",
  memory_precondition_failed_error: "refused",
  rate_limit_error: "rate_limited",
  timeout_error: "server_error_once",
  api_error: "server_error",
  overloaded_error: "overloaded",
}

it.each(Object.entries(errors))("an error of type %s", (type, kind) => {
  const event = {
    type: "error",
    error: { type, ...(type === "invalid_request_error" && { message: "Bad" }) },
  }
  for (const protocol of [translated, nativeAnthropic]) {
    const failed = readings(protocol, [start, event])[1]
    assert.strictEqual(failed?._tag === "Fault" ? failed.fault.kind : undefined, kind)
  }
})
