import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Result } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { defaultSimulation } from "../../src/config/builtin-providers.ts"
import type { ChatChunk, ChatRequest } from "../../src/domain/Chat.ts"
import { makeSimulated } from "../../src/providers/vendors/simulated/simulated.ts"
import * as calls from "./calls.ts"

/** What simulated answers say, whole and streamed; how and when they come is tested beside. */

const provider = makeSimulated({
  kind: "simulated",
  name: "sim",
  models: [{ name: "m", kind: "chat", maxOutputTokens: 4_000 }],
  simulation: { ...defaultSimulation, medianMs: 0, p95Ms: 0, msPerOutputToken: 0 },
})

const tool = (name: string, description = "", parameters: object = { type: "object", properties: {} }) => ({
  type: "function",
  function: { name, description, parameters },
})

const weather = tool("get_weather", "Returns how warm and windy a place is", {
  type: "object",
  properties: { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } },
  required: ["city"],
})
const time = tool("getLocalTime", "Tells what a clock shows there")
const tools = [time, weather]

const request = (content: string, more: Partial<ChatRequest> = {}): ChatRequest => ({
  messages: [{ role: "user", content }],
  ...more,
})

const whole = (asked: ChatRequest) =>
  Effect.gen(function* () {
    const completion = yield* calls.complete(yield* provider, {
      model: "m",
      request: asked,
      timeoutMs: 60_000,
    })
    return { completion, body: JSON.parse(String(completion.body())) }
  }).pipe(Random.withSeed("answer"))

const streamed = (asked: ChatRequest) =>
  Effect.gen(function* () {
    const chunks: Array<ChatChunk> = []
    const sink = {
      write: (chunk: ChatChunk) => {
        chunks.push(chunk)
        return true
      },
      onRoom: () => {},
    }
    yield* calls.stream(yield* provider, { model: "m", request: asked, timeoutMs: 60_000 }, sink)
    return chunks.map((chunk) => ({ chunk, data: JSON.parse(Buffer.from(chunk.event).toString().slice(6)) }))
  }).pipe(Random.withSeed("answer"))

interface Call {
  readonly id: string
  readonly type: string
  readonly function: { readonly name: string; arguments: string }
  readonly custom: { readonly name: string; input: string }
}

interface Said {
  content: string
  readonly calls: Array<Call>
  finish: unknown
}

interface Delta {
  readonly tool_calls?: ReadonlyArray<Partial<Call> & { readonly index: number }>
}

interface WireChoice {
  readonly index: number
  readonly message: { readonly content: string; readonly tool_calls?: Array<Call> }
  readonly finish_reason: unknown
}

/** The choices of a stream, put together as a client does. */
const together = (events: Effect.Success<ReturnType<typeof streamed>>) => {
  const choices: Array<Said> = []
  for (const { data } of events) {
    for (const { index, delta, finish_reason } of data.choices) {
      choices[index] ??= { content: delta.content, calls: [], finish: null }
      const choice = choices[index]
      if (delta.role === undefined && delta.content !== undefined) choice.content += delta.content
      for (const { index: nth, ...call } of delta.tool_calls ?? []) {
        const known = choice.calls[nth]
        if (known === undefined) choice.calls[nth] = structuredClone(call)
        else if (call.function) known.function.arguments += call.function.arguments
        else known.custom.input += call.custom.input
      }
      choice.finish = finish_reason ?? choice.finish
    }
  }
  return choices
}

/** Asserts that a stream says what the whole answer says, and returns the choices. */
const both = Effect.fnUntraced(function* (asked: ChatRequest) {
  const { completion, body } = yield* whole(asked)
  const events = yield* streamed(asked)
  const choices: [Said, ...Array<Said>] = body.choices.map(
    ({ message, finish_reason }: WireChoice): Said => ({
      content: message.content,
      calls: message.tool_calls ?? [],
      finish: finish_reason,
    }),
  )
  assert.deepStrictEqual(together(events), choices)
  assert.strictEqual(events.map(({ chunk }) => chunk.text).join(""), completion.text)
  assert.strictEqual(completion.text, choices[0].content ?? "")
  assert.deepStrictEqual(events.at(-1)?.chunk.usage?.usage, completion.usage)
  assert.deepStrictEqual(
    body.choices.map(({ index }: WireChoice) => index),
    [...choices.keys()],
  )
  return { choices, usage: body.usage, message: body.choices[0].message, events }
})

