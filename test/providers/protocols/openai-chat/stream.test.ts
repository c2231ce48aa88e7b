import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { FinishReason } from "../../../../src/domain/Chat.ts"
import type { ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"
import type { Reading } from "../../../../src/providers/protocols/Protocol.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"

const open = () => openAiChat({ isOpenAi: false }).openStream("m", 0)

const eventOf = (data: string, type = "message") => ({
  bytes: Buffer.from(`data: ${data}\n\n`),
  type,
  data,
})

const read = (json: unknown): Reading => open().read(eventOf(JSON.stringify(json)))

/** The one chunk of an event. */
const chunkOf = (json: unknown) => {
  const reading = read(json)
  if (reading._tag !== "Chunks" || reading.chunks[0] === undefined) throw new Error(JSON.stringify(reading))
  assert.strictEqual(reading.chunks.length, 1)
  return reading.chunks[0]
}

const deltas = (...each: ReadonlyArray<object>) => ({
  object: "chat.completion.chunk",
  model: "gpt-x-2026",
  choices: each.map((delta, index) => ({ index, delta, logprobs: null, finish_reason: null })),
})

const faultOf = (reading: Reading) => {
  if (reading._tag !== "Fault") throw new Error(JSON.stringify(reading))
  return reading.fault
}

describe("a chunk", () => {
  it("is the event's own bytes and what they say", () => {
    const event = eventOf(JSON.stringify(deltas({ content: "hi" })))
    const reading = open().read(event)
    assert.deepStrictEqual(reading, {
      _tag: "Chunks",
      chunks: [
        {
          event: event.bytes,
          text: "hi",
          generated: 2,
          semantic: true,
          usageOnly: false,
          model: "gpt-x-2026",
          finishReason: undefined,
          usage: undefined,
        },
      ],
    })
    assert.strictEqual(reading._tag === "Chunks" && reading.chunks[0]?.event, event.bytes)
  })

  it.each<[name: string, delta: object]>([
    ["a role", { role: "assistant" }],
    ["a role with empty content", { role: "assistant", content: "", refusal: null }],
    ["a role with no content and nothing called", { role: "assistant", content: null, tool_calls: [] }],
    ["an empty delta", {}],
    ["empty values under names unknown to us", { invented: "", other: null, more: [], still: {}, no: false }],
  ])("with %s says nothing", (_name, delta) => {
    assert.deepInclude(chunkOf(deltas(delta)), { semantic: false, text: "", generated: 0 })
  })

  it.each<[name: string, delta: object, generated: number]>([
    ["content", { content: "abc" }, 3],
    ["a space", { content: " " }, 1],
    ["a refusal", { refusal: "no" }, 2],
    ["reasoning", { reasoning_content: "hmm" }, 3],
    ["reasoning under its other name", { reasoning: "hmm" }, 3],
    ["reasoning under both, counted once", { reasoning: "hmm", reasoning_content: "hmm" }, 3],
    [
      "tool calls",
      {
        tool_calls: [
          { index: 0, id: "c", function: { name: "f", arguments: "" } },
          { function: { arguments: "{}" } },
        ],
      },
      3,
    ],
    ["a function call", { function_call: { name: "f", arguments: "{" } }, 2],
    ["something unknown to us", { invented: 1 }, 0],
    ["something deep and unknown to us", { audio: { id: "a" } }, 0],
  ])("with %s says something", (_name, delta, generated) => {
    assert.deepInclude(chunkOf(deltas({ role: "assistant", ...delta })), { semantic: true, generated })
  })

  it("gives the text of the first choice, and counts those of all", () => {
    assert.deepInclude(chunkOf(deltas({ content: "one" }, { content: "second" })), {
      text: "one",
      generated: 9,
    })
    const second = { choices: [{ index: 1, delta: { content: "second" }, finish_reason: "stop" }] }
    assert.deepInclude(chunkOf(second), { text: "", generated: 6, semantic: true, finishReason: undefined })
  })

  it("gives a refusal as the text", () => {
    assert.strictEqual(chunkOf(deltas({ refusal: "I can't." })).text, "I can't.")
  })

  it.each<[string, FinishReason]>([
    ["stop", "stop"],
    ["length", "length"],
    ["content_filter", "content_filter"],
    ["tool_calls", "tool_calls"],
    ["function_call", "tool_calls"],
    ["a_reason_of_2030", "other"],
  ])("with finish reason %j says something: %s", (finish_reason, finishReason) => {
    const chunk = chunkOf({ choices: [{ index: 0, delta: {}, finish_reason }] })
    assert.deepInclude(chunk, { semantic: true, finishReason })
  })

  it("with an empty finish reason says nothing by it", () => {
    const chunk = chunkOf({ choices: [{ index: 0, delta: { role: "assistant" }, finish_reason: "" }] })
    assert.isFalse(chunk.semantic)
    assert.isUndefined(chunk.finishReason)
  })

  it("with the usage and no choice is there for the usage only", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 4, invented: 1 }
    assert.deepInclude(chunkOf({ choices: [], usage }), {
      usageOnly: true,
      semantic: false,
      usage: {
        usage: { inputTokens: 3, outputTokens: 4, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
        raw: usage,
      },
    })
  })

  it("with the usage beside a choice is not there for the usage only", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 4 }
    const chunk = chunkOf({ ...deltas({ content: "x" }), usage })
    assert.strictEqual(chunk.usageOnly, false)
    assert.strictEqual(chunk.usage?.usage?.outputTokens, 4)
  })

  it("with nonsense as usage has an unknown one", () => {
    assert.deepStrictEqual(chunkOf({ choices: [], usage: { prompt_tokens: -1 } }).usage, {
      usage: null,
      raw: { prompt_tokens: -1 },
    })
    assert.isUndefined(chunkOf({ choices: [], usage: null }).usage)
  })

  it("with a prompt-filter report (Azure) is passed on and says nothing", () => {
    const chunk = chunkOf({ choices: [], model: "", prompt_filter_results: [{}] })
    assert.deepInclude(chunk, { semantic: false, usageOnly: false, model: undefined })
  })

  it("of another object is passed on and says nothing", () => {
    assert.deepInclude(chunkOf({ object: "invented.object" }), { semantic: false, usageOnly: false })
  })

  it("with an empty error is no error", () => {
    assert.strictEqual(chunkOf({ ...deltas({ content: "x" }), error: null }).text, "x")
  })
})

