import { assert, describe, it } from "@effect/vitest"
import { claudesOwn } from "../../../src/dialects/messages/own-history.ts"
import { claudeRequestFault } from "../../support/claude-request.ts"

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
})
