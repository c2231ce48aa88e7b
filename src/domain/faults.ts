import { SchemaIssue } from "effect"
import { oneLine } from "./one-line.ts"

/** Faults of what people and programs write, each as `path rule`: `routes.auto.weights.cost must be a number from 0 to 1`. */

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/

/** `["routes", "auto", "candidates", 0]` as `routes.auto.candidates[0]`. */
export const showPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((shown, key) => {
    if (typeof key === "number") return `${shown}[${key}]`
    const name = String(key)
    if (!PLAIN_KEY.test(name)) return `${shown}[${oneLine(JSON.stringify(name))}]`
    return shown === "" ? name : `${shown}.${name}`
  }, "")

const describe = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "is missing"
    if (issue._tag === "UnexpectedKey") return "is not a known setting"
    return SchemaIssue.defaultLeafHook(issue)
  },
})

/** Returns every fault that a schema found. Values are never quoted, as long as the schema has rules in words. */
export const faultsOf = (issue: SchemaIssue.Issue): ReadonlyArray<string> =>
  describe(issue).issues.map(({ path = [], message }) =>
    `${showPath(path.map((key) => (typeof key === "object" ? key.key : key)))} ${message}`.trim(),
  )
