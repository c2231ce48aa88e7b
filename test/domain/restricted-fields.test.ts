import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import {
  RESTRICTED_FIELDS,
  RESTRICTED_PREFIXES,
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
    assert.isUndefined(restrictedField({ service_tier: "flex" }))
  })

  it("is none when it is null, of a message, or of another name", () => {
    for (const request of [
      { models: null, fallbacks: undefined },
      { messages: [{ role: "user", content: "models", models: [] }], model: "m", metadata: { route: "x" } },
      { extra_body: "models" },
      { extra_body: { google: { thinking_config: {} } } },
    ]) {
      assert.isUndefined(restrictedField(request))
    }
  })

  it("is documented", () => {
    const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8")
    for (const field of RESTRICTED_FIELDS) assert.include(page, `\`${field}\``)
    for (const prefix of RESTRICTED_PREFIXES) assert.include(page, `\`${prefix}…\``)
  })
})
