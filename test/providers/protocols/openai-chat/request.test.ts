import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { CallMode } from "../../../../src/domain/Chat.ts"
import type { Task } from "../../../../src/domain/Task.ts"
import { jsonLimits } from "../../../../src/http/body.ts"
import { parseExactJson } from "../../../../src/platform/exact-json.ts"
import { scanJson } from "../../../../src/platform/json-source.ts"
import { openAiChat } from "../../../../src/providers/protocols/openai-chat/protocol.ts"
import { jsonObjectText, jsonValueText } from "../../../support/json-text.ts"

/** What a client of OpenAI's own API wrote, on its way to a provider that speaks OpenAI too. */

const modes = ["whole", "stream"] as const

/** Reads a client's text as it comes from the wire. */
const read = (text: string) => {
  const bytes = Buffer.from(text)
  const { members } = scanJson(bytes, jsonLimits)
  // What a client sends is JSON, whatever the types say.
  const { model: _, ...request } = parseExactJson(text) as {
    readonly model: unknown
    readonly messages: []
    readonly input: []
  }
  return { request, source: members && { bytes, members } }
}

const write = (task: Task, model: string, mode: CallMode) =>
  String(Result.getOrThrow(openAiChat({ isOpenAi: true }).lower(task, model)).write(mode))

const lower = (text: string, mode: CallMode, model: string) =>
  write({ _tag: "Chat", mode, ...read(text) }, model, mode)

describe("a client's own bytes", () => {
  const text =
    '{ "seed": 12345678901234567890, "model" :"auto",\n "temperature": 1.0, "x":{"b":1,"a":[1e2]}, "messages":[{"role":"user","content":"\\u00e9 \\/"}] , "stream":false,"max_tokens":16 }'

  it("travel as they are, but for the model", () => {
    assert.strictEqual(
      lower(text, "whole", "gpt-4o"),
      '{ "seed": 12345678901234567890, "model" :"gpt-4o",\n "temperature": 1.0, "x":{"b":1,"a":[1e2]}, "messages":[{"role":"user","content":"\\u00e9 \\/"}],"max_tokens":16 }',
    )
  })

  it("are told to stream, and to count", () => {
    assert.strictEqual(
      lower(text, "stream", "gpt-5"),
      '{ "seed": 12345678901234567890, "model" :"gpt-5",\n "temperature": 1.0, "x":{"b":1,"a":[1e2]}, "messages":[{"role":"user","content":"\\u00e9 \\/"}] , "stream":true,"max_completion_tokens":16,"stream_options":{"include_usage":true} }',
    )
  })

  it("are left where a name is hidden or stands twice, so that no provider reads another one", () => {
    for (const hidden of [
      '{"\\u006dodel":"dearer","messages":[]}',
      '{"model":"x","messages":[],"model":"dearer"}',
    ]) {
      assert.strictEqual(lower(hidden, "whole", "gpt-4o"), '{"messages":[],"model":"gpt-4o"}')
    }
  })

  it("of an embeddings request are sent for the routed model", () => {
    assert.strictEqual(
      write({ _tag: "Embedding", ...read('{"model":"auto", "input" :["a"],"x":1.0}') }, "e-1", "whole"),
      '{"model":"e-1", "input" :["a"],"x":1.0}',
    )
  })
})

describe("any request", () => {
  const count = fc.oneof(fc.constantFrom("null", "5", "1.0", "1e2", "9007199254740993"), jsonValueText)
  const members = {
    model: jsonValueText,
    stream: fc.constantFrom("true", "false", "null"),
    stream_options: fc.oneof(fc.constantFrom("null", '{"include_usage":false,"x":1}'), jsonValueText),
    max_tokens: count,
    max_completion_tokens: count,
    messages: jsonValueText,
  }

  it("says the same to the provider whether its bytes were edited or it was written anew", () => {
    let edited = 0
    fc.assert(
      fc.property(
        jsonObjectText(members),
        fc.constantFrom(...modes),
        fc.constantFrom("gpt-4o", "gpt-5", 'm"\\é'),
        fc.boolean(),
        (text, mode, model, embedding) => {
          // Once: of a name that stands twice V8 does not always give a reviver the same value.
          const { request, source } = read(text)
          const task: Task = embedding ? { _tag: "Embedding", request } : { _tag: "Chat", request, mode }
          const bytes = write({ ...task, source }, model, mode)
          const written = write(task, model, mode)
          if (bytes !== written) edited += 1
          const normal = (each: string) =>
            JSON.stringify(Object.entries(JSON.parse(each)).sort(([a], [b]) => (a < b ? -1 : 1)))
          assert.strictEqual(normal(bytes), normal(written))
        },
      ),
      { numRuns: 2_000 },
    )
    assert.isAbove(edited, 500)
  })
})
