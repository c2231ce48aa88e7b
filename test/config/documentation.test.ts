import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { type JsonSchema, Redacted, Result } from "effect"
import { presets } from "../../src/catalog/vendors.ts"
import { defaultSimulation } from "../../src/config/builtin-providers.ts"
import { emptyFile, parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { gatewayJsonSchema } from "../../src/config/gateway-json-schema.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"

/** docs/configuration.md against the code: every field is there, under its name, with its default and its meaning. */

const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")

const environment = {
  apiKeys: new Map([["OPENAI_API_KEY", Redacted.make("key")]]),
  baseUrls: {
    openai: "https://openai.test/v1",
    gemini: "https://gemini.test",
    anthropic: "https://anthropic.test",
  },
  variables: new Map(),
}
const defaults = Result.getOrThrow(mergeGatewayConfig(emptyFile, environment))

/** The rows of the first table after a line of the page, as field and what else there is. */
const rowsAfter = (line: string) => {
  const [, after = ""] = page.split(`\n${line}`)
  const [table = ""] = after.slice(after.indexOf("\n|")).trimStart().split("\n\n")
  return table
    .trimEnd()
    .split("\n")
    .slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()))
    .map(([, field = "", ...rest]) => [field.replaceAll("`", ""), rest.slice(0, -1)] as const)
}

const tableAfter = (line: string) => rowsAfter(line).map(([field, [value = ""]]) => [field, value] as const)

type Schemas = Readonly<Record<string, JsonSchema.JsonSchema>>

/** JSON Schema is typed as a record of anything; that `properties` holds schemas is its grammar. */
const propertiesOf = (schema: JsonSchema.JsonSchema) => (schema.properties ?? {}) as Schemas

