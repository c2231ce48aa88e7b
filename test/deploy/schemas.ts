import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { ValidateFunction } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Schema } from "effect"
import { Yaml } from "effect/encoding"

/** Schemas of objects of Kubernetes, of its own and of operators, all of which refuse fields that they do not know. */

interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
}

/** Formats such as `int-or-string` are Kubernetes' own. */
const ajv = () => new Ajv2020({ strict: false, validateFormats: false })

/** Schemas of one version of Kubernetes, in the folder that has a file for each kind. */
export const builtinSchemas = (folder: string): ((object: KubernetesObject) => ValidateFunction) => {
  const all = ajv().addSchema(
    JSON.parse(readFileSync(join(folder, "_definitions.json"), "utf8")),
    "_definitions.json",
  )
  const compiled = new Map<string, ValidateFunction>()
  return ({ apiVersion, kind }) => {
    const [group = "", version = group] = apiVersion.split("/")
    // `apps/v1`: deployment-apps-v1; `networking.k8s.io/v1`: ingress-networking-v1; `v1`: service-v1.
    const words = apiVersion.includes("/") ? [group.split(".")[0], version] : [version]
    const file = [kind.toLowerCase(), ...words].join("-")
    const known =
      compiled.get(file) ?? all.compile(JSON.parse(readFileSync(join(folder, `${file}.json`), "utf8")))
    compiled.set(file, known)
    return known
  }
}

const Crd = Schema.Struct({
  spec: Schema.Struct({
    names: Schema.Struct({ kind: Schema.String }),
    versions: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        schema: Schema.Struct({ openAPIV3Schema: Schema.Record(Schema.String, Schema.Unknown) }),
      }),
    ),
  }),
})

/** What the API server does by itself: prunes, and here refuses, what a schema does not name. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== "object" || schema === null) return schema
  const inside = Object.fromEntries(
    Object.entries(schema)
      // A flag that Go's expressions have and JavaScript's do not.
      .filter(([key, value]) => !(key === "pattern" && typeof value === "string" && value.includes("(?i)")))
      .map(([key, value]) => [key, closed(value)]),
  )
  const open = "additionalProperties" in schema || "x-kubernetes-preserve-unknown-fields" in schema
  return "properties" in schema &&
    schema.properties !== null &&
    "type" in schema &&
    schema.type === "object" &&
    !open
    ? { ...inside, additionalProperties: false }
    : inside
}

/** The schema of a custom resource, from the file with its definition. */
export const customSchema = (file: string, version: string): ValidateFunction => {
  const { spec } = Schema.decodeUnknownSync(Crd)(Yaml.parse(readFileSync(file, "utf8")))
  const found = spec.versions.find(({ name }) => name === version)
  if (found === undefined) throw new Error(`${file} has no ${version}`)
  const schema = closed(found.schema.openAPIV3Schema) as { properties: Record<string, unknown> }
  // Which is any object's, and told elsewhere.
  return ajv().compile({ ...schema, properties: { ...schema.properties, metadata: { type: "object" } } })
}