describe("other events", () => {
  const data = JSON.stringify(deltas({ content: "x" }))

  it("of another name are ignored, even when they are no JSON", () => {
    for (const text of ['{"invented":1}', '{"choices":{}}', "[]", "no JSON", ""]) {
      assert.deepStrictEqual(open().read(eventOf(text, "invented.event")), { _tag: "Chunks", chunks: [] })
    }
  })

  it("of another name are what they hold when that is a part of the answer: a chunk, its end or an error", () => {
    const event = eventOf(data, "completion")
    const reading = open().read(event)
    assert.deepStrictEqual(reading, open().read({ ...event, type: "message" }))
    assert.strictEqual(reading._tag === "Chunks" && reading.chunks[0]?.event, event.bytes)
    assert.strictEqual(open().read(eventOf("[DONE]", "completion"))._tag, "Done")
    const error = JSON.stringify(errorSamples.overloaded.openai.body)
    assert.strictEqual(faultOf(open().read(eventOf(error, "completion"))).kind, "overloaded")
  })

  it("with nothing in them are ignored", () => {
    assert.deepStrictEqual(open().read(eventOf(" ")), { _tag: "Chunks", chunks: [] })
  })

  it("with [DONE] complete the answer", () => {
    for (const text of ["[DONE]", " [DONE] "]) assert.strictEqual(open().read(eventOf(text))._tag, "Done")
  })

  it.each(["hello", "<html>", '{"choices":[', "[]", "null", "42", '"[DONE]"'])(
    "with %s are a bad response",
    (text) => {
      assert.strictEqual(faultOf(open().read(eventOf(text))).kind, "bad_response")
    },
  )

  it("never make the reader throw", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (value, other, text) => {
        const reader = open()
        const all = [
          value,
          { choices: value, usage: other, model: other },
          { choices: [value, { index: value, delta: other, finish_reason: value }] },
          { choices: [{ delta: { content: value, tool_calls: other, function_call: value } }] },
          { error: value, object: other },
        ]
        for (const each of all) {
          for (const type of ["message", "error", "odd"]) reader.read(eventOf(JSON.stringify(each), type))
          reader.end(JSON.stringify(each))
        }
        reader.read(eventOf(text))
        reader.read(eventOf(text, "error"))
        reader.end(text)
      }),
    )
  })
})