const called = (asked: ChatRequest) =>
  Effect.map(both(asked), ({ choices }) =>
    choices[0].calls.map((call) => (call.function ?? call.custom).name),
  )

describe("a simulated answer with tools", () => {
  it.effect("calls the one that a user's message names, with arguments of its schema", () =>
    Effect.gen(function* () {
      const { choices, message, usage } = yield* both(request("What is the weather in Oslo?", { tools }))
      const [call] = message.tool_calls
      assert.deepStrictEqual(message, {
        role: "assistant",
        content: null,
        refusal: null,
        annotations: [],
        tool_calls: [
          {
            id: call.id,
            type: "function",
            function: { name: "get_weather", arguments: '{"city":"simulated","unit":"celsius"}' },
          },
        ],
      })
      assert.strictEqual(choices[0].finish, "tool_calls")
      assert.strictEqual(
        usage.completion_tokens,
        countTokens("get_weather") + countTokens(call.function.arguments),
      )
    }),
  )

  it.effect.each<[string, string, Partial<ChatRequest>, ReadonlyArray<string>]>([
    ["a word of the description", "Is it windy?", {}, ["get_weather"]],
    ["a name in camel case", "What time is it?", {}, ["getLocalTime"]],
    ["nothing of any", "Hello, what can you do for me?", {}, []],
    ["two names", "weather and time", {}, ["getLocalTime", "get_weather"]],
    ["two names, one call allowed", "weather and time", { parallel_tool_calls: false }, ["getLocalTime"]],
    ["nothing, a call required", "Hello", { tool_choice: "required" }, ["getLocalTime"]],
    ["a name, a call required", "The weather", { tool_choice: "required" }, ["get_weather"]],
    ["a name, none allowed", "The weather", { tool_choice: "none" }, []],
    [
      "another one than is chosen",
      "The weather",
      { tool_choice: { type: "function", function: { name: "getLocalTime" } } },
      ["getLocalTime"],
    ],
    [
      "one that is not allowed",
      "The weather",
      {
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "getLocalTime" } }] },
        },
      },
      [],
    ],
    [
      "one that is not allowed, a call required",
      "The weather",
      {
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: {
            mode: "required",
            tools: [{ type: "function", function: { name: "getLocalTime" } }],
          },
        },
      },
      ["getLocalTime"],
    ],
  ])("calls for a message with %s", ([, content, more, expected]) =>
    Effect.map(called(request(content, { tools, ...more })), (names) =>
      assert.deepStrictEqual(names, expected),
    ),
  )

  it.effect("is a text after a tool's result, which ends the loop", () =>
    Effect.gen(function* () {
      const first = yield* both(request("The weather in Oslo?", { tools }))
      const messages: ChatRequest["messages"] = [
        { role: "user", content: "The weather in Oslo?" },
        first.message,
        { role: "tool", tool_call_id: first.message.tool_calls[0].id, content: "windy weather" },
      ]
      const second = yield* both({ messages, tools })
      assert.isTrue(second.message.content.startsWith("[simulated]"))
      assert.deepStrictEqual(yield* called({ messages, tools, tool_choice: "required" }), ["getLocalTime"])
    }),
  )

  it.effect("streams a call as its head, pieces of its arguments and the end", () =>
    Effect.gen(function* () {
      const { events, message } = yield* both(request("weather and time", { tools }))
      const deltas = events.flatMap(({ data }) => data.choices.map(({ delta }: { delta: Delta }) => delta))
      assert.deepStrictEqual(deltas[0], { role: "assistant", content: null, refusal: null })
      const [first, second] = message.tool_calls
      const heads = deltas.filter(({ tool_calls }) => tool_calls?.[0].id !== undefined)
      assert.deepStrictEqual(heads, [
        { tool_calls: [{ index: 0, ...first, function: { name: "getLocalTime", arguments: "" } }] },
        { tool_calls: [{ index: 1, ...second, function: { name: "get_weather", arguments: "" } }] },
      ])
      assert.notStrictEqual(first.id, second.id)
      assert.isAbove(deltas.filter(({ tool_calls }) => tool_calls?.[0].index === 1).length, 2)
      assert.deepStrictEqual(deltas.at(-1), {})
      for (const { chunk, data } of events.slice(1, -1)) {
        assert.isTrue(chunk.semantic)
        const [call] = data.choices[0].delta.tool_calls ?? []
        const said = (call?.function.name ?? "") + (call?.function.arguments ?? "")
        assert.strictEqual(chunk.generated, said.length)
      }
    }),
  )

  it.effect("gives a tool of free text a text, of its grammar where that is a regular expression", () =>
    Effect.gen(function* () {
      const plain = { type: "custom", custom: { name: "run_code" } }
      const { message } = yield* both(request("Hi", { tools: [plain], tool_choice: "required" }))
      assert.deepInclude(message.tool_calls[0], {
        type: "custom",
        custom: { name: "run_code", input: "simulated" },
      })
      const format = { type: "grammar", grammar: { syntax: "regex", definition: "\\d{3}-[xy]" } }
      const grammar = { type: "custom", custom: { name: "dial", format } }
      const choice = { type: "custom", custom: { name: "dial" } }
      const dialled = yield* both(request("Hi", { tools: [plain, grammar], tool_choice: choice }))
      assert.strictEqual(dialled.message.tool_calls[0].custom.input, "000-x")
    }),
  )

  it.effect.each<[string, Partial<ChatRequest>]>([
    ["a call without tools", { tool_choice: "required" }],
    ["a tool that there is not", { tools, tool_choice: { type: "function", function: { name: "other" } } }],
  ])("refuses %s", ([, more]) =>
    Effect.gen(function* () {
      const result = yield* Effect.result(whole(request("Hi", more)))
      assert(Result.isFailure(result))
      assert.deepInclude(result.failure, { kind: "bad_request", status: 400, param: "tool_choice" })
    }),
  )

  it.effect("refuses to call a function of before there were tools, and answers beside them", () =>
    Effect.gen(function* () {
      const functions = [{ name: "get_weather", parameters: { type: "object" } }]
      const asked = (function_call: unknown) => request("Hi", { functions, function_call })
      const result = yield* Effect.result(whole(asked({ name: "get_weather" })))
      assert(Result.isFailure(result))
      assert.deepInclude(result.failure, { kind: "bad_request", status: 400, param: "function_call" })
      for (const choice of ["auto", "none", undefined]) yield* whole(asked(choice))
    }),
  )

  it.effect("cuts the arguments where the tokens end", () =>
    Effect.gen(function* () {
      const { choices, usage } = yield* both(request("The weather", { tools, max_completion_tokens: 6 }))
      assert.strictEqual(choices[0].finish, "length")
      assert.strictEqual(usage.completion_tokens, 6)
      const text = choices[0].calls[0]?.function.arguments ?? ""
      assert.isTrue(text !== "" && '{"city":"simulated","unit":"celsius"}'.startsWith(text))
    }),
  )
})

