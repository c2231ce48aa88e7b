import type { JsonObject } from "../../../src/platform/json.ts"
import { isObject } from "../../../src/platform/json.ts"

/** A value within a JSON, by the fields that lead there; places in lists do not tell values apart. */
interface Leaf {
  readonly path: string
  readonly value: string
}

/** Fields whose text is JSON itself. */
const JSON_TEXTS = new Set(["arguments"])

const leavesOf = (json: unknown, path = ""): ReadonlyArray<Leaf> => {
  if (Array.isArray(json)) {
    return json.length === 0 ? [{ path, value: "[]" }] : json.flatMap((each) => leavesOf(each, `${path}[]`))
  }
  if (isObject(json)) {
    const fields = Object.entries(json).filter(([, value]) => value !== undefined)
    if (fields.length === 0) return [{ path, value: "{}" }]
    return fields.flatMap(([field, value]) => leavesOf(value, path === "" ? field : `${path}.${field}`))
  }
  return [{ path, value: JSON_TEXTS.has(path.split(".").at(-1) ?? "") ? String(json) : JSON.stringify(json) }]
}

/** Returns the leaves of one that the other has not (as often). */
export const gained = (json: JsonObject, without: JsonObject): ReadonlyArray<Leaf> => {
  const before = new Map<string, number>()
  const keyOf = ({ path, value }: Leaf) => `${path}=${value}`
  for (const leaf of leavesOf(without)) before.set(keyOf(leaf), (before.get(keyOf(leaf)) ?? 0) + 1)
  return leavesOf(json).filter((leaf) => {
    const left = before.get(keyOf(leaf)) ?? 0
    before.set(keyOf(leaf), left - 1)
    return left <= 0
  })
}

/** Returns where all of these stand, or the few places. */
export const placesOf = (leaves: ReadonlyArray<Leaf>): ReadonlyArray<string> => {
  const paths = [...new Set(leaves.map(({ path }) => path))]
  const [first = "", ...others] = paths.map((path) => path.split("."))
  const steps = [...first]
  const common = steps.filter((_, index) =>
    others.every((each) => steps.slice(0, index + 1).join(".") === each.slice(0, index + 1).join(".")),
  )
  return common.length > 0
    ? [common.join(".")]
    : [...new Set(paths.map((path) => path.split(".").slice(0, 2).join(".")))]
}
