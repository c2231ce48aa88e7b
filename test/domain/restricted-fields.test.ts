import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import {
  RESTRICTED_FIELDS,
  RESTRICTED_PREFIXES,
  RESTRICTED_TOOL_FIELDS,
  restrictedField,
} from "../../src/domain/restricted-fields.ts"

describe("a field that may choose another model", () => {
  it.each([...RESTRICTED_FIELDS, "litellm_params", "aws_region_name"])("%s is found", (field) => {
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

  it.each(RESTRICTED_TOOL_FIELDS)("%s is found in a tool, wherever tools stand", (field) => {
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
    for (const prefix of RESTRICTED_PREFIXES) assert.include(page, `\`${prefix}…\``)
  })
})
