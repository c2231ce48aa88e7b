import { assert, describe, it } from "@effect/vitest"
import { unknownName } from "../../src/config/allow-list.ts"
import { simulatedProviders } from "../../src/config/builtin-providers.ts"

const gateway = { providers: simulatedProviders, routes: new Map() }
const first = (...names: ReadonlyArray<string>) => unknownName(gateway, names)

describe("an allow-list", () => {
  it("may name routes, models, provider/model and provider/*, of vendors that are off too", () => {
    assert.isUndefined(first("sim-embed-1", "openai/gpt-5.4-mini", "gpt-5.4-mini", "openai/*", "sim-swift/*"))
    assert.isUndefined(
      first("mistral/*", "cerebras/gpt-oss-120b", "mistral-large-2512", "ollama/*", "azure/*"),
    )
    assert.isUndefined(unknownName({ ...gateway, routes: new Map([["mine", {}]]) as never }, ["mine"]))
  })

  it.each([
    ["gtp-5.4-mini", "gpt-5.4-mini"],
    ["GPT-5.4-mini", "gpt-5.4-mini"],
    ["openai/gpt5.4-mini", "openai/gpt-5.4-mini"],
    ["opena/*", "openai/*"],
    ["mistrall/*", "mistral/*"],
    ["cerebras/gpt-oss120b", "cerebras/gpt-oss-120b"],
  ])("says of %s that %s may be meant", (name, meant) => {
    const unknown = first("gpt-5.4", name)
    assert.strictEqual(unknown?.index, 1)
    assert.include(unknown?.text, `Did you mean ${meant}?`)
  })

  it.each(["c33/*", "*", "", "something-else-entirely"])("knows nothing like %j", (name) => {
    assert.include(first(name)?.text, "GET /v1/models")
  })
})
