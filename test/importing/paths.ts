import { showPath } from "../../src/domain/faults.ts"

/** Names every field of a document that holds no others, by a walk of its own. */
export const pathsOf = (value: unknown, path: ReadonlyArray<string | number> = []): ReadonlyArray<string> => {
  const entries: ReadonlyArray<readonly [string | number, unknown]> = Array.isArray(value)
    ? value.map((each, index) => [index, each] as const)
    : typeof value === "object" && value !== null
      ? Object.entries(value)
      : []
  return entries.length === 0
    ? [showPath(path)]
    : entries.flatMap(([key, each]) => pathsOf(each, [...path, key]))
}
