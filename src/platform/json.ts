import { parseExactJson } from "./exact-json.ts"

/**
 * An object of a provider's JSON. The readers here take anything, never throw, and read a missing or mistyped value as
 * undefined, so that a strange answer is a classified fault and not a crash.
 */
export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const objectAt = (parent: JsonObject | undefined, key: string): JsonObject | undefined => {
  const value = parent?.[key]
  return isObject(value) ? value : undefined
}

export const stringAt = (parent: JsonObject | undefined, key: string): string | undefined => {
  const value = parent?.[key]
  return typeof value === "string" ? value : undefined
}

/** Returns the objects of an array, or none; other elements are skipped. */
export const objectsAt = (parent: JsonObject | undefined, key: string): ReadonlyArray<JsonObject> => {
  const value = parent?.[key]
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** Parses JSON; undefined when the text is none. */
export const parseJson = (text: string): unknown => {
  try {
    return parseExactJson(text)
  } catch {
    return undefined
  }
}

/** Makes one object's text of two, for values that are long and whose text is at hand. No name may stand in both. */
export const joinObjects = (first: string, second: string): string => {
  if (first === "{}") return second
  return second === "{}" ? first : `${first.slice(0, -1)},${second.slice(1)}`
}