describe("a simulated answer in JSON", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string" },
      dates: { type: "array", items: { type: "string", format: "date" } },
    },
    required: ["name", "dates"],
    additionalProperties: false,
  }
  const response_format = { type: "json_schema", json_schema: { name: "event", strict: true, schema } }

  it.effect("is an instance of the schema asked for", () =>
    Effect.gen(function* () {
      const { choices, usage } = yield* both(request("Hi", { response_format, tools }))
      assert.strictEqual(choices[0].content, '{"name":"simulated","dates":["2026-01-01"]}')
      assert.strictEqual(choices[0].finish, "stop")
      assert.strictEqual(usage.completion_tokens, countTokens(choices[0].content))
    }),
  )

  it.effect("is an object that says it is simulated without a schema", () =>
    Effect.gen(function* () {
      for (const format of [{ type: "json_object" }, { type: "json_schema", json_schema: { name: "any" } }]) {
        const { choices } = yield* both(request("Hi", { response_format: format }))
        assert.deepInclude(JSON.parse(choices[0].content), { simulated: true })
      }
    }),
  )

  it.effect("is cut by the request's limit, by the model's, and where a schema has no end", () =>
    Effect.gen(function* () {
      const short = yield* both(request("Hi", { response_format, max_tokens: 5 }))
      assert.deepStrictEqual([short.choices[0].finish, short.usage.completion_tokens], ["length", 5])
      const long = {
        type: "json_schema",
        json_schema: { schema: { type: "array", minItems: 3_000, items: {} } },
      }
      const limited = yield* both(request("Hi", { response_format: long }))
      assert.deepStrictEqual([limited.choices[0].finish, limited.usage.completion_tokens], ["length", 4_000])
      const endless = { type: "json_schema", json_schema: { schema: { type: "string", minLength: 10 ** 9 } } }
      const cut = yield* both(request("Hi", { response_format: endless }))
      assert.strictEqual(cut.choices[0].finish, "length")
    }),
  )
})

