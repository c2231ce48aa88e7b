import { assert, it } from "@effect/vitest"
import { inputTokensOf, type Task } from "../../src/domain/Task.ts"

it("the tokens of a task are estimated once", () => {
  let written = 0
  const parameters = {
    toJSON: () => {
      written++
      return "x".repeat(400)
    },
  }
  const task: Task = {
    _tag: "Chat",
    mode: "whole",
    request: { messages: [{ role: "user", content: "hello" }], tools: [{ parameters }] },
  }
  const tokens = inputTokensOf(task)
  assert.isAbove(tokens, 100)
  assert.strictEqual(inputTokensOf(task), tokens)
  assert.strictEqual(written, 1)
})
