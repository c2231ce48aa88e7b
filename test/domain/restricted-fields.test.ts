import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import {
  RESTRICTED_ENDINGS,
  RESTRICTED_FIELDS,
  RESTRICTED_PREFIXES,
  RESTRICTED_TOOL_FIELDS,
  restrictedField,
} from "../../src/domain/restricted-fields.ts"

describe("a field that may choose another model", () => {
  it.each([
    ...RESTRICTED_FIELDS,
    ...["litellm_params", "aws_region_name", "tensorzero::variant_name", "tensorzero::extra_body"],
    ...["fallback_models", "fallbackModels", "draft_model"],
  ])("%s is found", (field) => {
    assert.strictEqual(restrictedField({ messages: [], [field]: "x" }), field)
    assert.strictEqual(restrictedField({ extra_body: { [field]: [] } }), `extra_body.${field}`)
  })

  it.each([
    [{ Model: "b" }, "Model"],
    [{ MODELS: ["b"] }, "MODELS"],
    [{ extra_body: { model: "b" } }, "extra_body.model"],
    [{ extra_body: { service_tier: "priority" } }, "extra_body.service_tier"],
    [{ Service_Tier: "priority" }, "Service_Tier"],
    [{ Extra_Body: { fallbacks: [] } }, "Extra_Body.fallbacks"],
  ])("%j is found, which other servers read", (request, field) => {
    assert.strictEqual(restrictedField(request), field)
    assert.isUndefined(restrictedField({ service_tier: "flex", speed: "fast", inference_geo: "us" }))
  })

  it.each([...RESTRICTED_TOOL_FIELDS, "model"])("%s is found in a tool, wherever tools stand", (field) => {
    const tool = { type: "mcp", server_label: "x", [field]: "y" }
    const fine = { type: "function", function: { name: "model", parameters: { [field]: 1 } } }
    for (const [path, request] of [
      [`tools[1].${field}`, { tools: [fine, tool] }],
      [`Tools[0].${field.toUpperCase()}`, { Tools: [{ type: "mcp", [field.toUpperCase()]: "y" }] }],
      [`tools[0].tools[1].${field}`, { tools: [{ type: "namespace", tools: [fine, tool] }] }],
      [
        `input[1].tools[0].${field}`,
        { input: [{ role: "user" }, { type: "additional_tools", tools: [tool] }] },
      ],
      [`extra_body.tools[0].${field}`, { extra_body: { tools: [tool] } }],
    ] as const) {
      assert.strictEqual(restrictedField(request), path)
    }
  })

  // openrouter.ai/docs/guides/features/server-tools
  it.each<[path: string, tool: object]>([
    ["parameters.model", { type: "openrouter:subagent", parameters: { model: "openai/gpt-6-astra" } }],
    ["parameters.model", { type: "openrouter:image_generation", parameters: { model: "google/x" } }],
    ["parameters.analysis_models", { type: "openrouter:fusion", parameters: { analysis_models: ["x"] } }],
    ["parameters.judge_model", { type: "openrouter:fusion", parameters: { judge_model: "x" } }],
    ["parameters.advisor.model", { type: "openrouter:advisor", parameters: { advisor: { model: "x" } } }],
    ["options[1].endpoint", { type: "x:search", options: ["x", { endpoint: "https://attacker.example" }] }],
    [
      "parameters.tools[0].parameters.model",
      { type: "x:agent", parameters: { tools: [{ type: "x:agent", parameters: { model: "x" } }] } },
    ],
  ])("is found at %s of a vendor's tool", (path, tool) => {
    assert.strictEqual(restrictedField({ tools: [tool] }), `tools[0].${path}`)
  })

  it("is not what a schema calls so, nor what is said in a function", () => {
    const parameters = { type: "object", properties: { model: { type: "string" } }, required: ["model"] }
    for (const tool of [
      { type: "function", function: { name: "buy", parameters } },
      { type: "function", name: "buy", parameters },
      { name: "buy", input_schema: parameters, input_examples: [{ model: "T" }] },
      { type: "custom", name: "buy", input_schema: parameters },
      { type: "tool_search", execution: "client", parameters },
      {
        type: "tool_search",
        parameters: { $defs: { model: { type: "string" } }, definitions: { model: {} } },
      },
      {
        type: "web_search",
        filters: { allowed_domains: ["model.example"] },
        user_location: { city: "Rome" },
      },
      { type: "image_generation", input_image_mask: { image_url: "data:" } },
    ]) {
      assert.isUndefined(restrictedField({ tools: [tool] }))
    }
  })

  it("is whatever is nested deeper than anybody reads", () => {
    let deep: object = {}
    for (let level = 0; level < 10_000; level++) deep = { deep }
    assert.include(restrictedField({ tools: [{ type: "x:agent", deep }] }) ?? "", "tools[0].deep.deep")
    let tools: ReadonlyArray<object> = []
    for (let level = 0; level < 10_000; level++) tools = [{ tools }]
    assert.include(restrictedField({ tools }) ?? "", "tools[0].tools[0].tools[0]")
  })

  it("is none when it is null, of a message, or of another name", () => {
    for (const request of [
      { models: null, fallbacks: undefined },
      { messages: [{ role: "user", content: "models", models: [] }], model: "m", metadata: { route: "x" } },
      { extra_body: "models" },
      { tools: [{ type: "mcp", model: null }, null, "x"], input: ["text", { type: "message", model: "m" }] },
      { input: "text", tools: "none", container: "c", thread: { type: "create" } },
      { extra_body: { google: { thinking_config: {} } } },
    ]) {
      assert.isUndefined(restrictedField(request))
    }
  })

  it("is documented", () => {
    const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8")
    for (const field of [...RESTRICTED_FIELDS, ...RESTRICTED_TOOL_FIELDS])
      assert.include(page, `\`${field}\``)
    for (const ending of RESTRICTED_ENDINGS) assert.include(page, `\`…${ending}\``)
    for (const prefix of RESTRICTED_PREFIXES) assert.include(page, `\`${prefix}…\``)
  })
})
