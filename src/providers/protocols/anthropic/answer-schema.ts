import { isObject } from "../../../platform/json.ts"

/** Members of a schema that hold values, and no schemas. */
const VALUES: ReadonlySet<string> = new Set(["const", "default", "enum", "examples", "required"])

/**
 * Returns a schema whose objects have no other fields than it names, unless it says otherwise: Claude takes no other, and an answer
 * by it is one by the client's too.
 */
export const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed)
  if (!isObject(schema)) return schema
  const own = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, VALUES.has(name) ? value : closed(value)]),
  )
  return schema.type === "object" && schema.additionalProperties === undefined
    ? { ...own, additionalProperties: false }
    : own
}
