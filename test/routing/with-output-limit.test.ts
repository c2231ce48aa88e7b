import { assert, describe, it } from "@effect/vitest"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { ChatTask } from "../../src/domain/Task.ts"
import { type JsonSource, scanJson } from "../../src/platform/json-source.ts"
import { withOutputLimit } from "../../src/routing/with-output-limit.ts"

const sourceOf = (text: string): JsonSource => {
  const bytes = Buffer.from(text)
  const { members } = scanJson(bytes, { depth: 99, fields: 99, innerFields: 99, pieces: 99 })
  return { bytes, members: members ?? assert.fail() }
}

const chat = (text: string, more: Partial<ChatTask> = {}): ChatTask => ({
  _tag: "Chat",
  request: JSON.parse(text) as ChatRequest,
  mode: "whole",
  source: sourceOf(text),
  ...more,
})

const limited = (task: ChatTask, tokens = 50): ChatTask => {
  const limited = withOutputLimit(task, tokens)
  assert(limited._tag === "Chat")
  return limited
}

describe("the limit of an answer", () => {
  it("is put into the client's bytes, which stay as they are otherwise", () => {
    const text = '{"model":"m", "messages":[], "seed":12345678901234567890}'
    const task = limited(chat(text))
    assert.strictEqual(task.request.max_tokens, 50)
    assert.strictEqual(task.source?.bytes.toString(), `${text.slice(0, -1)},"max_tokens":50}`)
    assert.isTrue(task.source?.members.some(({ name }) => name === "max_tokens"))
    assert.strictEqual(
      limited(chat('{"messages":[],"max_tokens":null}')).source?.bytes.toString(),
      '{"messages":[],"max_tokens":50}',
    )
  })

  it("stands where the bytes are read anew", () => {
    for (const text of [
      "{}",
      "{ }",
      '{"a":{"max_tokens":1}}',
      '{"a":1,"max_tokens":null ,"b":"é"}',
      ' {"é":"x"} \n',
    ]) {
      const source = limited(chat(text)).source ?? assert.fail()
      assert.deepStrictEqual(source.members, sourceOf(source.bytes.toString()).members, text)
      assert.deepStrictEqual(JSON.parse(source.bytes.toString()), { ...JSON.parse(text), max_tokens: 50 })
    }
  })

  it("is what Responses call it, in their own words", () => {
    const text = '{"model":"m","input":"Hi"}'
    const task = limited(chat(text, { dialect: "responses", body: { input: "Hi" } }))
    assert.deepStrictEqual(task.body, { input: "Hi", max_output_tokens: 50 })
    assert.strictEqual(task.source?.bytes.toString(), '{"model":"m","input":"Hi","max_output_tokens":50}')
  })
})
