import { assert, describe, it } from "@effect/vitest"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { Dialect } from "../../src/domain/Dialect.ts"
import type { Task } from "../../src/domain/Task.ts"
import { LearnedRefusals } from "../../src/routing/LearnedRefusals.ts"

const chat = (fields: object = {}, mode: "whole" | "stream" = "whole"): Task => ({
  _tag: "Chat",
  request: { messages: [], ...fields } as ChatRequest,
  mode,
})

const MINUTE_MS = 60_000

/** What is remembered after a task was refused for `param`. */
const refused = (param: string, task: Task, code?: string) => {
  const refusals = new LearnedRefusals()
  refusals.remember("a/m", task, { param, code }, 0)
  return refusals
}

const concern = (refusals: LearnedRefusals, task: Task, nowMs = 1, candidate = "a/m") =>
  refusals.concerning(candidate, task, nowMs).map(({ parameter }) => parameter.name)

describe("parameters that a candidate refused", () => {
  it("concern who has them, at that candidate", () => {
    const refusals = refused("seed", chat({ seed: 1 }))
    assert.deepStrictEqual(concern(refusals, chat({ seed: 2 })), ["seed"])
    assert.deepStrictEqual(concern(refusals, chat({ seed: null })), [])
    assert.deepStrictEqual(concern(refusals, chat({ top_p: 0.5 })), [])
    assert.deepStrictEqual(concern(refusals, chat({ seed: 2 }), 1, "b/m"), [])
  })

  it("are as precise as their path, whatever place in a list it names", () => {
    const strict = { type: "function", function: { name: "f", strict: true } }
    const plain = { type: "function", function: { name: "f" } }
    for (const param of [
      "tools[0].function.strict",
      "tools.0.function.strict",
      "tools.[3].function.strict",
    ]) {
      const refusals = refused(param, chat({ tools: [strict] }))
      assert.deepStrictEqual(concern(refusals, chat({ tools: [plain, strict] })), ["tools.function.strict"])
      assert.deepStrictEqual(concern(refusals, chat({ tools: [plain] })), [])
      assert.deepStrictEqual(concern(refusals, chat({ tools: [] })), [])
    }
  })

  it("concern one word, where the vendor says that it was the value", () => {
    const refusals = refused("reasoning_effort", chat({ reasoning_effort: "xhigh" }), "unsupported_value")
    assert.deepStrictEqual(concern(refusals, chat({ reasoning_effort: "xhigh" })), ["reasoning_effort=xhigh"])
    assert.deepStrictEqual(concern(refusals, chat({ reasoning_effort: "low" })), [])
    const all = refused("reasoning_effort", chat({ reasoning_effort: "xhigh" }), "unsupported_parameter")
    assert.deepStrictEqual(concern(all, chat({ reasoning_effort: "low" })), ["reasoning_effort"])
  })

  it("concern what is usual too only once that was refused", () => {
    const refusals = refused("temperature", chat({ temperature: 0.2 }), "unsupported_value")
    assert.deepStrictEqual(concern(refusals, chat({ temperature: 0.7 })), ["temperature"])
    assert.deepStrictEqual(concern(refusals, chat({ temperature: 1 })), [])
    const strict = refused("temperature", chat({ temperature: 1 }))
    assert.deepStrictEqual(concern(strict, chat({ temperature: 1 })), ["temperature"])
    assert.deepStrictEqual(concern(strict, chat()), [])
  })

  it("concern who speaks the same, since the words of others may be translated into something else", () => {
    const spoken = (dialect: Dialect): Task => ({ ...chat({ temperature: 0.2 }), dialect }) as Task
    const refusals = refused("temperature", spoken("messages"))
    assert.deepStrictEqual(concern(refusals, spoken("messages")), ["temperature"])
    assert.deepStrictEqual(concern(refusals, spoken("responses")), [])
    assert.deepStrictEqual(concern(refusals, chat({ temperature: 0.2 })), [])
    refusals.remember("a/m", chat({ temperature: 0.2 }), { param: "temperature" }, 1)
    assert.deepStrictEqual(
      refusals.of("a/m", 2).map(({ dialect }) => dialect),
      ["messages", "chat"],
    )
  })

  it("concern a choice of tools unless it is free", () => {
    const refusals = refused("tool_choice", chat({ tool_choice: "required" }))
    assert.deepStrictEqual(concern(refusals, chat({ tool_choice: "required" })), ["tool_choice"])
    assert.deepStrictEqual(concern(refusals, chat({ tool_choice: "auto" })), [])
    assert.deepStrictEqual(concern(refusals, chat({ tool_choice: { type: "auto" } })), [])
  })

  it("concern streams, when they are about streaming", () => {
    for (const param of ["stream", "stream_options.include_usage"]) {
      const refusals = refused(param, chat({}, "stream"))
      assert.deepStrictEqual(concern(refusals, chat({}, "stream")), [param])
      assert.deepStrictEqual(concern(refusals, chat()), [])
    }
  })

  it("are none that every request has, and no parameter at all", () => {
    const task = chat({ model: "m", input: "x", messages: [{ role: "user", content: "Hi" }] })
    for (const param of ["messages[0].content", "messages.1.role", "model", "input", "", "$.x", "9", "a b"]) {
      assert.deepStrictEqual(concern(refused(param, task), task), [], param)
    }
  })

  it("are forgotten after ten minutes, and when the provider is reset", () => {
    const seeded = chat({ seed: 1 })
    const refusals = refused("seed", seeded)
    assert.deepStrictEqual(concern(refusals, seeded, 10 * MINUTE_MS - 1), ["seed"])
    assert.deepStrictEqual(concern(refusals, seeded, 10 * MINUTE_MS), [])
    assert.deepStrictEqual(refusals.of("a/m", 10 * MINUTE_MS), [])
    const again = refused("seed", seeded)
    assert.deepStrictEqual(again.of("a/m", MINUTE_MS), [
      { parameter: "seed", dialect: "chat", agoMs: MINUTE_MS, leftMs: 9 * MINUTE_MS },
    ])
    again.forget("a/m")
    assert.deepStrictEqual(concern(again, seeded), [])
  })

  it("are remembered for longer each time they are refused again, and for an hour at most", () => {
    const seeded = chat({ seed: 1 })
    const refusals = new LearnedRefusals()
    let nowMs = 0
    const lasting = [10, 20, 40, 60, 60].map((minutes) => {
      refusals.remember("a/m", seeded, { param: "seed" }, nowMs)
      // A call that was under way already says nothing new.
      refusals.remember("a/m", seeded, { param: "seed" }, nowMs + 1)
      const [{ leftMs } = { leftMs: 0 }] = refusals.of("a/m", nowMs + 1)
      assert.strictEqual(leftMs, minutes * MINUTE_MS)
      nowMs += 1 + leftMs
      return leftMs / MINUTE_MS
    })
    assert.deepStrictEqual(lasting, [10, 20, 40, 60, 60])
    nowMs += 61 * MINUTE_MS
    refusals.remember("a/m", seeded, { param: "seed" }, nowMs)
    assert.strictEqual(refusals.of("a/m", nowMs)[0]?.leftMs, 10 * MINUTE_MS)
  })

  it("are the last ones, of however many that clients invent", () => {
    const refusals = new LearnedRefusals()
    for (let i = 0; i < 1_000; i++) {
      refusals.remember("a/m", chat({ [`invented_${i}`]: 1 }), { param: `invented_${i}` }, 0)
    }
    assert.deepStrictEqual(concern(refusals, chat({ invented_999: 1 })), ["invented_999"])
    assert.deepStrictEqual(concern(refusals, chat({ invented_900: 1 })), [])
  })
})
