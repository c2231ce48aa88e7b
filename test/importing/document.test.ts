import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { importLitellm } from "../../src/importing/import-litellm.ts"

const faultOf = (text: string): string => {
  const imported = importLitellm(text, "2026-11-29")
  return Result.isFailure(imported) ? imported.failure : "none"
}

/** Nine lists of nine of the one before: three hundred million fields in a few lines. */
const bomb = [
  "a0: &a0 [x, x, x, x, x, x, x, x, x]",
  ...Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`),
  "model_list: *a8",
].join("\n")

describe("a file that is not LiteLLM's configuration is refused in one line", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, fault: string]> = [
    ["nothing", "", "must be a mapping: LiteLLM's configuration has model_list in it"],
    ["a text", "hello", "must be a mapping: LiteLLM's configuration has model_list in it"],
    ["a list", "- a", "must be a mapping: LiteLLM's configuration has model_list in it"],
    [
      "another program's",
      "services: {}",
      "must have one of model_list, litellm_settings, router_settings, general_settings, environment_variables, " +
        "credential_list, guardrails, mcp_servers: is it LiteLLM's configuration?",
    ],
    ["models in a mapping", "model_list: { a: b }", "model_list must be a list"],
    ["a model that is a text", "model_list: [a]", "model_list[0] must be a mapping"],
    ["settings in a list", "router_settings: [a]", "router_settings must be a mapping"],
    ["a brace that stays open", "model_list: [{", "is not valid YAML: Expected ':' at flow offset 2"],
    ["an alias of nothing", "model_list: *nothing", "is not valid YAML: Unknown YAML alias '*nothing'"],
    ["aliases of aliases", bomb, "a5 must not have more than 100000 fields, with all that aliases stand for"],
    ["lists in lists", `model_list: ${"[".repeat(50_000)}`, "is not valid YAML: it is nested too deeply"],
    [
      "a deep mapping",
      Array.from({ length: 80 }, (_, i) => `${" ".repeat(i)}model_list:`).join("\n"),
      "model_list.model_list.model_list must not be nested deeper than 64",
    ],
    ["five million characters", `#${"a".repeat(5_000_000)}`, "must not have more than 4194304 characters"],
  ]
  for (const [what, text, fault] of cases) it(what, () => assert.strictEqual(faultOf(text), fault))

  it("members of objects are none of a document", () => {
    const imported = Result.getOrThrow(
      importLitellm(
        '{"model_list":[{"__proto__":{"model_name":"a","litellm_params":{"model":"gpt-5.4"}}}]}',
        "2026-11-29",
      ),
    )
    assert.deepStrictEqual(
      imported.entries.map(({ outcome, path }) => `${path} ${outcome}`),
      [
        "model_list[0].__proto__.model_name unsupported",
        "model_list[0].__proto__.litellm_params.model unsupported",
      ],
    )
    assert.strictEqual(imported.gateway.routes.size, 1)
  })
})

describe("a large configuration", () => {
  it("of two thousand deployments is imported", () => {
    const rows = Array.from(
      { length: 2_000 },
      (_, i) =>
        `  - { model_name: m${i % 500}, litellm_params: { model: openai/x${i}, api_base: "https://h${i % 50}.example/v1", api_key: os.environ/K${i % 100}, rpm: ${i + 1} } }`,
    )
    const imported = Result.getOrThrow(importLitellm(`model_list:\n${rows.join("\n")}\n`, "2026-11-29"))
    assert.strictEqual(imported.gateway.routes.size, 501)
    assert.isTrue(imported.entries.every(({ outcome }) => outcome === "imported"))
  })
})
