import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import {
  asksUnpricedTier,
  RESTRICTED_FIELDS,
  RESTRICTED_PREFIXES,
  restrictedField,
} from "../../src/routing/restricted-fields.ts"

const price = {
  inputNanoPer1M: 1,
  cachedInputNanoPer1M: 1,
  outputNanoPer1M: 1,
  source: "test",
  asOf: "2026-11-01",
}

describe("a field that may choose another model", () => {
  it.each([...RESTRICTED_FIELDS, "litellm_params", "aws_region_name"])("%s is found", (field) => {
    assert.strictEqual(restrictedField({ messages: [], [field]: "x" }), field)
    assert.strictEqual(restrictedField({ extra_body: { [field]: [] } }), `extra_body.${field}`)
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

describe("a service tier", () => {
  it.each<[unpriced: boolean, tier: unknown]>([
    [true, "priority"],
    [true, "toString"],
    [true, 1],
    [false, "flex"],
    [false, "auto"],
    [false, "default"],
    [false, "standard"],
    [false, null],
    [false, undefined],
  ])("without a price: %s, of %s", (unpriced, tier) => {
    assert.strictEqual(asksUnpricedTier(tier, { ...price, serviceTiers: { flex: 0.5 } }), unpriced)
    assert.isFalse(asksUnpricedTier(tier, price))
    assert.isFalse(asksUnpricedTier(tier, undefined))
  })
})
