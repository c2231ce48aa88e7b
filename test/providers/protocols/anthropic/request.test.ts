import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
import { bodyOf, faultOf, lower } from "./lowering.ts"

const user = (content: string): ChatMessage => ({ role: "user", content })
const hello = [user("Hi")]
const call = (id: string, name = "f", args = "{}") => ({
  id,
  type: "function",
  function: { name, arguments: args },
})
const result = (id: string, content = "r"): ChatMessage => ({ role: "tool", tool_call_id: id, content })
const text = (said: string) => ({ type: "text", text: said })
const tools = ["f", "g"].map((name) => ({ type: "function", function: { name } }))
const turns = (messages: ReadonlyArray<ChatMessage>) => bodyOf({ messages }).messages

describe("a conversation", () => {
  it("keeps instructions where they stand, but not between a call and its result", () => {
    const { messages, system } = bodyOf({
      messages: [
        { role: "system", content: "a" },
        { role: "developer", content: "b" },
        user("c"),
        { role: "system", content: "d" },
        { role: "assistant", tool_calls: [call("1"), call("2")] },
        result("1"),
        { role: "system", content: "e" },
        result("2"),
      ],
    })
    assert.deepStrictEqual(system, [text("a"), text("b")])
    assert.deepStrictEqual(messages[0], { role: "user", content: [text("c"), text("d")] })
    assert.deepStrictEqual(
      messages[2].content.map(
        (block: { readonly type: string; readonly text?: string }) => block.text ?? block.type,
      ),
      ["tool_result", "tool_result", "e"],
    )
  })

  it("has a user's turn at both ends, and nothing empty", () => {
    const go = text("Continue.")
    assert.deepStrictEqual(turns([{ role: "assistant", content: "a " }]), [
      { role: "user", content: [go] },
      { role: "assistant", content: [text("a ")] },
      { role: "user", content: [go] },
    ])
    assert.deepStrictEqual(turns([user(" \n"), user("")]), [{ role: "user", content: [go] }])
    assert.deepStrictEqual(turns([{ role: "system", content: "a" }]), [
      { role: "user", content: [text("a")] },
    ])
  })

  it("gives each call an id that Claude takes, once, and its result the same", () => {
    const messages = turns([
      user("a"),
      { role: "assistant", tool_calls: [call("call_0")] },
      result("call_0", "first"),
      { role: "assistant", tool_calls: [call("call_0"), call("a:b")] },
      result("a:b", "third"),
      result("call_0", "second"),
    ])
    const calls = [...messages[1].content, ...messages[3].content].map(({ id }) => id)
    assert.deepStrictEqual(calls, ["call_0", "call_1", "call_2"])
    const results = [...messages[2].content, ...messages[4].content].map(({ content, tool_use_id }) => [
      tool_use_id,
      content,
    ])
    assert.deepStrictEqual(results, [
      ["call_0", "first"],
      ["call_2", "third"],
      ["call_1", "second"],
    ])
  })

  it("has a result of each call, and none of no call", () => {
    const [, , answered] = turns([
      user("a"),
      { role: "assistant", tool_calls: [call("1"), call("2")] },
      result("2"),
      user("b"),
    ])
    assert.deepStrictEqual(answered.content, [
      { type: "tool_result", tool_use_id: "2", content: "r" },
      { type: "tool_result", tool_use_id: "1", content: "No result." },
      text("b"),
    ])
    assert.deepInclude(faultOf({ messages: [user("a"), result("1")] }), {
      kind: "unsupported",
      param: "messages[1].tool_call_id",
    })
  })

  it("declares the functions that were called where there are no tools (any more)", () => {
    const { tool_choice, tools: declared } = bodyOf({
      messages: [user("a"), { role: "assistant", tool_calls: [call("1", "a/b", "no JSON")] }, result("1")],
    })
    assert.deepStrictEqual(declared, [{ name: "fn__a__2f__b", input_schema: { type: "object" } }])
    assert.deepStrictEqual(tool_choice, { type: "none" })
  })

  it("carries marks of the cache on messages, parts, tools and the whole", () => {
    const cache_control = { type: "ephemeral", ttl: "1h" }
    const body = bodyOf({
      cache_control: { type: "ephemeral" },
      messages: [
        { role: "system", content: "a", cache_control },
        { role: "user", content: [{ type: "text", text: "b", cache_control }] },
      ],
      tools: [{ ...tools[0], cache_control }],
    })
    assert.deepStrictEqual(body.system, [{ ...text("a"), cache_control }])
    assert.deepStrictEqual(body.messages[0].content, [{ ...text("b"), cache_control }])
    assert.deepStrictEqual(body.tools[0].cache_control, cache_control)
    assert.deepStrictEqual(body.cache_control, { type: "ephemeral" })
  })
})

