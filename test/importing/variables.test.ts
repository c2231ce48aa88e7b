import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { importLitellm } from "../../src/importing/import-litellm.ts"

const variablesOf = (...keys: ReadonlyArray<string>): Readonly<Record<string, string>> => {
  const rows = keys.map(
    (key, i) => `  - { model_name: m${i}, litellm_params: { model: openai/m${i}, api_key: ${key} } }`,
  )
  const imported = Result.getOrThrow(importLitellm(`model_list:\n${rows.join("\n")}\n`, "2026-11-29"))
  return Object.fromEntries(imported.variables.map(({ name, note }) => [name, note]))
}

const at = (index: number) => `the key that stands at model_list[${index}].litellm_params.api_key`

describe("variables of keys", () => {
  it("are LiteLLM's own where it has some", () => {
    assert.deepStrictEqual(variablesOf("os.environ/TEAM_KEY", "os.environ/TEAM_KEY"), {
      TEAM_KEY: "as LiteLLM reads it",
    })
  })

  it("are one for each key that stands in the file", () => {
    assert.deepStrictEqual(variablesOf("sk-one", "sk-two", "sk-one"), {
      LITELLM_OPENAI_KEY: at(0),
      LITELLM_OPENAI_KEY_2: at(1),
    })
  })

  it("never take a name that the file means something else by", () => {
    assert.deepStrictEqual(
      variablesOf("sk-one", "os.environ/LITELLM_OPENAI_KEY", "os.environ/team-key", "os.environ/TEAM_KEY"),
      {
        LITELLM_OPENAI_KEY_2: at(0),
        LITELLM_OPENAI_KEY: "as LiteLLM reads it",
        TEAM_KEY_2: 'what "team-key" holds for LiteLLM',
        TEAM_KEY: "as LiteLLM reads it",
      },
    )
  })
})
