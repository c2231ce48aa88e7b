import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { JsonSchema, Result, Schema, SchemaRepresentation } from "effect"
import { Yaml } from "effect/encoding"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"

/** docs/gateway.schema.json, read by itself as an editor reads it. */

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

const schema = SchemaRepresentation.fromJsonSchemaDocument(
  JsonSchema.fromSchemaDraft07(JSON.parse(read("docs/gateway.schema.json"))),
  { patterns: "apply" },
)
// A schema that was read from JSON needs no services.
const decode = Schema.decodeUnknownResult(schema as Schema.Codec<unknown>, { onExcessProperty: "error" })
const accepts = (document: unknown) => Result.isSuccess(decode(document))

const examples = [
  ...["docs/configuration.md", "docs/routing.md", "README.md"].flatMap((page) =>
    [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text),
  ),
  read("examples/outage.yaml"),
  read("examples/routes.yaml"),
]

type Tree = { readonly [key: string]: Tree } | ReadonlyArray<Tree> | string | number

const FREE = new Set(["routes", "parameters", "service_tiers", "header", "headers"])

/** Every copy of a document in which the name of one field is misspelt; names of routes, parameters, service tiers, limited models and header fields are free. */
const misspelt = (tree: Tree, free = false): ReadonlyArray<Tree> => {
  if (typeof tree !== "object") return []
  if (Array.isArray(tree)) {
    return tree.flatMap((item, index) => misspelt(item).map((wrong) => tree.with(index, wrong)))
  }
  const isFree = (key: string, value: Tree) =>
    // Models have names where limits are mapped by them, and fields where they are listed.
    FREE.has(key) || (key === "models" && !Array.isArray(value))
  return Object.entries(tree).flatMap(([key, value]) => {
    const { [key]: _, ...others } = tree as { readonly [key: string]: Tree }
    return [
      ...(free ? [] : [{ ...others, [`${key}s`]: value }]),
      ...misspelt(value, isFree(key, value)).map((wrong) => ({
        ...others,
        [key]: wrong,
      })),
    ]
  })
}

describe("docs/gateway.schema.json", () => {
  it("accepts the examples of the documentation, and none of them with a misspelt field", () => {
    assert.isAbove(examples.length, 2)
    let wrongs = 0
    for (const example of examples) {
      // YAML of mappings, lists, texts and numbers.
      const document = Yaml.parse(example) as Tree
      assert.isTrue(accepts(document), example)
      for (const wrong of misspelt(document)) {
        wrongs++
        assert.isFalse(accepts(wrong), JSON.stringify(wrong))
        assert.isTrue(Result.isFailure(parseGatewayFile(JSON.stringify(wrong))), JSON.stringify(wrong))
      }
    }
    assert.isAbove(wrongs, 40)
  })

  it("refuses values out of bounds, words that are none, and what is missing", () => {
    for (const wrong of [
      "limits: { max_attempts: 21 }",
      "limits: { max_attempts: 1.5 }",
      "limits: { retry_ratio: -0.1 }",
      "ledger: { journal: disk }",
      "providers: [{ name: p, kind: simulated }]",
      "providers: [{ name: p, kind: simulated, models: [] }]",
      "providers: [{ name: P, kind: openai }]",
      "routes: { r: { candidates: [gpt] } }",
      "routes: { r: { weights: { latency: 1 } } }",
      "prices: [{ provider: p, model: m }]",
    ]) {
      assert.isFalse(accepts(Yaml.parse(wrong)), wrong)
    }
  })
})