describe("a choice of tools", () => {
  const chosen = (fields: object) => bodyOf({ messages: hello, tools, ...fields })
  const allowed = (mode: string, ...names: ReadonlyArray<string>) => ({
    type: "allowed_tools",
    allowed_tools: { mode, tools: names.map((name) => ({ type: "function", function: { name } })) },
  })

  it.each<[choice: unknown, theirs: object | undefined]>([
    ["auto", undefined],
    ["none", { type: "none" }],
    ["required", { type: "any" }],
    [
      { type: "function", function: { name: "g" } },
      { type: "tool", name: "g" },
    ],
    [allowed("required", "f", "g"), { type: "any" }],
  ])("%j is %j", (tool_choice, theirs) => {
    assert.deepStrictEqual(chosen({ tool_choice }).tool_choice, theirs)
  })

  it("leaves the tools that it allows, and one call at a time", () => {
    const body = chosen({ tool_choice: allowed("auto", "g"), parallel_tool_calls: false })
    assert.deepStrictEqual(
      body.tools.map(({ name }: { readonly name: string }) => name),
      ["g"],
    )
    assert.deepStrictEqual(body.tool_choice, { type: "auto", disable_parallel_tool_use: true })
  })

  it("that wants a call keeps a request from models that take no orders, and others from thinking", () => {
    const ordered: ChatRequest = { messages: hello, tools, tool_choice: "required", reasoning_effort: "max" }
    for (const model of ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"]) {
      assert.deepInclude(faultOf(ordered, model), { kind: "unsupported", param: "tool_choice" })
    }
    assert.notProperty(bodyOf(ordered, "claude-haiku-4-5"), "thinking")
    assert.deepInclude(bodyOf(ordered, "claude-haiku-5-5"), {
      thinking: { type: "disabled" },
      output_config: { effort: "high" },
    })
  })
})