describe("an error within the stream", () => {
  const error = (fields: object) => ({
    error: { message: "said", type: null, param: null, code: null, ...fields },
  })

  it.each<[name: string, data: unknown, kind: ProviderErrorKind]>([
    ["invalid_request_error", errorSamples.badRequest.openai.body, "bad_request"],
    ["context_length_exceeded", errorSamples.contextTooLong.openai.body, "context_length_exceeded"],
    [
      "context length in words only",
      error({ message: "maximum context length is 5" }),
      "context_length_exceeded",
    ],
    ["content_policy_violation", errorSamples.contentFilter.openai.body, "content_filter"],
    ["content_filter (Azure)", error({ code: "content_filter" }), "content_filter"],
    ["invalid_api_key", errorSamples.badKey.openai.body, "auth"],
    ["request_forbidden", errorSamples.forbidden.openai.body, "not_enabled"],
    ["model_not_found", errorSamples.modelNotFound.openai.body, "model_not_found"],
    ["rate_limit_exceeded", errorSamples.rateLimited.openai.body, "rate_limited"],
    ["a limit of tokens", error({ type: "tokens" }), "rate_limited"],
    ["slow_down", error({ type: "rate_limit_error", code: "slow_down" }), "overloaded"],
    ["insufficient_quota", errorSamples.quotaExhausted.openai.body, "quota_exhausted"],
    ["type insufficient_quota", error({ type: "insufficient_quota" }), "quota_exhausted"],
    ["project_spend_limit_exceeded", error({ code: "project_spend_limit_exceeded" }), "quota_exhausted"],
    ["server_error", errorSamples.serverError.openai.body, "server_error"],
    ["server_is_overloaded", errorSamples.overloaded.openai.body, "overloaded"],
    ["overloaded_error", error({ type: "overloaded_error" }), "overloaded"],
    ["a number as code", error({ code: 429 }), "rate_limited"],
    ["a number as text", error({ code: "503" }), "overloaded"],
    ["a number that is no error", error({ code: 200 }), "server_error"],
    ["no word that we know", error({ type: "invented", code: "invented" }), "server_error"],
    ["nothing but a text", { error: "it broke" }, "server_error"],
    ["vLLM's flat form", { object: "error", message: "no", type: "BadRequestError", code: 400 }, "refused"],
    [
      "OpenRouter's form, with a choice beside it",
      {
        error: { code: 502, message: "x" },
        choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }],
      },
      "server_error",
    ],
    ["a moderated prompt (OpenRouter)", error({ code: 403, metadata: { reasons: ["x"] } }), "content_filter"],
    [
      "a request that never fits",
      error({
        message: "Request too large for gpt-x on tokens per min (TPM): Limit 10, Requested 20.",
        type: "tokens",
        code: "rate_limit_exceeded",
      }),
      "context_length_exceeded",
    ],
  ])("%s", (_name, data, kind) => {
    const text = JSON.stringify(data)
    assert.strictEqual(faultOf(open().read(eventOf(text))).kind, kind)
    assert.strictEqual(faultOf(open().read(eventOf(text, "error"))).kind, kind)
    assert.strictEqual(faultOf(open().end(text)).kind, kind, "as raw JSON at the end")
    assert.strictEqual(faultOf(open().end(`data: ${text}\n`)).kind, kind, "without its blank line")
  })

  it("is a choice that ends in one, whichever it is", () => {
    const choices = (...last: ReadonlyArray<object>) => ({
      choices: [
        { index: 0, delta: { content: "a" }, finish_reason: null },
        ...last.map((each) => ({ index: 1, delta: { content: "" }, finish_reason: "error", ...each })),
      ],
    })
    assert.strictEqual(read(choices())._tag, "Chunks")
    assert.strictEqual(faultOf(read(choices({}))).kind, "server_error")
    assert.strictEqual(faultOf(read(choices({ error: { code: 429, message: "x" } }))).kind, "rate_limited")
  })

  it("is what an event of type error is, whatever its data", () => {
    for (const text of ["it broke", '{"message":"it broke"}', "[]"]) {
      assert.strictEqual(faultOf(open().read(eventOf(text, "error"))).kind, "server_error")
    }
  })

  it("keeps its words only where they are about the client's own request", () => {
    assert.deepInclude(faultOf(read(errorSamples.badRequest.openai.body)), {
      message: "Invalid 'temperature': must be at most 2.",
      param: "temperature",
    })
    const fault = faultOf(read(error({ code: 500, message: "key sk-quoted", param: "sk-quoted" })))
    assert.notInclude(JSON.stringify(fault), "sk-quoted")
  })
})

describe("an end without [DONE] of a vendor that may leave it out", () => {
  const chunk = (index: number, finish_reason: unknown) => ({
    choices: [{ index, delta: { content: "x" }, finish_reason }],
  })
  const endOf = (chunks: ReadonlyArray<object>, rest = "") => {
    const { end, read } = openAiChat({ isOpenAi: false, endsWithDone: false }).openStream("m", 0)
    for (const each of chunks) read(eventOf(JSON.stringify(each)))
    return end(rest)
  }
  const usage = { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }

  it("is whole when every choice has ended", () => {
    assert.strictEqual(endOf([chunk(0, null), chunk(0, "stop")])._tag, "Done")
    assert.strictEqual(endOf([chunk(0, "stop"), usage])._tag, "Done")
    assert.strictEqual(endOf([chunk(0, "stop"), chunk(1, "length")])._tag, "Done")
  })

  it("is cut when one has not, or an event was on its way", () => {
    for (const [chunks, rest] of [
      [[], ""],
      [[chunk(0, null)], ""],
      [[chunk(0, "")], ""],
      [[chunk(0, "stop"), chunk(1, null)], ""],
      [[chunk(0, "stop")], 'data: {"choices":['],
    ] as const) {
      assert.strictEqual(endOf(chunks, rest)._tag, "Fault")
    }
  })
})

describe("an end without [DONE]", () => {
  it.each(["", "\n", 'data: {"choices":[', 'data: {"choices":[]}\n', "garbage", '{"choices":[]}'])(
    "and with %j left over is a truncation",
    (rest) => {
      assert.deepStrictEqual(faultOf(open().end(rest)), {
        kind: "reset",
        detail: "ended without its terminal event",
      })
    },
  )

  it("is none when only the last blank line is missing", () => {
    for (const rest of ["data: [DONE]", "data: [DONE]\n", "data:[DONE]\r\n", "data: [DONE]\r\r"]) {
      assert.deepStrictEqual(open().end(rest), { _tag: "Done", chunks: [] })
    }
  })
})