/** The schemas of mappings in a field: its own, those of a list's entries, of a union's members, of a map's values. */
const objectsIn = (schema: JsonSchema.JsonSchema | undefined): ReadonlyArray<JsonSchema.JsonSchema> => {
  if (schema === undefined) return []
  const [, definition] = /^#\/definitions\/(.+)$/.exec(String(schema.$ref)) ?? []
  if (definition !== undefined) return objectsIn((gatewayJsonSchema.definitions as Schemas)[definition])
  if (schema.properties !== undefined) return [schema]
  const { items, anyOf, additionalProperties } = schema as Schemas & { anyOf?: Array<JsonSchema.JsonSchema> }
  return [items, ...(anyOf ?? []), additionalProperties].flatMap(objectsIn)
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const shown = (values: object) =>
  Object.entries(values).map(([name, value]) => [snakeCase(name), String(value)] as const)

/** A text that can stand in YAML for each value that the page gives no default for. */
const sample: Readonly<Record<string, string>> = {
  name: "m",
  kind: "chat",
  price: "{ input_usd_per_1m: 1, output_usd_per_1m: 1, source: s, as_of: 2026-01-01 }",
  source: "s",
  as_of: "2026-01-01",
  larger_context: "[]",
  weights: "{ latency: 1, cost: 0 }",
  inputs: "[text]",
  unsupported: "[top_p]",
  parameters: "{ seed: drop }",
  strategy: "score",
  hysteresis: "0.1",
  hedge: "{ traffic: 0.1, spend: 0.1 }",
  target: "p/m",
  route: "r",
  uses: "[image]",
  header: "{ x: y }",
  hours: "22:00-06:00",
  days: "[mon]",
  time_zone: "Europe/Berlin",
  keys: "[AbCd01234567]",
  asked: "[r]",
  outage: "{ every_ms: 2, down_ms: 1 }",
  service_tiers: "{ flex: 0.5 }",
  valid_from: "2026-12-01",
  bands: "[{ above_tokens: 2, input_usd_per_1m: 1, output_usd_per_1m: 1 }]",
}
const sampleOf = (field: string, shown: string) =>
  shown.startsWith("[") ? shown : (sample[field] ?? (Number.isNaN(Number(shown)) ? 1 : shown))
const mapping = (rows: ReadonlyArray<readonly [string, string]>) =>
  `{ ${rows.map(([field, shown]) => `${field}: ${sampleOf(field, shown)}`).join(", ")} }`

const faultsOf = (yaml: string) =>
  Result.match(parseGatewayFile(yaml), { onSuccess: () => [], onFailure: (faults) => faults })

describe("docs/configuration.md", () => {
  it("has every timeout and limit with its default", () => {
    assert.deepStrictEqual(tableAfter("## timeouts"), shown(defaults.timeouts))
    const unset = [
      ["tokens_per_minute", "none"],
      ["concurrency", "none"],
      ["max_body_bytes_in_flight", "by memory"],
    ] as const
    const byName = (rows: ReadonlyArray<readonly [string, string]>) =>
      rows.toSorted(([a], [b]) => a.localeCompare(b))
    assert.deepStrictEqual(
      byName(tableAfter("## limits")),
      byName([...shown({ ...defaults.limits, models: "{}" }), ...unset]),
    )
  })

  it("has everything that a simulation can be told, with its default", () => {
    const rows = tableAfter("`simulation`, for trying")
    assert.deepStrictEqual(rows, [...shown(defaultSimulation), ["outage", "never"]])
  })

  it("gives to each field the meaning that editors show, and to no other", () => {
    const groups = [
      ["## timeouts", "timeouts"],
      ["## limits", "limits"],
      ["## attribution", "attribution"],
      ["## ledger", "ledger"],
      ["## providers", "providers"],
      ["`simulation`, for trying", "providers", "simulation"],
      ["A key of `api_keys`", "providers", "api_keys"],
      ["A model:", "providers", "models"],
      ["A price,", "providers", "models", "price"],
      ["A mapping from route name", "routes"],
      ["A candidate of a `weighted` route", "routes", "candidates"],
      ["A `hedge`", "routes", "hedge"],
      ["A condition in `when`", "routes", "when"],
    ] as const
    for (const [line, ...path] of groups) {
      const rows = rowsAfter(line).map(([field, rest]) => [field, rest.at(-1)] as const)
      const shown = path.reduce<ReadonlyArray<JsonSchema.JsonSchema>>(
        (schemas, name) => schemas.flatMap((schema) => objectsIn(propertiesOf(schema)[name])),
        [gatewayJsonSchema],
      )
      const meanings = new Set(
        shown.flatMap((schema) =>
          Object.entries(propertiesOf(schema)).map(([field, { description }]) => `${field}: ${description}`),
        ),
      )
      assert.sameMembers(
        [...meanings],
        rows.map(([field, meaning]) => `${field}: ${meaning}`),
      )
    }
  })

  it("has what each preset takes of earlier answers", () => {
    const names = { thinking: "`thinking` parts of the content" } as Readonly<Record<string, string>>
    assert.deepStrictEqual(
      rowsAfter("#### Earlier answers").map(([preset, cells]) => [preset, ...cells]),
      presets.flatMap(({ name, turns }) => {
        if (turns === undefined) return []
        const reasoning = turns.reasoning.map((field) => names[field] ?? `\`${field}\``).join(", ")
        return [[name, reasoning || "–", turns.only === undefined ? "no" : "yes"]]
      }),
    )
  })

  it("has each preset with its variables, its address and its choice for auto", () => {
    assert.deepStrictEqual(
      rowsAfter("### Presets").map(([preset, cells]) => [
        preset,
        ...cells.map((cell) => cell.replaceAll("`", "")),
      ]),
      presets.map(({ apiKeyEnv = "none", auto, baseUrl, baseUrlEnv, name, title }) => [
        ...[name, title, apiKeyEnv, baseUrl === `{${baseUrlEnv}}` ? "none" : baseUrl, baseUrlEnv],
        auto[0] ?? "listed in the file",
      ]),
    )
  })

  it("has each dialect that a vendor speaks natively, with the page that says so", () => {
    const cell = (endpoint: { readonly path: string; readonly source: string } | undefined) =>
      endpoint === undefined ? "–" : `[\`${endpoint.path}\`](${endpoint.source})`
    assert.deepStrictEqual(
      rowsAfter("#### Dialects of vendors"),
      presets.flatMap(({ dialects, name }) =>
        dialects === undefined ? [] : [[name, [cell(dialects.messages), cell(dialects.responses)]]],
      ),
    )
  })

  it("names only fields that the file may have", () => {
    const models = `[${mapping(tableAfter("A model:"))}]`
    const simulation = mapping(tableAfter("`simulation`, for trying"))
    const price = mapping(tableAfter("A price,"))
    const nested: Readonly<Record<string, string>> = {
      candidates: `[${mapping(tableAfter("A candidate of a `weighted` route"))}]`,
      when: `[${mapping(tableAfter("A condition in `when`"))}]`,
    }
    const route = mapping(
      tableAfter("A mapping from route name").map(([field, value]) => [field, nested[field] ?? value]),
    )
    assert.deepStrictEqual(
      faultsOf(`providers: [{ name: p, kind: simulated, simulation: ${simulation}, models: ${models} }]
prices: [{ provider: p, model: m, ${price.slice(2, -2)} }]
routes: { r: ${route} }`),
      [],
    )
  })

  it("shows an example that is accepted", () => {
    const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
    assert.include(example, "kind: embedding")
    const parsed = Result.getOrThrow(parseGatewayFile(example))
    const faults = Result.match(mergeGatewayConfig(parsed, environment), {
      onSuccess: () => [],
      onFailure: (lines) => lines,
    })
    assert.deepStrictEqual(faults, [])
  })
})
