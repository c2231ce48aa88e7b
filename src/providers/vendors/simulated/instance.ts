import { isObject, type JsonObject } from "../../../platform/json.ts"
import { simulatedNumber } from "./number.ts"
import { readPattern } from "./pattern.ts"
import { type Effort, listOf, manyOf, numberOf, type Resolved, Schemas } from "./schema.ts"
import { simulatedString } from "./string.ts"

/** Bounds of an instance, whatever its schema asks for. The effort is that of some thousand values, tried ones too. */
const MAX_EFFORT = 300_000
const MAX_CHARACTERS = 32_768
const MAX_DEPTH = 64

/** Effort of making one value, besides that of reading its schema. */
const MAKING = 50

/**
 * Writes an instance of a client's JSON schema, always the same one. It has every property while that is short, one item
 * in lists that may have some, the first branch of every choice, and "simulated" where a text is free. `whole` is false
 * when the bounds cut it. What a schema says by `not`, `if` and dependencies is not looked at.
 */
export const simulatedInstance = (schema: unknown): { readonly json: string; readonly whole: boolean } => {
  const maker = new Maker(schema)
  const value = maker.make(schema, [], 0, 0, false)
  const json = JSON.stringify(value === NONE ? null : value)
  return maker.isSpent
    ? { json: json.slice(0, Math.min(MAX_CHARACTERS, json.length - 1)), whole: false }
    : { json, whole: true }
}

/** Stands for an instance that there is none of. */
const NONE = Symbol("none")

class Maker {
  readonly #effort: Effort = { left: MAX_EFFORT }
  readonly #schemas: Schemas
  #characters = 0

  constructor(root: unknown) {
    this.#schemas = new Schemas(root, this.#effort)
  }

  get isSpent(): boolean {
    return this.#effort.left < 0 || this.#characters > MAX_CHARACTERS
  }

