import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { ChatChunk, ChatRequest } from "../../../../src/domain/Chat.ts"
import type { SseEvent } from "../../../../src/providers/http/sse.ts"
import {
  isForResponses,
  reasons,
  refusesToolsInChat,
  takesResponses,
} from "../../../../src/providers/protocols/openai-responses/model-abilities.ts"
import {
  nativeResponses,
  openAiResponses,
} from "../../../../src/providers/protocols/openai-responses/protocol.ts"

/** What the SDK does not see: odd answers, the gateway's own account of them, and which models go where. */

const both = [
  ["translated", openAiResponses],
  ["native", nativeResponses],
] as const

const event = (json: unknown): SseEvent => {
  const data = JSON.stringify(json) ?? ""
  return { type: "message", data, bytes: Buffer.from(`data: ${data}\n\n`) }
}
const answer = (json: unknown) => ({ json, bytes: Buffer.from(JSON.stringify(json) ?? ""), nowMs: 1000 })

const message = (text: string) => ({ type: "message", content: [{ type: "output_text", text }] })
const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 }
const response = {
  id: "resp_1",
  created_at: 1,
  model: "m",
  status: "completed",
  output: [message("Rome")],
  usage,
}

describe.each(both)("an answer that is %s", (_, protocol) => {
  const parse = (json: unknown) => protocol.parse("m", answer(json))
  const failure = (json: unknown) =>
    Result.merge(Result.mapError(Result.flip(parse(json)), () => ({ kind: "none" }))).kind

  it("is accounted for", () => {
    assert.deepInclude(Result.getOrThrow(parse(response)), { text: "Rome", finishReason: "stop", model: "m" })
    const acted = ["search", "open_page", "find_in_page"].map((type) => ({
      type: "web_search_call",
      action: { type },
    }))
    const searched = { ...response, output: [...acted, message("Rome")] }
    assert.deepStrictEqual(Result.getOrThrow(parse(searched)).usage?.details, { web_searches: 1 })
  })

  const call = (type: string, more: object = {}) => ({ type, id: "x", status: "completed", ...more })

  it.each<[calls: ReadonlyArray<object>, details: object | undefined]>([
    [[call("file_search_call"), call("file_search_call")], { file_searches: 2 }],
    [
      [call("web_search_call"), call("file_search_call"), call("code_interpreter_call")],
      { web_searches: 1, file_searches: 1, unpriced_calls: 1 },
    ],
    [[call("image_generation_call"), call("invented_call")], { unpriced_calls: 2 }],
    [
      [
        call("shell_call", { environment: { type: "container_reference" } }),
        call("shell_call", { environment: { type: "local" } }),
        call("shell_call", { environment: null }),
      ],
      { unpriced_calls: 1 },
    ],
    [
      ["function", "custom_tool", "computer", "local_shell", "apply_patch", "mcp", "tool_search"].map(
        (each) => call(`${each}_call`),
      ),
      undefined,
    ],
  ])("counts what is charged by the call of %j", (calls, details) => {
    const parsed = Result.getOrThrow(parse({ ...response, output: [...calls, message("Rome")] }))
    assert.deepStrictEqual(parsed.usage?.details, details)
  })

  it("has no price of a search by the preview tool, which costs more with models that do not reason", () => {
    const of = (model: string, type: string) =>
      Result.getOrThrow(
        parse({ ...response, model, tools: [{ type }], output: [call("web_search_call"), message("Rome")] }),
      ).usage?.details
    assert.deepStrictEqual(of("gpt-4.1-2025-04-14", "web_search_preview"), {
      web_searches: 1,
      unpriced_calls: 1,
    })
    assert.deepStrictEqual(of("gpt-4.1-2025-04-14", "web_search"), { web_searches: 1 })
    assert.deepStrictEqual(of("gpt-5.6-terra", "web_search_preview"), { web_searches: 1 })
  })

  it("is a failure where it says so", () => {
    assert.strictEqual(
      failure({ ...response, status: "failed", error: { code: "server_error" } }),
      "server_error",
    )
    assert.strictEqual(failure({ error: { code: "rate_limit_exceeded", message: "x" } }), "rate_limited")
    assert.strictEqual(failure({ choices: [] }), "bad_response")
    assert.strictEqual(failure("text"), "bad_response")
  })

  const chunksOf = (events: ReadonlyArray<unknown>): ReadonlyArray<ChatChunk> => {
    const reader = protocol.openStream("m", 0)
    return events.flatMap((each) => {
      const reading = reader.read(event(each))
      return reading._tag === "Fault" ? [] : reading.chunks
    })
  }

  it("adds up in its stream", () => {
    const events = [
      { type: "response.created", response: { ...response, output: [] } },
      { type: "response.output_text.delta", delta: "Ro" },
      { type: "response.output_text.delta", delta: "me" },
      { type: "response.completed", response },
    ]
    const chunks = chunksOf(events)
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "Rome")
    assert.isFalse(chunks[0]?.semantic)
    assert.strictEqual(chunks.findLast(({ usage }) => usage !== undefined)?.usage?.usage?.outputTokens, 2)
    assert.strictEqual(chunks.find(({ finishReason }) => finishReason !== undefined)?.finishReason, "stop")
  })

  it("is cut without a terminal event", () => {
    const reader = protocol.openStream("m", 0)
    reader.read(event({ type: "response.output_text.delta", delta: "Ro" }))
    assert.deepInclude(reader.end(""), { _tag: "Fault" })
  })

  it("is whole where its last event lacks no more than a blank line", () => {
    const last = `event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response })}`
    const reader = protocol.openStream("m", 0)
    const end = reader.end(`${last}\n`)
    assert(end._tag === "Done")
    assert.deepInclude(reader.end(last.slice(0, -1)), { _tag: "Fault" })
    const failed = reader.end('data: {"type":"error","code":"rate_limit_exceeded","message":"m"}')
    assert(failed._tag === "Fault")
    assert.strictEqual(failed.fault.kind, "rate_limited")
  })

  it("has said nothing with signs of life and empty items, which another provider may still take over", () => {
    const item = { type: "message", content: [] }
    const chunks = chunksOf([
      { type: "keepalive", sequence_number: 0 },
      { type: "response.created", response: { ...response, output: [] } },
      { type: "response.output_item.added", output_index: 0, item: { type: "reasoning", summary: [] } },
      { type: "response.output_item.added", output_index: 1, item },
      { type: "response.content_part.added", output_index: 1, part: { type: "output_text", text: "" } },
    ])
    assert.isFalse(chunks.some(({ semantic }) => semantic))
    for (const said of [
      { type: "response.output_text.delta", output_index: 0, delta: "R" },
      { type: "response.output_item.added", output_index: 0, item: { type: "function_call", name: "f" } },
      { type: "response.output_item.done", output_index: 0, item: message("Rome") },
    ]) {
      assert.isTrue(chunksOf([said]).some(({ semantic }) => semantic))
    }
  })

  it("passes over an event of nothing", () => {
    const empty = { type: "message", data: "", bytes: Buffer.from("data:\n\n") }
    assert.deepStrictEqual(protocol.openStream("m", 0).read(empty), { _tag: "Chunks", chunks: [] })
  })

  it("may come in the other form", () => {
    const datas = protocol.splitAnswer(response) ?? []
    assert.deepStrictEqual(
      datas.map((each) => JSON.parse(each).type),
      [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
      ],
    )
    const split = chunksOf(datas.map((each) => JSON.parse(each)))
    assert.strictEqual(split.map(({ text }) => text).join(""), "Rome")
    assert.strictEqual(split.findLast(({ usage }) => usage !== undefined)?.usage?.usage?.outputTokens, 2)
    const data = datas.at(-1) ?? ""
    assert.deepStrictEqual(protocol.joinEvents?.([{ data: "x" }, { data }]), response)
    assert.isUndefined(protocol.joinEvents?.([{ data: '{"type":"response.created"}' }]))
    assert.deepStrictEqual(protocol.splitAnswer("x"), undefined)
  })

  const types = fc.constantFrom(
    ...["response.created", "response.output_item.added", "response.output_item.done", "response.completed"],
    ...["response.function_call_arguments.delta", "response.output_text.delta", "response.failed", "error"],
    ...["message", "function_call", "reasoning", "output_text"],
  )
  const oddOver = (inner: fc.Arbitrary<unknown>) =>
    fc.dictionary(
      fc.constantFrom(
        ...["type", "response", "item", "output", "content", "summary", "status", "usage", "delta", "error"],
      ),
      fc.oneof(types, inner, fc.array(inner, { maxLength: 3 })),
      { maxKeys: 5 },
    )
  const odd = oddOver(oddOver(oddOver(fc.jsonValue({ maxDepth: 0 }))))

  it("may be any JSON, and never throws", () => {
    fc.assert(
      fc.property(fc.array(odd, { maxLength: 4 }), (values) => {
        chunksOf(values)
        for (const value of values) {
          const parsed = parse(value)
          if (Result.isSuccess(parsed)) JSON.parse(parsed.success.body().toString())
        }
      }),
      { numRuns: 300 },
    )
  })
})

