import { assert, describe, it } from "@effect/vitest"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { ChatTask } from "../../src/domain/Task.ts"
import { changeMembers, type JsonSource, scanJson } from "../../src/platform/json-source.ts"
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

/** What goes out, where nothing else is changed. */
const written = ({ source }: ChatTask): string => changeMembers(source ?? assert.fail(), []).toString()

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
    assert.strictEqual(written(task), `${text.slice(0, -1)},"max_tokens":50}`)
    assert.strictEqual(
      written(limited(chat('{"messages":[],"max_tokens":null}'))),
      '{"messages":[],"max_tokens":50}',
    )
    for (const text of [
      "{}",
      "{ }",
      '{"messages":[],"max_tokens":null}',
      '{"a":{"max_tokens":1}}',
      '{"a":1,"max_tokens":null ,"b":"é"}',
      ' {"é":"x"} \n',
    ]) {
      assert.deepStrictEqual(JSON.parse(written(limited(chat(text)))), {
        ...JSON.parse(text),
        max_tokens: 50,
      })
    }
  })

  it("goes out under the name that its vendor knows", () => {
    for (const text of ["{}", '{"max_tokens":null}', '{"max_completion_tokens":null,"a":1}']) {
      const { source = assert.fail() } = limited(chat(text))
      const renamed = changeMembers(source, [
        ["max_completion_tokens", "remove"],
        ["max_tokens", { name: "max_completion_tokens" }],
      ])
      const { max_completion_tokens: _, max_tokens: __, ...others } = JSON.parse(text)
      assert.deepStrictEqual(JSON.parse(renamed.toString()), { ...others, max_completion_tokens: 50 })
    }
  })

  it("is what Responses call it, in their own words", () => {
    const text = '{"model":"m","input":"Hi"}'
    const task = limited(chat(text, { dialect: "responses", body: { input: "Hi" } }))
    assert.deepStrictEqual(task.body, { input: "Hi", max_output_tokens: 50 })
    assert.strictEqual(written(task), '{"model":"m","input":"Hi","max_output_tokens":50}')
  })
})