  /** Tells that it is time to come to an end. */
  get #isLong(): boolean {
    return this.#effort.left < 0.75 * MAX_EFFORT || this.#characters > MAX_CHARACTERS / 4
  }

  /** `variant` tells items that must differ apart; `lean` leaves out what need not be there. */
  make(
    schema: unknown,
    referred: ReadonlyArray<unknown>,
    depth: number,
    variant: number,
    lean: boolean,
  ): unknown {
    this.#effort.left -= MAKING
    if (this.isSpent) return null
    if (depth > MAX_DEPTH) return NONE
    return this.#choose(this.#schemas.resolve(schema, referred), depth, variant, lean)
  }

  #choose(resolved: Resolved | undefined, depth: number, variant: number, lean: boolean): unknown {
    if (resolved === undefined) return NONE
    const [choice, ...choices] = resolved.choices
    if (choice === undefined) return this.#fill(resolved, depth, variant, lean)
    const { branches, only } = choice
    for (let i = 0; i < branches.length && !this.isSpent; i++) {
      const branch = this.#schemas.resolve(branches[(i + variant) % branches.length], resolved.referred)
      // An instance of one branch alone has nothing that another may ask for.
      const value = this.#choose(
        this.#schemas.meet({ ...resolved, choices }, branch),
        depth,
        variant,
        lean || only,
      )
      if (value !== NONE) return value
    }
    return NONE
  }

  #fill(resolved: Resolved, depth: number, variant: number, lean: boolean): unknown {
    const { schema } = resolved
    if (Object.hasOwn(schema, "const")) return this.#given([schema.const], schema, variant)
    if (Array.isArray(schema.enum)) return this.#given(schema.enum, schema, variant)
    switch (typeOf(schema)) {
      case "object":
        return this.#object(resolved, depth, variant, lean)
      case "array":
        return this.#list(resolved, depth, variant, lean)
      case "integer":
        return simulatedNumber(schema, true, variant)
      case "number":
        return simulatedNumber(schema, false, variant)
      case "boolean":
        return variant % 2 === 0
      case "null":
        return null
      case "string":
        return this.#string(schema, variant)
      default:
        return NONE
    }
  }

  /** Picks one of the values that a schema states. */
  #given(values: ReadonlyArray<unknown>, schema: JsonObject, variant: number): unknown {
    const types = manyOf(schema.type)
    this.#effort.left -= values.length * (1 + types.length)
    if (this.isSpent) return null
    const fitting = values.filter(
      (value) => types.length === 0 || types.some((type) => isOfType(value, type)),
    )
    if (fitting.length === 0) return NONE
    const value = fitting[variant % fitting.length]
    this.#characters += typeof value === "string" ? value.length : JSON.stringify(value).length
    return value
  }

  #string(schema: JsonObject, variant: number): string {
    const wanted = numberOf(schema.minLength) ?? 0
    const room = Math.max(0, MAX_CHARACTERS - this.#characters)
    const text = simulatedString({ ...schema, minLength: Math.min(wanted, room) }, variant, this.#effort)
    this.#characters += Math.max(text.length, wanted)
    return text
  }

  #object({ schema, referred }: Resolved, depth: number, variant: number, lean: boolean): unknown {
    const properties = Object.entries(isObject(schema.properties) ? schema.properties : {})
    const required = new Set(listOf(schema.required).filter((name) => typeof name === "string"))
    const most = numberOf(schema.maxProperties) ?? Number.POSITIVE_INFINITY
    const members = new Map<string, unknown>()
    this.#effort.left -= properties.length + required.size
    const add = (name: string, of: unknown, leaner = lean): boolean => {
      this.#characters += name.length
      const value = this.make(of, referred, depth + 1, variant, leaner)
      if (value !== NONE) members.set(name, value)
      return value !== NONE
    }
    let optional = most - required.size
    for (const [name, of] of properties) {
      if (this.isSpent) break
      if (required.has(name)) {
        if (!add(name, of)) return NONE
      } else if (!lean && !this.#isLong && optional > 0 && add(name, of)) optional--
    }
    for (const name of required) {
      if (this.isSpent) break
      if (!members.has(name) && !add(name, this.#other(schema, name))) return NONE
    }
    const isMap = !lean && properties.length === 0 && isObject(schema.additionalProperties)
    const least = Math.max(numberOf(schema.minProperties) ?? 0, isMap ? Math.min(1, most) : 0)
    for (const [name, of] of properties) {
      if (members.size >= least || this.isSpent) break
      if (!members.has(name)) add(name, of, true)
    }
    for (let i = 0; members.size < least && i < least + 100 && !this.isSpent; i++) {
      const name = this.#name(schema, referred, depth, i)
      if (name === undefined) break
      if (!members.has(name)) add(name, this.#other(schema, name))
    }
    return members.size < (numberOf(schema.minProperties) ?? 0) && !this.isSpent
      ? NONE
      : Object.fromEntries(members)
  }

  /** Invents the name of a property that the schema does not state. */
  #name(
    { propertyNames, patternProperties }: JsonObject,
    referred: ReadonlyArray<unknown>,
    depth: number,
    nth: number,
  ) {
    const [pattern] = isObject(patternProperties) ? Object.keys(patternProperties) : []
    const schema = { type: "string", ...(pattern !== undefined && { pattern }) }
    const names = propertyNames === undefined ? schema : { allOf: [schema, propertyNames] }
    const name = this.make(names, referred, depth + 1, nth, true)
    return typeof name === "string" ? name : undefined
  }

  /** Returns the schema of a property that `properties` does not state. */
  #other({ patternProperties, additionalProperties }: JsonObject, name: string): unknown {
    const others = Object.entries(isObject(patternProperties) ? patternProperties : {})
    this.#effort.left -= others.length
    const fitting = others.find(([pattern]) => readPattern(pattern, this.#effort)?.isIn(name))
    return fitting?.[1] ?? additionalProperties ?? {}
  }

  #list({ schema, referred }: Resolved, depth: number, variant: number, lean: boolean): unknown {
    const { items, contains } = schema
    const tuple = Array.isArray(schema.prefixItems) ? schema.prefixItems : listOf(items)
    const rest = Array.isArray(items) ? schema.additionalItems : items
    const least = numberOf(schema.minItems) ?? 0
    const most = numberOf(schema.maxItems) ?? Number.POSITIVE_INFINITY
    const wanted = Math.max(
      least,
      lean || this.#isLong ? 0 : Math.max(tuple.length, 1),
      contains === undefined ? 0 : 1,
    )
    const list: Array<unknown> = []
    const seen = new Set<string>()
    /** Adds an item; one that is there already is made again, a little different. */
    const add = (of: unknown, nth: number): boolean => {
      for (let other = 0; other < 16 && !this.isSpent; other++) {
        const differs = schema.uniqueItems === true ? nth + other : 0
        const value = this.make(of, referred, depth + 1, variant + differs, lean)
        if (value === NONE) return false
        const json = schema.uniqueItems === true ? JSON.stringify(value) : String(nth)
        if (seen.has(json)) continue
        seen.add(json)
        list.push(value)
        return true
      }
      return false
    }
    while (list.length < Math.min(wanted, most) && !this.isSpent) {
      const index = list.length
      const own = index < tuple.length ? tuple[index] : (rest ?? {})
      const found = index === tuple.length || (index === 0 && most <= tuple.length)
      if (!add(found && contains !== undefined ? { allOf: [own, contains] } : own, index)) break
    }
    return list.length < least && !this.isSpent ? NONE : list
  }
}

const TYPES: ReadonlySet<unknown> = new Set(["object", "array", "string", "number", "integer", "boolean"])
const SIGNS: ReadonlyArray<readonly [type: string, keywords: ReadonlyArray<string>]> = [
  [
    "object",
    ["properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"],
  ],
  ["array", ["items", "prefixItems", "minItems", "contains", "uniqueItems"]],
  ["string", ["pattern", "format", "minLength", "maxLength", "contentEncoding"]],
  ["number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]],
]

/** Returns the type to make: the first that is stated, but null; without one what the other words are about. */
const typeOf = (schema: JsonObject): unknown => {
  const stated = manyOf(schema.type)
  if (stated.length > 0) return stated.find((type) => TYPES.has(type)) ?? stated[0]
  return (
    SIGNS.find(([, keywords]) => keywords.some((keyword) => Object.hasOwn(schema, keyword)))?.[0] ?? "string"
  )
}

const isOfType = (value: unknown, type: unknown): boolean => {
  switch (type) {
    case "object":
      return isObject(value) && numberOf(value) === undefined
    case "array":
      return Array.isArray(value)
    case "null":
      return value === null
    case "integer":
      return Number.isInteger(numberOf(value))
    case "number":
      return numberOf(value) !== undefined
    default:
      return typeof value === type
  }
}
