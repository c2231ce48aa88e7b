import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { readRequest } from "../../../src/dialects/responses/request.ts"

const read = (body: Record<string, unknown>) => Result.getOrThrow(readRequest(body))
const messages = (...input: ReadonlyArray<object>) =>
  read({ input }).request.messages as ReadonlyArray<unknown>

const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" })
const called = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })
const output = (id: string) => ({ type: "function_call_output", call_id: id, output: "r" })
const result = (id: string) => ({ role: "tool", tool_call_id: id, content: "r" })
const said = (text: string) => ({
  type: "message",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }],
})
const encrypted = {
  type: "reasoning",
  id: "rs_1",
  summary: [{ type: "summary_text", text: "s" }],
  encrypted_content: "e",
}
const details = [
  { type: "reasoning.summary", id: "rs_1", summary: "s", format: "openai-responses-v1" },
  { type: "reasoning.encrypted", id: "rs_1", data: "e", format: "openai-responses-v1" },
]

describe("input", () => {
  it("is a user's when it is a text", () => {
    assert.deepStrictEqual(read({ input: "Hi" }).request, { messages: [{ role: "user", content: "Hi" }] })
  })

  it("makes one turn of reasoning, words and calls that follow each other", () => {
    assert.deepStrictEqual(messages(encrypted, said("a"), call("1"), call("2"), output("1"), output("2")), [
      {
        role: "assistant",
        content: "a",
        tool_calls: [called("1"), called("2")],
        reasoning_details: details,
      },
      result("1"),
      result("2"),
    ])
  })

  it("begins another turn with each result, and with each other message", () => {
    assert.deepStrictEqual(messages(call("1"), output("1"), call("2"), output("2"), said("a"), said("b")), [
      { role: "assistant", content: null, tool_calls: [called("1")] },
      result("1"),
      { role: "assistant", content: null, tool_calls: [called("2")] },
      result("2"),
      { role: "assistant", content: "a" },
      { role: "assistant", content: "b" },
    ])
  })

  it("keeps calls and their results together when words came after the calls", () => {
    assert.deepStrictEqual(messages(call("1"), said("a"), output("1")), [
      { role: "assistant", content: "a", tool_calls: [called("1")] },
      result("1"),
    ])
  })

  it("has images of the model's in its turn, with what their vendor wants back", () => {
    const extra_content = { google: { thought_signature: "c2ln" } }
    const drawn = (more: object) => ({
      type: "image_generation_call",
      id: "ig_1",
      status: "completed",
      ...more,
    })
    const image = (url: string) => ({ type: "image_url", image_url: { url } })
    assert.deepStrictEqual(
      messages(
        said("a"),
        drawn({ result: "AAAA", output_format: "webp", extra_content }),
        drawn({ result: "/9j/AA==" }),
        output("1"),
        drawn({ result: "AAAA" }),
      ),
      [
        {
          role: "assistant",
          content: "a",
          images: [
            { ...image("data:image/webp;base64,AAAA"), extra_content },
            image("data:image/jpeg;base64,/9j/AA=="),
          ],
        },
        result("1"),
        { role: "assistant", content: "", images: [image("data:image/png;base64,AAAA")] },
      ],
    )
    assert.deepStrictEqual(read({ input: [drawn({ result: null, status: "failed" })] }).beyond?.dropped, [
      "input[0]",
    ])
  })

  it("has reasoning that everybody can read as a text", () => {
    const open = {
      type: "reasoning",
      id: "rs_1",
      summary: [],
      content: [{ type: "reasoning_text", text: "t" }],
    }
    assert.deepStrictEqual(messages(open, said("a")), [
      { role: "assistant", content: "a", reasoning_content: "t" },
    ])
    assert.deepStrictEqual(messages(open), [])
  })

  it("has tools of a namespace under one name", () => {
    const inner = { type: "function", name: "close", parameters: {} }
    const { request } = read({
      input: [{ ...call("1"), namespace: "mcp__agents", name: "close" }],
      tools: [
        { type: "namespace", name: "mcp__agents", tools: [inner] },
        { type: "namespace", name: "n".repeat(64), tools: [inner] },
      ],
    })
    const names = (request.tools as ReadonlyArray<{ function: { name: string } }>).map(
      (each) => each.function.name,
    )
    assert.deepStrictEqual(names, ["mcp__agents__close", `${"n".repeat(57)}__close`])
    assert.include(JSON.stringify(request.messages), '"name":"mcp__agents__close"')
  })

  it("keeps what a vendor wants back with a call", () => {
    const extra = { extra_content: { google: { thought_signature: "s" } } }
    assert.deepStrictEqual(messages({ ...call("1"), ...extra }), [
      { role: "assistant", content: null, tool_calls: [{ ...called("1"), ...extra }] },
    ])
  })

  it("has custom tools, their calls and files in chat's words", () => {
    const { request } = read({
      input: [
        { type: "custom_tool_call", call_id: "1", name: "patch", input: "*** Begin" },
        { type: "custom_tool_call_output", call_id: "1", output: "done" },
        {
          role: "user",
          content: [
            { type: "input_text", text: "a" },
            { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" },
          ],
        },
      ],
      tools: [
        {
          type: "custom",
          name: "patch",
          format: { type: "grammar", syntax: "lark", definition: "start: a" },
        },
      ],
      tool_choice: { type: "custom", name: "patch" },
    })
    assert.deepStrictEqual(request as unknown, {
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "1", type: "custom", custom: { name: "patch", input: "*** Begin" } }],
        },
        { role: "tool", tool_call_id: "1", content: "done" },
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } },
          ],
        },
      ],
      tools: [
        {
          type: "custom",
          custom: {
            name: "patch",
            format: { type: "grammar", grammar: { syntax: "lark", definition: "start: a" } },
          },
        },
      ],
      tool_choice: { type: "custom", custom: { name: "patch" } },
    })
  })
})

