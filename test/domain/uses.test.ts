import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readRequest as readMessages } from "../../src/dialects/messages/request.ts"
import { readRequest as readResponses } from "../../src/dialects/responses/request.ts"
import type { Task } from "../../src/domain/Task.ts"
import { usable, uses } from "../../src/domain/uses.ts"

/** What a request uses, whatever its client speaks. */

const used = (task: Task) => usable.filter((what) => uses(task, what))
const user = (content: unknown) => [{ role: "user", content }]

const chat = (fields: object, mode: "whole" | "stream" = "whole") =>
  used({ _tag: "Chat", request: { messages: [{ role: "user", content: "Hi" }], ...fields }, mode })
const messages = (fields: object) =>
  used({
    ...Result.getOrThrow(readMessages({ max_tokens: 9, messages: user("Hi"), ...fields })),
    mode: "whole",
  })
const responses = (fields: object) =>
  used({ ...Result.getOrThrow(readResponses({ input: "Hi", ...fields })), mode: "whole" })

const PDF = "JVBERi0="
const source = (media_type: string) => ({ type: "base64", media_type, data: PDF })

describe("a chat uses", () => {
  it("nothing when it is text for text", () => {
    assert.deepStrictEqual(chat({}), [])
    assert.deepStrictEqual(
      chat({
        tools: [],
        functions: [],
        response_format: { type: "json_object" },
        reasoning_effort: "none",
        thinking: { type: "disabled" },
        modalities: ["text"],
        messages: [{ role: "assistant", content: null }, ...user([{ type: "text", text: "image_url" }])],
      }),
      [],
    )
  })

  it.each([
    ["image", { messages: user([{ type: "image_url", image_url: { url: "https://x/y.png" } }]) }],
    ["image", { modalities: ["text", "image"] }],
    ["audio", { messages: user([{ type: "input_audio", input_audio: { data: "", format: "wav" } }]) }],
    ["audio", { modalities: ["audio"] }],
    ["file", { messages: user([{ type: "file", file: { file_data: PDF } }]) }],
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["tools", { functions: [{ name: "f" }] }],
    ["json_schema", { response_format: { type: "json_schema", json_schema: { name: "s", schema: {} } } }],
    ["reasoning", { reasoning_effort: "low" }],
  ])("%s", (what, fields) => {
    assert.deepStrictEqual(chat(fields), [what])
    assert.deepStrictEqual(chat(fields, "stream"), [what, "stream"])
  })
})

describe("a client of Messages uses", () => {
  it.each([
    ["image", { messages: user([{ type: "image", source: source("image/png") }]) }],
    ["file", { messages: user([{ type: "document", source: source("application/pdf") }]) }],
    ["file", { messages: user([{ type: "document", source: { type: "url", url: "https://x/y.pdf" } }]) }],
    ["tools", { tools: [{ name: "f", input_schema: { type: "object" } }] }],
    ["tools", { tools: [{ type: "web_search_20250305", name: "web_search" }] }],
    ["json_schema", { output_config: { format: { type: "json_schema", schema: { type: "object" } } } }],
    ["reasoning", { thinking: { type: "enabled", budget_tokens: 1_024 }, max_tokens: 2_000 }],
    ["reasoning", { output_config: { effort: "high" } }],
  ])("%s", (what, fields) => assert.deepStrictEqual(messages(fields), [what]))

  it("nothing when it is text for text", () =>
    assert.deepStrictEqual(
      messages({ thinking: { type: "disabled" }, output_config: { effort: "low" } }),
      [],
    ))
})

describe("a client of Responses uses", () => {
  it.each([
    ["image", { input: user([{ type: "input_image", image_url: "https://x/y.png" }]) }],
    ["file", { input: user([{ type: "input_file", file_data: PDF }]) }],
    ["tools", { tools: [{ type: "function", name: "f", parameters: {} }] }],
    ["tools", { tools: [{ type: "web_search" }] }],
    ["json_schema", { text: { format: { type: "json_schema", name: "s", schema: {} } } }],
    ["reasoning", { reasoning: { effort: "low" } }],
  ])("%s", (what, fields) => assert.deepStrictEqual(responses(fields), [what]))

  it("nothing when it is text for text", () =>
    assert.deepStrictEqual(responses({ reasoning: { summary: "auto" }, text: { verbosity: "low" } }), []))
})

describe("embeddings", () => {
  it("use nothing of it", () =>
    assert.deepStrictEqual(used({ _tag: "Embedding", request: { input: "Hi", tools: [{}] } }), []))
})
