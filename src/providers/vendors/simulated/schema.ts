import { roundedNumber } from "../../../platform/exact-json.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"

/** A schema with its references followed and its parts put together, but for what there is to choose. */
export interface Resolved {
  readonly schema: JsonObject
  /** Lists of schemas, one of each of which has to hold: `anyOf` and `oneOf`. */
  readonly choices: ReadonlyArray<Choice>
  /** What references led to, on the way from the root. */
  readonly referred: ReadonlyArray<unknown>
}

interface Choice {
  readonly branches: ReadonlyArray<unknown>
  readonly only: boolean
}

/** What an instance may still cost: about a step each, whatever is stepped through. */
export interface Effort {
  left: number
}

/** A client's schema, whose parts are read as they are needed. */
export class Schemas {
  readonly #root: unknown
  readonly #effort: Effort

  constructor(root: unknown, effort: Effort) {
    this.#root = root
    this.#effort = effort
  }

  /**
   * Follows references and puts `allOf` together. Undefined: no instance is known, either since there is none or since a
   * reference leads back to a schema that is being made, where the shortest instance never goes.
   */
  resolve(schema: unknown, referred: ReadonlyArray<unknown>, depth = 0): Resolved | undefined {
    this.#effort.left -= RESOLVING
    if (schema === false || depth > MAX_DEPTH || this.#effort.left < 0) return undefined
    if (!isObject(schema)) return { schema: {}, choices: [], referred }
    const { $ref, allOf, anyOf, oneOf, not, ...own } = schema
    if (not === true || (isObject(not) && Object.keys(not).length === 0)) return undefined
    let resolved: Resolved | undefined = {
      schema: own,
      choices: [
        ...(Array.isArray(anyOf) ? [{ branches: anyOf, only: false }] : []),
        ...(Array.isArray(oneOf) ? [{ branches: oneOf, only: true }] : []),
      ],
      referred,
    }
    if (typeof $ref === "string") {
      this.#effort.left -= $ref.length
      const target = find(this.#root, $ref)
      if (referred.includes(target)) return undefined
      const path = isObject(target) ? [...referred, target] : referred
      resolved = this.meet(resolved, this.resolve(target, path, depth + 1))
    }
    for (const part of listOf(allOf)) {
      resolved = resolved && this.meet(resolved, this.resolve(part, referred, depth + 1))
    }
    return resolved
  }

  /** Puts two schemas together that both have to hold. Undefined: they cannot. */
  meet(a: Resolved, b: Resolved | undefined): Resolved | undefined {
    if (b === undefined) return undefined
    this.#effort.left -= sizeOf(a.schema) + sizeOf(b.schema) + a.choices.length + b.choices.length
    const entries = new Map(Object.entries(a.schema))
    for (const [key, value] of Object.entries(b.schema)) {
      if (this.#effort.left < 0) return undefined
      if (entries.has(key)) this.#effort.left -= sizeOf(entries.get(key)) + sizeOf(value)
      const both = entries.has(key) ? join(key, entries.get(key), value, this.#effort) : value
      if (both === undefined) return undefined
      entries.set(key, both)
    }
    return {
      schema: Object.fromEntries(entries),
      choices: [...a.choices, ...b.choices],
      referred: [...new Set([...a.referred, ...b.referred])],
    }
  }
}

const MAX_DEPTH = 64

/** Effort of reading one schema. */
const RESOLVING = 10

const sizeOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? Object.keys(value).length : 1

/** Finds what a reference within the document points to; anything may stand where there is nothing. */
const find = (root: unknown, reference: string): unknown => {
  if (!reference.startsWith("#")) return undefined
  let found = root
  for (const step of reference.slice(1).split("/").slice(1)) {
    const name = decode(step).replaceAll("~1", "/").replaceAll("~0", "~")
    const holds = typeof found === "object" && found !== null && Object.hasOwn(found, name)
    found = holds ? (found as JsonObject)[name] : undefined
  }
  return found
}

const decode = (step: string): string => {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

const LOWER_BOUNDS = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
const UPPER_BOUNDS = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])
const MAPS = new Set(["properties", "patternProperties"])
const SCHEMAS = new Set(["items", "additionalProperties", "additionalItems", "contains", "propertyNames"])

/** Joins what two schemas say in one word. Undefined: they contradict each other. */
const join = (key: string, a: unknown, b: unknown, effort: Effort): unknown => {
  if (key === "type") return unlessEmpty(commonTypes(manyOf(a), manyOf(b)))
  if (key === "required") return [...listOf(a), ...listOf(b)]
  if (key === "enum") {
    const known = new Set(listOf(b).map((each) => textOf(each, effort)))
    return unlessEmpty(listOf(a).filter((each) => known.has(textOf(each, effort))))
  }
  // Texts are sought that all patterns are in.
  if (key === "pattern") return [...manyOf(a), ...manyOf(b)]
  if (key === "const") return textOf(a, effort) === textOf(b, effort) ? a : undefined
  if (LOWER_BOUNDS.has(key))
    return Math.max(numberOf(a) ?? Number.NEGATIVE_INFINITY, numberOf(b) ?? Number.NEGATIVE_INFINITY)
  if (UPPER_BOUNDS.has(key))
    return Math.min(numberOf(a) ?? Number.POSITIVE_INFINITY, numberOf(b) ?? Number.POSITIVE_INFINITY)
  if (key === "multipleOf") return commonMultiple(numberOf(a) ?? 1, numberOf(b) ?? 1)
  if (SCHEMAS.has(key)) return { allOf: [a, b] }
  if (!MAPS.has(key) || !isObject(a) || !isObject(b)) return a
  const schemas = new Map(Object.entries(a))
  for (const [name, each] of Object.entries(b)) {
    schemas.set(name, schemas.has(name) ? { allOf: [schemas.get(name), each] } : each)
  }
  return Object.fromEntries(schemas)
}

const textOf = (value: unknown, effort: Effort): string => {
  const text = JSON.stringify(value)
  effort.left -= Math.ceil(text.length / 16)
  return text
}

const unlessEmpty = <A>(list: ReadonlyArray<A>): ReadonlyArray<A> | undefined =>
  list.length === 0 ? undefined : list

/** Whole numbers are numbers too. */
const commonTypes = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const [inA, inB] = [new Set(a), new Set(b)]
  const both = inA.intersection(inB)
  const whole = (inA.has("number") && inB.has("integer")) || (inA.has("integer") && inB.has("number"))
  return [...both, ...(whole && !both.has("integer") ? ["integer"] : [])]
}

/** Of fractions it is a guess. */
const commonMultiple = (a: number, b: number): number => {
  if (!Number.isInteger(a) || !Number.isInteger(b)) return Math.max(a, b)
  let [large, small] = [a, b]
  while (small !== 0) [large, small] = [small, large % small]
  return (a * b) / large
}

/** Reads what is one text or a list. */
export const manyOf = (value: unknown): ReadonlyArray<unknown> =>
  typeof value === "string" ? [value] : listOf(value)

export const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Reads a number, also one of so many digits that it is kept as its text. */
export const numberOf = (value: unknown): number | undefined => {
  const number = roundedNumber(value)
  return typeof number === "number" && !Number.isNaN(number) ? number : undefined
}