describe("what chat has no word for", () => {
  const beyond = (body: object) => read({ input: "Hi", ...body }).beyond

  it("is named where the answer would be another one", () => {
    const named = (body: object) => beyond(body)?.refused?.param
    assert.strictEqual(
      named({ tools: [{ type: "function", name: "f" }, { type: "file_search" }] }),
      "tools[1].type",
    )
    assert.strictEqual(named({ tools: [{ type: "web_search" }] }), "tools[0].type")
    const some = { type: "allowed_tools", mode: "auto", tools: [{ type: "web_search" }] }
    assert.strictEqual(named({ tool_choice: some }), "tool_choice.tools")
    assert.strictEqual(named({ input: [{ type: "shell_call" }] }), "input[0].type")
    assert.strictEqual(named({ tool_choice: { type: "mcp", server_label: "s" } }), "tool_choice.type")
    const file = { type: "input_file", file_url: "https://example.com/a.pdf" }
    assert.strictEqual(named({ input: [{ role: "user", content: [file] }] }), "input[0].content[0].file_url")
  })

  it("is named where it is a hint", () => {
    assert.deepStrictEqual(beyond({ truncation: "auto", safety_identifier: "s" }), {
      refused: undefined,
      dropped: ["safety_identifier", "truncation"],
      isReduced: false,
    })
    assert.isUndefined(beyond({ truncation: "disabled", temperature: 1 }))
  })
})

describe("a search beside tools of the client's own", () => {
  it("is left out, and may be missed", () => {
    const { beyond, request } = read({
      input: "Hi",
      tools: [{ type: "web_search" }, { type: "function", name: "f" }, { type: "web_search_preview_2025" }],
    })
    assert.deepStrictEqual(beyond, {
      refused: undefined,
      dropped: ["tools[0]", "tools[2]"],
      isReduced: true,
    })
    assert.deepStrictEqual(request.tools as unknown, [{ type: "function", function: { name: "f" } }])
  })

  it("is not left out where it is the choice", () => {
    const tools = [{ type: "web_search" }, { type: "function", name: "f" }]
    const { beyond } = read({ input: "Hi", tools, tool_choice: { type: "web_search" } })
    assert.strictEqual(beyond?.refused?.param, "tool_choice.type")
  })
})

const types = [
  ...["message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "item_reference"],
  ...["input_text", "input_image", "input_file", "refusal", "function", "custom", "allowed_tools"],
]
const json = fc.jsonValue({ maxDepth: 2 })
/** Objects with the names that are looked for, three levels deep. */
const oddOver = (inner: fc.Arbitrary<unknown>) =>
  fc.dictionary(
    fc.constantFrom(
      ...["type", "role", "content", "output", "call_id", "name", "summary", "text", "image_url", "tools"],
    ),
    fc.oneof(fc.constantFrom(...types, "user", "assistant"), inner, fc.array(inner, { maxLength: 3 })),
    { maxKeys: 5 },
  )
const odd = oddOver(oddOver(oddOver(fc.jsonValue({ maxDepth: 0 }))))

describe("any JSON", () => {
  it("is understood or refused by name, and never thrown at", () => {
    const fields = fc.constantFrom(
      ...["input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "truncation"],
    )
    fc.assert(
      fc.property(fc.dictionary(fields, fc.oneof(json, odd, fc.array(odd, { maxLength: 4 }))), (body) => {
        const outcome = readRequest(body)
        if (Result.isFailure(outcome)) assert.isString(outcome.failure.param)
        else assert.isArray(outcome.success.request.messages)
      }),
      { numRuns: 500 },
    )
  })
})
