import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readRequest as readMessages } from "../../src/dialects/messages/request.ts"
import { readRequest as readResponses } from "../../src/dialects/responses/request.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import { parameterOf } from "../../src/domain/parameters.ts"
import type { ReadRequest, Task } from "../../src/domain/Task.ts"
import { readJson } from "../../src/http/body.ts"
import { changeMembers } from "../../src/platform/json-source.ts"
import { withoutParameters } from "../../src/routing/without-parameters.ts"

const read = (text: string) => Result.getOrThrow(readJson(Buffer.from(text)))
const whole = (request: ReadRequest): Task => ({ ...request, mode: "whole" })

/** Tasks of clients that sent this text. */
const tasks = {
  chat: (text: string): Task => {
    const { json, source } = read(text)
    const { model: _, ...request } = json as ChatRequest
    return { _tag: "Chat", request: request as ChatRequest, mode: "whole", source }
  },
  messages: (text: string): Task => {
    const { json, source } = read(text)
    const { model: _, ...body } = json as Record<string, unknown>
    return { ...whole(Result.getOrThrow(readMessages(body))), source } as Task
  },
  responses: (text: string): Task => {
    const { json, source } = read(text)
    const { model: _, ...body } = json as Record<string, unknown>
    return { ...whole(Result.getOrThrow(readResponses(body))), source } as Task
  },
  embedding: (text: string): Task => {
    const { json, source } = read(text)
    const { model: _, ...request } = json as EmbeddingRequest
    return { _tag: "Embedding", request: request as EmbeddingRequest, source }
  },
}

const parameters = (...names: ReadonlyArray<string>) => names.flatMap((name) => parameterOf(name) ?? [])
const left = (task: Task, ...names: ReadonlyArray<string>) => withoutParameters(task, parameters(...names))
/** What goes out, where nothing else is changed. */
const textOf = ({ source }: Task) => source && changeMembers(source, []).toString()

describe("a task without parameters", () => {
  it.each([
    ["the first", `{"seed": 1, "model": "m", "messages": []}`, `{"model": "m", "messages": []}`],
    ["the last", `{"model": "m", "messages": [], "seed": 1}`, `{"model": "m", "messages": []}`],
    ["one between", `{ "a": 1.0 ,"seed":\n1, "messages": [] }`, `{ "a": 1.0, "messages": [] }`],
    ["all", `{"seed": 1, "user": "u"}`, `{}`],
    ["none", `{"messages": [], "a": "seed"}`, `{"messages": [], "a": "seed"}`],
  ])("lacks %s in its client's bytes, and keeps every other one", (_name, sent, expected) => {
    const task = left(tasks.chat(sent), "seed", "user")
    assert.strictEqual(textOf(task), expected)
    assert.deepStrictEqual(
      read(textOf(task) ?? "").source?.members.map(({ name }) => name),
      Object.keys(JSON.parse(expected)),
    )
    assert.notProperty(task.request, "seed")
  })

  it("lacks what stands within an object, and an object that had nothing else", () => {
    const sent = `{"messages": [], "reasoning": {"effort": "low", "max_tokens": 5}, "x": 1.0}`
    const task = left(tasks.chat(sent), "reasoning.effort")
    assert.strictEqual(textOf(task), `{"messages": [], "reasoning": {"max_tokens":5}, "x": 1.0}`)
    assert.deepStrictEqual(task.request.reasoning, { max_tokens: 5 })
    const alone = left(tasks.chat(`{"messages": [], "reasoning": {"effort": "low"}}`), "reasoning_effort")
    assert.strictEqual(textOf(alone), `{"messages": []}`)
    assert.notProperty(alone.request, "reasoning")
  })

  it("lacks them under the client's own names and under chat's", () => {
    const claude = tasks.messages(
      `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}],"output_config":{"effort":"low"},"metadata":{"user_id":"u"},"stop_sequences":["x"]}`,
    )
    const own = left(claude, "reasoning_effort", "user")
    assert.strictEqual(
      textOf(own),
      `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}],"stop_sequences":["x"]}`,
    )
    assert.sameMembers(Object.keys(own.request), ["max_tokens", "messages", "stop"])
    assert(own._tag === "Chat")
    assert.sameMembers(Object.keys(own.body ?? {}), ["max_tokens", "messages", "stop_sequences"])
    const codex = tasks.responses(
      `{"model":"m","input":"Hi","reasoning":{"effort":"low","summary":"auto"},"text":{"verbosity":"low"}}`,
    )
    const short = left(codex, "reasoning_effort", "verbosity")
    assert.strictEqual(textOf(short), `{"model":"m","input":"Hi","reasoning":{"summary":"auto"}}`)
    assert.sameMembers(Object.keys(short.request), ["messages"])
  })

  it("is one of embeddings too", () => {
    const task = left(tasks.embedding(`{"model": "e", "input": "x", "user": "u"}`), "user")
    assert.strictEqual(textOf(task), `{"model": "e", "input": "x"}`)
    assert.deepStrictEqual(task.request, { input: "x" })
  })

  it("is made once for all who ask, and leaves the task as it was", () => {
    const task = tasks.chat(`{"messages": [], "seed": 1}`)
    assert.strictEqual(left(task, "seed"), left(task, "seed"))
    assert.strictEqual(textOf(task), `{"messages": [], "seed": 1}`)
    assert.property(task.request, "seed")
  })
})