describe("how much to think", () => {
  const told = (model: string, fields: object) => {
    const { output_config, thinking } = bodyOf({ messages: hello, ...fields }, model)
    return [thinking, output_config?.effort]
  }
  const adaptive = { type: "adaptive", display: "summarized" }

  it.each<[model: string, fields: object, thinking: object | undefined, effort: string | undefined]>([
    ["claude-3-5-haiku-20241022", { reasoning_effort: "high" }, undefined, undefined],
    ["claude-haiku-4-5", {}, undefined, undefined],
    ["claude-haiku-4-5", { reasoning_effort: "low" }, { type: "enabled", budget_tokens: 4096 }, undefined],
    [
      "anthropic/claude-haiku-4.5",
      { reasoning_effort: "low" },
      { type: "enabled", budget_tokens: 4096 },
      undefined,
    ],
    [
      "claude-haiku-4-5",
      { reasoning_effort: "high", max_tokens: 4000 },
      { type: "enabled", budget_tokens: 2000 },
      undefined,
    ],
    ["claude-haiku-4-5", { reasoning_effort: "high", max_tokens: 1000 }, undefined, undefined],
    [
      "claude-haiku-4-5",
      { thinking: { type: "enabled", budget_tokens: 3000 } },
      { type: "enabled", budget_tokens: 3000 },
      undefined,
    ],
    ["claude-sonnet-4-6", { reasoning_effort: "xhigh" }, adaptive, "high"],
    ["claude-opus-4-8", { reasoning_effort: "xhigh" }, adaptive, "xhigh"],
    ["claude-opus-4-8", { reasoning_effort: "none" }, undefined, undefined],
    // As Bedrock and OpenRouter call them.
    ["us.anthropic.claude-opus-4-8", { reasoning_effort: "xhigh" }, adaptive, "xhigh"],
    ["anthropic/claude-opus-5-5", { reasoning_effort: "none" }, undefined, "low"],
    ["claude-opus-5-5", {}, undefined, undefined],
    ["claude-opus-5-5", { reasoning_effort: "minimal" }, adaptive, "low"],
    ["claude-opus-5-5", { reasoning_effort: "none" }, undefined, "low"],
    ["claude-opus-5-5", { thinking: { type: "enabled", budget_tokens: 9000 } }, adaptive, "medium"],
    [
      "claude-opus-5-5",
      { thinking: { type: "adaptive", display: "omitted" } },
      { type: "adaptive", display: "omitted" },
      undefined,
    ],
    [
      "claude-opus-5-5",
      { thinking: { type: "adaptive" }, reasoning_effort: "low" },
      { type: "adaptive", display: "summarized" },
      "low",
    ],
    [
      "claude-haiku-4-5",
      { thinking: { type: "adaptive" }, reasoning_effort: "low" },
      { type: "enabled", budget_tokens: 4096 },
      undefined,
    ],
    ["claude-sonnet-5-5", { reasoning_effort: "none" }, { type: "between_tools" }, undefined],
    [
      "claude-sonnet-5-5",
      { thinking: { type: "between_tools" }, reasoning_effort: "max" },
      { type: "between_tools" },
      "high",
    ],
    ["claude-sonnet-5", { thinking: { type: "disabled" } }, { type: "disabled" }, undefined],
    [
      "another-vendors",
      { reasoning_effort: "low", max_tokens: 9000 },
      { type: "enabled", budget_tokens: 4096 },
      undefined,
    ],
  ])("%s %j", (model, fields, thinking, effort) => {
    assert.deepStrictEqual(told(model, fields), [thinking, effort])
  })
})