it("a whole answer in place of a stream is said in chat's chunks", () => {
  const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" }
  const reading = openAiResponses
    .openStream("m", 0)
    .read(event({ type: "response.completed", response: { ...response, output: [message("Rome"), call] } }))
  assert(reading._tag === "Done")
  const said = Buffer.concat(reading.chunks.map(({ event }) => event)).toString()
  assert.include(said, '"content":"Rome"')
  assert.include(said, '"tool_calls":[{"index":0,"id":"c"')
})

it("items of which no piece came are said when they are done", () => {
  const reader = openAiResponses.openStream("m", 0)
  const call = { type: "function_call", call_id: "c", name: "f", arguments: '{"a":1}' }
  const custom = { type: "custom_tool_call", call_id: "d", name: "g", input: "x" }
  const done = (item: object, output_index: number) => ({
    type: "response.output_item.done",
    output_index,
    item,
  })
  const said = [
    { type: "response.output_text.delta", output_index: 0, delta: "Ro" },
    done(message("Ro"), 0),
    done(message("me"), 1),
    { type: "response.output_item.added", output_index: 2, item: call },
    done(call, 2),
    done(custom, 3),
    { type: "response.output_item.added", output_index: 4, item: { ...call, call_id: "e", arguments: "" } },
    { type: "response.function_call_arguments.delta", output_index: 4, delta: '{"a":1}' },
    done({ ...call, call_id: "e" }, 4),
    { type: "response.output_item.added", output_index: 5, item: { ...call, call_id: "g", arguments: "" } },
    { type: "response.function_call_arguments.done", output_index: 5, arguments: '{"a":1}' },
    done({ ...call, call_id: "g" }, 5),
  ].flatMap((each) => {
    const reading = reader.read(event(each))
    assert(reading._tag === "Chunks")
    return reading.chunks
  })
  const deltas = said.map(
    (chunk) => JSON.parse(Buffer.from(chunk.event).toString().slice(6)).choices[0].delta,
  )
  assert.strictEqual(deltas.map(({ content }) => content ?? "").join(""), "Rome")
  const inputs = ["", "", "", ""]
  for (const piece of deltas.flatMap(({ tool_calls = [] }) => tool_calls)) {
    inputs[piece.index] += piece.function?.arguments ?? piece.custom?.input
  }
  assert.deepStrictEqual(inputs, ['{"a":1}', "x", '{"a":1}', '{"a":1}'])
})

