import { assert, it } from "@effect/vitest"
import { inputTokensOf, outputBoundOf, type Task } from "../../src/domain/Task.ts"

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

it("the output of a task is bounded by what the client says, else by the model and the gateway", () => {
  const asked = (fields: object): Task => ({
    _tag: "Chat",
    mode: "whole",
    request: { messages: [{ role: "user", content: "hello" }], ...fields },
  })
  const bounds = (task: Task) =>
    [{ maxOutputTokens: 500 }, { maxOutputTokens: 5_000 }, {}].map((model) =>
      outputBoundOf(task, model, 1_000),
    )
  assert.deepStrictEqual(bounds(asked({})), [500, 1_000, 1_000])
  assert.deepStrictEqual(bounds(asked({ max_tokens: 300 })), [300, 300, 300])
  assert.deepStrictEqual(
    bounds(asked({ max_completion_tokens: 3_000, max_tokens: 1 })),
    [3_000, 3_000, 3_000],
  )
  assert.deepStrictEqual(bounds(asked({ n: 3, max_tokens: 300 })), [900, 900, 900])
  assert.deepStrictEqual(bounds(asked({ n: 3 })), [1_500, 3_000, 3_000])
  assert.deepStrictEqual(bounds(asked({ n: null, max_tokens: null })), [500, 1_000, 1_000])
  assert.deepStrictEqual(bounds({ _tag: "Embedding", request: { input: "hello" } }), [0, 0, 0])
})
