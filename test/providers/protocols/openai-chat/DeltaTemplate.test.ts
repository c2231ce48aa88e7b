import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { DeltaTemplate } from "../../../../src/providers/protocols/openai-chat/DeltaTemplate.ts"
import { openStream } from "../../../../src/providers/protocols/openai-chat/stream.ts"

const event = (data: string) => ({ type: "message", data, bytes: Buffer.from(`data: ${data}\n\n`) })

const delta = (content: unknown, more: object = {}, choice: object = {}) =>
  JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    model: "m",
    choices: [{ index: 0, delta: { content }, finish_reason: null, ...choice }],
    ...more,
  })

/** A template that has seen one delta of text. */
const taught = (data: string) => {
  const template = new DeltaTemplate()
  template.learn(data, JSON.parse(data))
  return template
}

describe("the form of a stream's deltas", () => {
  it("is known after the first of them", () => {
    const read = taught(delta("Hel")).read(event(delta("lo")))
    assert.deepInclude(read, {
      text: "lo",
      generated: 2,
      semantic: true,
      model: "m",
      finishReason: undefined,
    })
    assert.strictEqual(Buffer.from(read?.event ?? []).toString(), `data: ${delta("lo")}\n\n`)
  })

  it("does not include OpenAI's padding, which differs in every event", () => {
    const template = taught(delta("Hel", { obfuscation: "aX3" }))
    assert.strictEqual(template.read(event(delta("lo", { obfuscation: "bbYq9" })))?.text, "lo")
    assert.strictEqual(template.read(event(delta("lo")))?.text, "lo")
    assert.isUndefined(template.read(event(delta("lo", { obfuscation: 'a"b' }))))
  })

  it.each([
    ["escapes", delta('a "quote"')],
    ["a line break", delta("a\nb")],
    ["an end", delta("", {}, { finish_reason: "stop" })],
    ["usage", delta("x", { usage: { prompt_tokens: 1, completion_tokens: 1 } })],
    ["an error", '{"error":{"message":"overloaded"}}'],
    ["another choice", delta("x", {}, { index: 1 })],
    ["a tool call", delta(null, {}, { delta: { tool_calls: [] } })],
    ["something behind it", `${delta("x")}}`],
    ["the terminal event", "[DONE]"],
  ])("is not that of an event with %s", (_, data) => {
    assert.isUndefined(taught(delta("Hel")).read(event(data)))
  })

  it("is not taken from words that stand elsewhere in the event too", () => {
    const data = JSON.stringify({ note: { content: "same" }, choices: [{ delta: { content: "same" } }] })
    assert.isUndefined(taught(data).read(event(data)))
  })
})

describe("a stream read by its form", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.constantFrom("", "\\", '"', "\n", '"content":"x"', "obfuscation", "é", "\u{1f600}"),
  )
  const chunk = fc.record({
    content: fc.oneof({ weight: 8, arbitrary: text }, { weight: 1, arbitrary: fc.constant(null) }),
    more: fc.oneof(
      { weight: 6, arbitrary: fc.constant({}) },
      { weight: 2, arbitrary: fc.record({ obfuscation: text }) },
      { weight: 1, arbitrary: fc.constant({ usage: { prompt_tokens: 3, completion_tokens: 2 } }) },
      { weight: 1, arbitrary: fc.record({ system_fingerprint: text }) },
    ),
    choice: fc.oneof(
      { weight: 8, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.constantFrom({ finish_reason: "stop" }, { index: 1 }, { logprobs: null }) },
    ),
  })

  it("is understood as one whose every event is parsed", () => {
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
        const events = chunks.map(({ content, more, choice }) => event(delta(content, more, choice)))
        const reader = openStream(true)
        const byForm = events.map((each) => reader.read(each))
        // A new reader knows no form yet: it parses its first event.
        const parsed = events.map((each) => openStream(true).read(each))
        assert.deepStrictEqual(byForm, parsed)
      }),
      { numRuns: 3_000 },
    )
  })
})
