import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readRequest as readMessages } from "../../src/dialects/messages/request.ts"
import { readRequest as readResponses } from "../../src/dialects/responses/request.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { asksFor, parameterOf, whyKept } from "../../src/domain/parameters.ts"
import type { ReadRequest, Task } from "../../src/domain/Task.ts"

const chat = (fields: object): Task => ({
  _tag: "Chat",
  request: { messages: [], ...fields } as ChatRequest,
  mode: "whole",
})
const whole = (request: ReadRequest): Task => ({ ...request, mode: "whole" })
const messages = (fields: object): Task =>
  whole(
    Result.getOrThrow(
      readMessages({ messages: [{ role: "user", content: "Hi" }], max_tokens: 9, ...fields }),
    ),
  )
const responses = (fields: object): Task =>
  whole(Result.getOrThrow(readResponses({ input: "Hi", ...fields })))

const asks = (task: Task, name: string): boolean => {
  const parameter = parameterOf(name)
  assert.isDefined(parameter, name)
  return parameter !== undefined && asksFor(task, parameter)
}

describe("the name of a parameter", () => {
  it.each([
    ["temperature", "temperature"],
    ["tools[0].function.strict", "tools.function.strict"],
    ["tools.12.function.strict", "tools.function.strict"],
    ["response_format.type=json_object", "response_format.type=json_object"],
    // Other dialects' and vendors' names of the same.
    ["stop_sequences", "stop"],
    ["output_config.effort", "reasoning_effort"],
    ["reasoning.effort", "reasoning_effort"],
    ["text.format", "response_format"],
    ["metadata.user_id", "user"],
    ["generation_config.top_p", "top_p"],
    ["generationConfig.candidate_count", "n"],
  ])("%s is chat's %s", (said, name) => {
    assert.strictEqual(parameterOf(said)?.name, name)
  })

  it.each(["", "$.x", "0", "a b", "x".repeat(65), "'seed'"])("is not %s", (said) => {
    assert.isUndefined(parameterOf(said))
  })
})

describe("a task", () => {
  it.each([
    ["temperature", { temperature: 0 }],
    ["logit_bias", { logit_bias: { 50256: -100 } }],
    ["stop", { stop: ["\n"] }],
    ["stop", { stop: "\n" }],
    ["n", { n: 2 }],
    ["logprobs", { logprobs: true }],
    ["parallel_tool_calls", { parallel_tool_calls: false }],
    ["parallel_tool_calls", { parallel_tool_calls: true }],
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["tools.function.strict", { tools: [{ function: {} }, { function: { strict: true } }] }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["response_format.type=json_object", { response_format: { type: "json_object" } }],
    ["response_format.type=json_schema", { response_format: { type: "json_schema", json_schema: {} } }],
    ["reasoning_effort=none", { reasoning_effort: "none" }],
    // After OpenRouter.
    ["reasoning_effort", { reasoning: { effort: "low" } }],
    ["min_p", { min_p: 0.1 }],
  ])("asks for %s by %j", (name, fields) => {
    assert.isTrue(asks(chat(fields), name))
  })

  it.each([
    ["temperature", {}],
    ["temperature", { temperature: null }],
    ["temperature", { temperature: 1 }],
    ["top_p", { top_p: 1 }],
    ["presence_penalty", { presence_penalty: 0 }],
    ["n", { n: 1 }],
    ["logprobs", { logprobs: false }],
    ["logit_bias", { logit_bias: {} }],
    ["stop", { stop: [] }],
    ["tools", { tools: [] }],
    ["tools.function.strict", { tools: [{ function: { name: "strict" } }] }],
    ["response_format", { response_format: { type: "text" } }],
    ["response_format.type=json_object", { response_format: { type: "json_schema", json_schema: {} } }],
    ["reasoning_effort=none", { reasoning_effort: "low" }],
    ["effort", { reasoning: { effort: "low" } }],
    // What is usual for one parameter is something for another.
    ["temperature", { temperature: [] }],
  ])("does not ask for %s by %j", (name, fields) => {
    assert.isFalse(asks(chat(fields), name))
  })

  it("asks for streaming by its mode alone", () => {
    assert.isTrue(asks({ ...chat({}), mode: "stream" } as Task, "stream"))
    assert.isFalse(asks(chat({ stream: true }), "stream"))
  })

  it("is read in every dialect", () => {
    const schema = { type: "json_schema", name: "s", schema: { type: "object" } }
    for (const [task, ...names] of [
      [messages({ temperature: 0.5 }), "temperature"],
      [messages({ top_k: 5 }), "top_k"],
      [messages({ stop_sequences: ["x"] }), "stop", "stop_sequences"],
      [messages({ metadata: { user_id: "u" } }), "user", "metadata.user_id"],
      [messages({ output_config: { effort: "high" } }), "reasoning_effort", "reasoning_effort=high"],
      [responses({ temperature: 0.5 }), "temperature"],
      [responses({ truncation: "auto" }), "truncation"],
      [responses({ reasoning: { effort: "high" } }), "reasoning_effort", "output_config.effort"],
      [responses({ text: { format: schema } }), "response_format", "response_format.type=json_schema"],
      [responses({ text: { verbosity: "low" } }), "verbosity"],
      [responses({ tools: [{ type: "function", name: "f", strict: true }] }), "tools.strict"],
    ] as const) {
      for (const name of names) assert.isTrue(asks(task, name), name)
      assert.isFalse(asks(task, "seed"))
    }
    // What is one client's name of a user is another's own.
    assert.isFalse(asks(chat({ metadata: { user_id: "u" } }), "user"))
  })
})

describe("a parameter that changes the answer for its client", () => {
  const kept = (name: string) => {
    const parameter = parameterOf(name)
    return parameter === undefined ? "no parameter" : whyKept(parameter)
  }

  it.each([
    ...["messages", "input", "model", "tools", "tools.function.strict", "tool_choice", "parallel_tool_calls"],
    ...["response_format", "text.format", "output_config.format", "stream", "n", "logprobs", "top_logprobs"],
    ...["stop", "stop_sequences", "max_tokens", "max_output_tokens", "service_tier", "dimensions"],
  ])("is never left out: %s", (name) => {
    assert.isString(kept(name))
  })

  it.each(["temperature", "top_p", "logit_bias", "seed", "user", "reasoning.effort", "thinking", "top_k"])(
    "may be something else: %s",
    (name) => {
      assert.isUndefined(kept(name))
    },
  )
})