describe("settings", () => {
  it("stand under Claude's names", () => {
    const body = bodyOf({
      messages: hello,
      max_completion_tokens: 99,
      temperature: 0.5,
      top_k: 7,
      stop: "END",
      user: "u-1",
      service_tier: "default",
    })
    const { messages: _, ...rest } = body
    assert.deepStrictEqual(rest, {
      model: "claude-haiku-4-5",
      max_tokens: 99,
      temperature: 0.5,
      top_k: 7,
      stop_sequences: ["END"],
      metadata: { user_id: "u-1" },
      service_tier: "standard_only",
    })
  })

  it("limit an answer to what the model puts out, or to something", () => {
    assert.strictEqual(bodyOf({ messages: hello }).max_tokens, 64_000)
    assert.strictEqual(bodyOf({ messages: hello }, "claude-of-nobody").max_tokens, 4096)
  })

  it("that a model does not take are left out and named", () => {
    const dropped = (fields: object, model: string) =>
      Result.getOrThrow(lower({ messages: hello, ...fields }, model)).dropped?.()
    const sampling = { temperature: 0.5, top_p: 0.5, top_k: 7 }
    assert.deepStrictEqual(dropped(sampling, "claude-haiku-4-5"), ["top_p"])
    assert.deepStrictEqual(dropped(sampling, "claude-opus-5-5"), ["temperature", "top_p", "top_k"])
    assert.deepStrictEqual(dropped({ temperature: 0.5, reasoning_effort: "low" }, "claude-sonnet-4-6"), [
      "temperature",
    ])
    assert.deepStrictEqual(dropped({ temperature: 1, top_p: 1 }, "claude-opus-5-5"), [])
    const strict = [{ type: "function", function: { name: "f", strict: true } }]
    assert.deepStrictEqual(dropped({ seed: 7, store: false, tools: strict }, "claude-haiku-4-5"), [
      "seed",
      "store",
      "tools[0].function.strict",
    ])
    const hidden = { thinking: { type: "adaptive", display: "omitted" } }
    assert.deepStrictEqual(dropped(hidden, "claude-haiku-4-5"), ["thinking.display"])
    assert.deepStrictEqual(dropped(hidden, "claude-opus-5-5"), [])
    assert.deepStrictEqual(dropped({ reasoning_effort: "low" }, "claude-3-5-haiku-20241022"), [
      "reasoning_effort",
    ])
  })

  it.each<[fields: object, param: string]>([
    [{ n: 2 }, "n"],
    [{ logprobs: true }, "logprobs"],
    [{ logit_bias: { "1": 2 } }, "logit_bias"],
    [{ presence_penalty: 0.5 }, "presence_penalty"],
    [{ response_format: { type: "json_object" } }, "response_format"],
    [{ modalities: ["text", "audio"] }, "modalities"],
    [{ temperature: 1.5 }, "temperature"],
    [{ stop: ["\n"] }, "stop"],
    [{ service_tier: "flex" }, "service_tier"],
    [{ reasoning_effort: "utmost" }, "reasoning_effort"],
  ])("%j are refused by name", (fields, param) => {
    assert.deepInclude(faultOf({ messages: hello, ...fields }), { kind: "unsupported", param })
  })

  it("say by which schema to answer, of objects without other fields", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "array", items: { type: "object" } }, b: { enum: [{ type: "object" }] } },
    }
    const request = {
      messages: hello,
      response_format: { type: "json_schema", json_schema: { name: "n", schema } },
    }
    assert.deepStrictEqual(bodyOf(request).output_config.format, {
      type: "json_schema",
      schema: {
        type: "object",
        properties: {
          a: { type: "array", items: { type: "object", additionalProperties: false } },
          b: { enum: [{ type: "object" }] },
        },
        additionalProperties: false,
      },
    })
    assert.deepInclude(faultOf(request, "claude-3-5-haiku-20241022"), {
      kind: "unsupported",
      param: "response_format",
    })
  })
})

describe("thoughts of earlier turns", () => {
  const details = [
    { type: "reasoning.text", text: "Hm.", signature: "c2ln", format: "anthropic-claude-v1", index: 0 },
  ]
  const thought = (reasoning_details: unknown): ReadonlyArray<ChatMessage> => [
    user("a"),
    { role: "assistant", reasoning_content: "Hm.", reasoning_details, tool_calls: [call("1")] },
    result("1"),
  ]

  it("are left out when Claude does not take them, and with them what would miss them", () => {
    const request = { messages: thought(details), tools, reasoning_effort: "low" }
    const writer = Result.getOrThrow(lower(request))
    const body = JSON.parse(String(writer.write("whole")))
    assert.deepStrictEqual(body.messages[1].content[0], {
      type: "thinking",
      thinking: "Hm.",
      signature: "c2ln",
    })
    assert.property(body, "thinking")
    const other = writer.reworded?.("")
    const plain = JSON.parse(String(other?.write("whole")))
    assert.strictEqual(plain.messages[1].content[0].type, "tool_use")
    assert.notProperty(plain, "thinking")
    assert.deepStrictEqual(
      [writer.dropped?.(), other?.dropped?.()],
      [[], ["messages[1].reasoning_details[0]", "messages[1].reasoning_content", "reasoning_effort"]],
    )
    assert.isUndefined(other?.reworded?.(""))
  })

  it("of others never go out", () => {
    for (const foreign of [
      undefined,
      [{ ...details[0], format: "google-gemini-v1" }],
      [{ ...details[0], signature: "" }],
      "x",
    ]) {
      const writer = Result.getOrThrow(lower({ messages: thought(foreign), tools, reasoning_effort: "low" }))
      const body = JSON.parse(String(writer.write("whole")))
      assert.strictEqual(body.messages[1].content[0].type, "tool_use")
      // A model that thinks within a budget would miss them.
      assert.notProperty(body, "thinking")
      assert.isUndefined(writer.reworded?.(""))
    }
  })
})
