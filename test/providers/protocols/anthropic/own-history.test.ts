import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { claudesOwn, othersOwn } from "../../../../src/providers/protocols/anthropic/own-history.ts"
import { claudeRequestFault } from "../../../support/claude-request.ts"
import { scaled } from "../../../support/slowness.ts"

const SEAL =
  "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds6Dz9mWaE0pZkLtXV4pKd6bMqWfCOo1lk0kJqv2t7p9BNEx4pQ=="
const UUID = "91cfbb94-554b-4136-8e21-fa02280d56ed"
/** Sixteen bytes in hexadecimal, as vLLM signs. */
const HEX = "e0f1c2d3a4b5968778695a4b3c2d1e0f"

const thinking = (signature?: string) => ({
  type: "thinking",
  thinking: "x",
  ...(signature !== undefined && { signature }),
})
const call = { type: "tool_use", id: "c", name: "f", input: {} }
const turn = (...content: ReadonlyArray<object>) => ({ role: "assistant", content })
const question = { role: "user", content: [{ type: "image", source: {} }] }

describe("what goes on to Claude", () => {
  it("is what came, but for what Claude never said", () => {
    const own = [question, turn(thinking(SEAL)), turn({ type: "redacted_thinking", data: SEAL })]
    assert.strictEqual(claudesOwn(own), own)
    assert.deepStrictEqual(
      claudesOwn([
        ...own,
        turn(thinking("")),
        turn(thinking(), { type: "image", source: {} }, { ...call, extra_content: { google: {} } }),
      ]),
      [...own, turn(call)],
    )
  })
})

describe("what another vendor's model said and Claude does not take", () => {
  const text = (text: string) => ({ type: "text", text, citations: null })

  it.each([
    ["nothing", [], undefined],
    ["a text without a word", [text("")], undefined],
    ["line breaks before a call", [text("\n\n"), call], [call]],
    ["reasoning alone", [thinking("")], undefined],
    ["reasoning that vLLM or DeepSeek signed", [thinking(HEX), thinking(UUID)], undefined],
    ["words", [text("Hello")], [text("Hello")]],
  ])("%s", (_, said, taken) => {
    const asked = { role: "user", content: "Hi" }
    const answered = taken?.[0] === call ? [result(call.id)] : [text("And?")]
    const messages = [asked, turn(...said), { role: "user", content: answered }]
    const own = claudesOwn(messages)
    assert.deepStrictEqual(
      own,
      taken === undefined ? [asked, messages[2]] : [asked, turn(...taken), messages[2]],
    )
    assertTaken(own)
  })
})

describe("what goes on to another vendor's model", () => {
  it("is its own reasoning, signed or not, and not Claude's", () => {
    const own = [question, turn(thinking()), turn(thinking("")), turn(thinking(UUID)), turn(thinking(HEX))]
    const sealed = { type: "redacted_thinking", data: "openrouter.reasoning:eyJ0ZXh0Ijoi" }
    assert.strictEqual(othersOwn([...own, turn(sealed)]).length, own.length + 1)
    assert.strictEqual(othersOwn(own), own)
    assert.deepStrictEqual(
      othersOwn([
        ...own,
        turn(thinking(SEAL), call),
        turn({ type: "redacted_thinking", data: SEAL }),
        turn({ type: "image", source: {} }, { ...call, extra_content: { google: {} } }),
      ]),
      [...own, turn(call), turn(call)],
    )
  })
})

const use = (id: string) => ({ type: "tool_use", id, name: "weather", input: {} })
const result = (id: string) => ({ type: "tool_result", tool_use_id: id, content: "21" })

/** Turns of calls, each with its results. */
const historyOf = (...turns: ReadonlyArray<ReadonlyArray<string>>) => [
  { role: "user", content: "Hi" },
  ...turns.flatMap((ids) => [
    { role: "assistant", content: ids.map(use) },
    { role: "user", content: ids.map(result) },
  ]),
]

const assertTaken = (messages: ReadonlyArray<unknown>): void => {
  const tools = [{ name: "weather", input_schema: { type: "object" } }]
  assert.isUndefined(claudeRequestFault({ model: "claude-haiku-4-5", max_tokens: 9, messages, tools }))
}

describe("names of calls", () => {
  it("that Claude takes stay, and the whole list with them", () => {
    const history = historyOf(["toolu_1", "toolu_2"], ["call_1"])
    assert.strictEqual(claudesOwn(history), history)
  })

  it("that it does not take are others, the same in a longer history", () => {
    const history = historyOf(["functions.weather:0", "toolu_2"], ["x".repeat(65)])
    assertTaken(claudesOwn(history))
    const own = claudesOwn(historyOf(["functions.weather:0", "toolu_2"]))
    assert.deepStrictEqual(claudesOwn(history).slice(0, 3), [...own])
    assert.include(JSON.stringify(own), '"id":"toolu_2"')
  })

  it("that come once more are others, with their results", () => {
    assertTaken(claudesOwn(historyOf(["call_0", "call_1"], ["call_0"], ["call_0", "call_1"])))
  })

  it("are told apart in no time, however many have one", () => {
    const history = historyOf(...Array.from({ length: 5_000 }, () => ["call_0"]))
    const startedAt = performance.now()
    const own = claudesOwn(history)
    assert.isBelow(performance.now() - startedAt, scaled(1_000))
    assertTaken(own)
  })
})

it("of anything whatever nothing is thrown", () => {
  const anything = fc.array(
    fc.oneof(
      fc.jsonValue(),
      fc.record({ role: fc.constant("assistant"), content: fc.array(fc.jsonValue()) }),
    ),
  )
  fc.assert(
    fc.property(anything, fc.boolean(), (messages, isClaude) => {
      const own = isClaude ? claudesOwn(messages) : othersOwn(messages)
      assert.isAtMost(own.length, messages.length)
    }),
  )
})
