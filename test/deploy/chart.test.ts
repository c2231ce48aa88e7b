import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { Yaml } from "effect/encoding"
import { documentedValues, withTable } from "../../scripts/write-chart-readme.ts"

/** What can be told of the chart without Helm. */

const chart = "deploy/helm/llm-gateway"
const text = readFileSync(`${chart}/values.yaml`, "utf8")
const values: unknown = Yaml.parse(text)
const schema = JSON.parse(readFileSync(`${chart}/values.schema.json`, "utf8"))
const manifest = JSON.parse(readFileSync("package.json", "utf8"))

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Paths of the mappings that the schema closes, and of everything else. */
const paths = (
  value: unknown,
  rule: { properties?: Record<string, never> } | undefined,
  path: string,
): Array<string> =>
  isMapping(value) && rule?.properties !== undefined && !path.endsWith("resources")
    ? Object.entries(value).flatMap(([key, each]) =>
        paths(each, rule.properties?.[key], path === "" ? key : `${path}.${key}`),
      )
    : [path]

describe("the chart", () => {
  it("has the gateway's version", () => {
    const { appVersion } = Yaml.parse(readFileSync(`${chart}/Chart.yaml`, "utf8")) as { appVersion: string }
    assert.strictEqual(appVersion, manifest.version)
  })

  it("says of each value what it is", () => {
    const documented = new Set(documentedValues(text).map(({ path }) => path))
    const leaves = paths(values, schema, "")
    assert.isAbove(leaves.length, 60)
    assert.deepStrictEqual(
      leaves.filter((path) => !documented.has(path)),
      [],
    )
  })

  it("has a README with what values.yaml says; node scripts/write-chart-readme.ts writes it", () => {
    const readme = readFileSync(`${chart}/README.md`, "utf8")
    assert.strictEqual(readme, withTable(readme, text))
    assert.match(readme, /\| `journal\.type` +\| `emptyDir` +\|/)
  })

  it("has a schema that takes its own values, and knows each of them", () => {
    const check = new Ajv({ strict: false }).compile(schema)
    assert.isTrue(check(values), JSON.stringify(check.errors))
    const known = (rule: Record<string, unknown>, of: unknown, path: string): Array<string> =>
      isMapping(rule.properties) && isMapping(of)
        ? Object.entries(rule.properties).flatMap(([key, each]) =>
            key in of
              ? known(each as Record<string, unknown>, of[key], `${path}.${key}`)
              : path.endsWith("resources") || key === "global"
                ? []
                : [`${path}.${key}`],
          )
        : []
    assert.deepStrictEqual(known(schema, values, ""), [])
  })
})
