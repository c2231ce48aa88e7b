import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { joinEvents, splitAnswer } from "../../../../src/providers/protocols/openai-chat/other-form.ts"

const head = { id: "chatcmpl-1", created: 1, model: "m" }
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const chunk = (delta: object, finish_reason: string | null = null, index = 0) => ({
  ...head,
  object: "chat.completion.chunk",
  choices: [{ index, delta, finish_reason }],
})
const join = (...events: ReadonlyArray<unknown>) =>
  joinEvents([...events.map((json) => ({ data: JSON.stringify(json) })), { data: "[DONE]" }])

describe("events in place of a whole answer", () => {
  it("are joined, text to text and call to call", () => {
    assert.deepStrictEqual(
      join(
        chunk({ role: "assistant", content: "" }),
        chunk({ reasoning_content: "Let me " }),
        chunk({ reasoning_content: "see." }),
        chunk({ content: "Hel" }),
        chunk({ content: "lo" }),
        chunk({
          tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "now", arguments: "" } }],
        }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }),
        chunk({ tool_calls: [{ index: 0, function: { name: null, arguments: ":1}" } }] }),
        chunk({ content: "second" }, null, 1),
        chunk({}, "stop", 1),
        chunk({}, "tool_calls"),
        { ...head, choices: [], usage },
      ),
      {
        ...head,
        service_tier: undefined,
        object: "chat.completion",
        choices: [
          {
            index: 0,
            message: {
              role: "assistant",
              content: "Hello",
              reasoning_content: "Let me see.",
              tool_calls: [{ id: "c1", type: "function", function: { name: "now", arguments: '{"a":1}' } }],
            },
            finish_reason: "tool_calls",
          },
          { index: 1, message: { role: "assistant", content: "second" }, finish_reason: "stop" },
        ],
        usage,
      },
    )
  })

  it("count what is not all zeros, also in the choice", () => {
    const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
    const counted = { ...chunk({ content: "a" }, "stop"), usage }
    assert.deepStrictEqual(join(counted, { ...head, choices: [], usage: zeros })?.usage, usage)
    const inChoice = { ...head, choices: [{ index: 0, delta: {}, finish_reason: "stop", usage }] }
    assert.deepStrictEqual(join(chunk({ content: "a" }), inChoice)?.usage, usage)
  })

  it("are none when they were cut", () => {
    assert.isUndefined(join(chunk({ content: "Hel" })))
    assert.isUndefined(join(chunk({ content: "a" }, "stop"), chunk({ content: "b" }, "", 1)))
    assert.isUndefined(join())
  })

  it("are the error among them", () => {
    const error = { error: { message: "overloaded" } }
    assert.deepStrictEqual(join(chunk({ content: "a" }), error, chunk({}, "stop")), error)
  })
})

describe("a whole answer in place of events", () => {
  const message = fc.record(
    {
      role: fc.constant("assistant"),
      content: fc.option(fc.string()),
      reasoning_content: fc.string(),
      tool_calls: fc.array(
        fc.record({
          id: fc.string({ minLength: 1 }),
          type: fc.constant("function"),
          function: fc.record({ name: fc.string(), arguments: fc.json() }),
        }),
        { minLength: 1 },
      ),
    },
    { requiredKeys: ["role", "content"] },
  )
  const answer = fc.record({
    ...Object.fromEntries(Object.entries(head).map(([name, value]) => [name, fc.constant(value)])),
    object: fc.constant("chat.completion"),
    choices: fc
      .array(fc.record({ message, finish_reason: fc.constantFrom("stop", "length", "tool_calls") }), {
        minLength: 1,
      })
      .map((choices) => choices.map((choice, index) => ({ index, ...choice }))),
    usage: fc.constantFrom(usage, undefined),
  })

  it("is split into what is joined to the same", () => {
    fc.assert(
      fc.property(answer, (json) => {
        const datas = splitAnswer(json)
        assert(datas !== undefined)
        const { service_tier: _, ...joined } = joinEvents(datas.map((data) => ({ data }))) ?? {}
        assert.deepStrictEqual(JSON.parse(JSON.stringify(joined)), JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  it("is an error where it is one, and nothing where it is no object", () => {
    const error = { error: { message: "overloaded" } }
    assert.deepStrictEqual(splitAnswer(error), [JSON.stringify(error)])
    assert.isUndefined(splitAnswer(undefined))
    assert.isUndefined(splitAnswer([1]))
  })
})