describe("models", () => {
  it("are asked where they answer", () => {
    for (const model of [
      "gpt-5.5-pro",
      "o3-pro-2025-06-10",
      "o4-mini-deep-research",
      "gpt-5.3-codex",
      "gpt-5-codex",
    ]) {
      assert.isTrue(isForResponses(model), model)
    }
    for (const model of ["gpt-5.4", "gpt-4o", "o3", "gpt-5.4-mini"])
      assert.isFalse(isForResponses(model), model)
    assert.isFalse(takesResponses("gpt-4o-audio-preview"))
    assert.isFalse(takesResponses("gpt-5-search-api"))
    assert.isTrue(takesResponses("gpt-4o"))
  })

  it("refuse tools in chat from gpt-5.4 on, and later ones whatever the effort but none", () => {
    const refused = (model: string, effort?: string) => refusesToolsInChat(model, effort)
    assert.isTrue(refused("gpt-5.4", "low"))
    assert.isFalse(refused("gpt-5.4"))
    assert.isTrue(refused("gpt-5.5"))
    assert.isTrue(refused("gpt-5.6-sol"))
    assert.isFalse(refused("gpt-5.6-sol", "none"))
    assert.isFalse(refused("gpt-5.2", "high"))
    assert.isFalse(refused("gpt-4o", "high"))
  })

  it("are asked for reasoning when they have it", () => {
    for (const model of ["o3", "gpt-5.4-mini", "ft:gpt-5:org"]) assert.isTrue(reasons(model), model)
    for (const model of ["gpt-4o", "gpt-5-chat-latest"]) assert.isFalse(reasons(model), model)
  })
})

it("a chat of any JSON is put into words or refused, and never throws", () => {
  const message = fc.record({
    role: fc.constantFrom("user", "assistant", "tool", "developer", "function"),
    content: fc.oneof(
      fc.constant(null),
      fc.string(),
      fc.array(fc.record({ type: fc.constantFrom("text", "image_url", "x"), text: fc.string() })),
    ),
    tool_calls: fc.jsonValue({ maxDepth: 2 }),
    reasoning_details: fc.jsonValue({ maxDepth: 2 }),
  })
  const fields = fc.dictionary(
    fc.constantFrom(
      "tools",
      "tool_choice",
      "response_format",
      "stop",
      "n",
      "verbosity",
      "temperature",
      "unknown",
    ),
    fc.jsonValue({ maxDepth: 2 }),
  )
  fc.assert(
    fc.property(fields, fc.array(message), (rest, messages) => {
      const request = { ...rest, messages } as unknown as ChatRequest
      const lowered = openAiResponses.lower({ _tag: "Chat", request, mode: "whole" }, "gpt-5.5")
      if (Result.isSuccess(lowered)) JSON.parse(String(lowered.success.write("stream")))
      else assert.isString(lowered.failure.param)
    }),
  )
})