describe("a simulated answer", () => {
  it.effect("has as many choices as asked for, counted together, with calls of their own", () =>
    Effect.gen(function* () {
      const texts = yield* both(request("Hi", { n: 3 }))
      const contents: ReadonlyArray<string> = texts.choices.map(({ content }) => content)
      assert.strictEqual(new Set(contents).size, 3)
      assert.strictEqual(
        texts.usage.completion_tokens,
        contents.reduce((sum, text) => sum + countTokens(text), 0),
      )
      const calling = yield* both(request("The weather", { n: 128, tools }))
      const ids = calling.choices.map(({ calls: [call] }) => call?.id ?? "")
      assert.strictEqual(new Set(ids).size, 128)
      assert.isTrue(ids.every((id: string) => /^call_\w{10,35}$/.test(id)))
    }),
  )

  it.effect("stops before what the client wants to stop at", () =>
    Effect.gen(function* () {
      for (const stop of [" comes", ["never", " comes", ""]]) {
        const { choices, usage } = yield* both(request("Hi", { stop }))
        const text = "[simulated] No model was asked: this answer"
        assert.deepStrictEqual(choices[0], { content: text, calls: [], finish: "stop" })
        assert.strictEqual(usage.completion_tokens, countTokens(text))
      }
      const { choices } = yield* both(request("Hi", { stop: "[", n: 2 }))
      assert.deepStrictEqual(choices[1], { content: "", calls: [], finish: "stop" })
    }),
  )

  it.effect("keeps its mark and its count under any limit", () =>
    Effect.gen(function* () {
      for (let limit = 1; limit < 200; limit += limit < 40 ? 1 : 40) {
        const { choices, usage } = yield* both(request("Hi".repeat(5_000), { max_tokens: limit }))
        const text: string = choices[0].content
        assert.isTrue(text.startsWith("[simulated]"))
        assert.isAtMost(usage.completion_tokens, limit)
        if (limit >= countTokens("[simulated]"))
          assert.strictEqual(countTokens(text), usage.completion_tokens)
      }
    }),
  )

  it.effect("stays within megabytes whatever is asked for", () =>
    Effect.gen(function* () {
      const schema = { type: "array", minItems: 10 ** 6, items: { type: "string", minLength: 100 } }
      const response_format = { type: "json_schema", json_schema: { schema } }
      const { completion } = yield* whole(request("Hi", { n: 128, response_format }))
      assert.isBelow(completion.body().length, 2_000_000)
    }),
  )
})
