import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import * as formats from "ajv-formats"
import fc from "fast-check"
import { z } from "zod"
import { simulatedInstance } from "../../src/providers/vendors/simulated/instance.ts"

const ajv = new Ajv2020({ strict: false, logger: false, ownProperties: true })
formats.default.default(ajv)

/** Makes an instance that has to be whole and valid. */
const valid = (schema: object): unknown => {
  const { json, whole } = simulatedInstance(schema)
  const instance: unknown = JSON.parse(json)
  const message = () => `${json} of ${JSON.stringify(schema)}: ${ajv.errorsText()}`
  assert.isTrue(ajv.validate(schema, instance), message())
  assert.isTrue(whole)
  return instance
}

describe("an instance of a schema", () => {
  it("shows that it is simulated, has every property, and is always the same", () => {
    const schema = z.toJSONSchema(
      z.object({
        name: z.string(),
        kind: z.enum(["event", "task"]),
        people: z.array(z.object({ name: z.string(), age: z.int().min(18) })),
        done: z.boolean(),
        note: z.string().optional(),
        due: z.iso.datetime().nullable(),
      }),
    )
    const expected = {
      name: "simulated",
      kind: "event",
      people: [{ name: "simulated", age: 18 }],
      done: true,
      note: "simulated",
      due: "2026-01-01T00:00:00Z",
    }
    assert.deepStrictEqual(valid(schema), expected)
    assert.deepStrictEqual(valid(schema), expected)
  })

  it("is valid for what zod writes", () => {
    const all = {
      email: z.email(),
      uuid: z.uuid(),
      uuidv7: z.uuidv7(),
      guid: z.guid(),
      url: z.url(),
      hostname: z.hostname(),
      ipv4: z.ipv4(),
      ipv6: z.ipv6(),
      cidrv4: z.cidrv4(),
      mac: z.mac(),
      base64: z.base64(),
      base64url: z.base64url(),
      hex: z.hex(),
      e164: z.e164(),
      nanoid: z.nanoid(),
      password: z.string().regex(/^(?=.*\d).{8,20}$/),
      strong: z.string().regex(/^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[@$!%*?&])[A-Za-z\d@$!%*?&]{8,}$/),
      ulid: z.ulid(),
      date: z.iso.date(),
      time: z.iso.time(),
      duration: z.iso.duration(),
      milliseconds: z.iso.datetime({ precision: 3 }),
      offset: z.iso.datetime({ offset: true, local: true }),
      pattern: z
        .string()
        .regex(/^[A-Z]{2}-\d{4,}(?:\/[a-z_]+)?$/)
        .min(12),
      around: z.string().startsWith("ab").endsWith("yz"),
      long: z.string().min(25).max(26),
      short: z.string().max(3),
      tuple: z.tuple([z.string(), z.number()]),
      record: z.record(z.string(), z.number()),
      keys: z.record(z.enum(["a", "b"]), z.boolean()),
      union: z.union([z.string(), z.number()]),
      discriminated: z.discriminatedUnion("type", [
        z.object({ type: z.literal("a"), value: z.string().optional() }),
        z.object({ type: z.literal("b") }),
      ]),
      literal: z.literal([3, null]),
      share: z.number().min(0).max(1),
      cents: z.number().multipleOf(0.01).gt(3),
      negative: z.int().negative(),
      list: z.array(z.string()).min(3).max(4),
      none: z.null(),
      any: z.unknown(),
    }
    for (const [name, schema] of Object.entries(all)) valid(z.toJSONSchema(z.object({ [name]: schema })))
    valid(z.toJSONSchema(z.object(all)))
  })

  it("is valid for formats that only zod knows, by zod's own word", () => {
    const all = {
      emoji: z.emoji(),
      jwt: z.jwt(),
      cuid: z.cuid(),
      cuid2: z.cuid2(),
      ulid: z.ulid(),
      xid: z.xid(),
      ksuid: z.ksuid(),
      e164: z.e164(),
      base64url: z.base64url(),
      cidrv6: z.cidrv6(),
    }
    for (const [name, schema] of Object.entries(all)) {
      const { json } = simulatedInstance(z.toJSONSchema(z.array(schema).min(2)))
      assert.isTrue(z.array(schema).safeParse(JSON.parse(json)).success, `${name}: ${json}`)
    }
  })

  it("is valid for what pydantic writes", () => {
    valid({
      $defs: {
        Color: { enum: ["red", "blue"], title: "Color", type: "string" },
        Step: {
          additionalProperties: false,
          properties: {
            explanation: { title: "Explanation", type: "string" },
            next: { anyOf: [{ $ref: "#/$defs/Step" }, { type: "null" }] },
          },
          required: ["explanation", "next"],
          title: "Step",
          type: "object",
        },
      },
      additionalProperties: false,
      properties: {
        steps: { items: { $ref: "#/$defs/Step" }, title: "Steps", type: "array", minItems: 2 },
        color: { $ref: "#/$defs/Color", description: "A color" },
        amount: {
          anyOf: [{ type: "number" }, { type: "string", pattern: "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$" }],
        },
        born: { format: "date", type: "string" },
        tags: { items: { type: "string" }, type: "array", uniqueItems: true, minItems: 3 },
        extra: { additionalProperties: { type: "integer" }, type: "object" },
        pair: {
          maxItems: 2,
          minItems: 2,
          prefixItems: [{ type: "integer" }, { type: "string" }],
          type: "array",
        },
      },
      required: ["steps", "color", "amount", "born", "tags", "extra", "pair"],
      type: "object",
    })
  })

  it("ends where a schema refers to itself, as soon as it can", () => {
    const tree = {
      $ref: "#/$defs/Tree",
      $defs: {
        Tree: {
          type: "object",
          properties: {
            value: { type: "number" },
            children: { type: "array", items: { $ref: "#/$defs/Tree" } },
          },
          required: ["value", "children"],
        },
      },
    }
    assert.deepStrictEqual(valid(tree), { value: 1, children: [] })
    const expression = {
      anyOf: [
        {
          type: "object",
          properties: { left: { $ref: "#" }, right: { $ref: "#" } },
          required: ["left", "right"],
        },
        { type: "integer", minimum: 5 },
      ],
    }
    assert.deepStrictEqual(valid(expression), { left: 5, right: 5 })
    assert.strictEqual(valid({ $ref: "#/definitions/a~1b%20c", definitions: { "a/b c": { const: 7 } } }), 7)
  })

  it("holds what several schemas ask for at once", () => {
    assert.deepStrictEqual(
      valid({
        allOf: [
          { type: "object", properties: { a: { type: "number", minimum: 2 } }, required: ["a"] },
          { properties: { a: { type: "integer", maximum: 4 }, b: { type: "string" } }, required: ["b"] },
        ],
      }),
      { a: 2, b: "simulated" },
    )
    assert.deepStrictEqual(
      valid({
        type: "object",
        properties: { a: { type: "string" }, b: { type: "string" } },
        oneOf: [{ required: ["a"] }, { required: ["b"] }],
      }),
      { a: "simulated" },
    )
    assert.strictEqual(
      valid({ type: "string", anyOf: [{ type: "integer" }, { minLength: 12 }] }),
      "simulated si",
    )
  })

  it("has properties whose names mean something to JavaScript", () => {
    const schema: unknown = JSON.parse(
      '{"properties":{"__proto__":{"type":"null"}},"required":["constructor"]}',
    )
    assert.strictEqual(simulatedInstance(schema).json, '{"__proto__":null,"constructor":"simulated"}')
  })

  it("is valid for schemas of any make", () => {
    fc.assert(
      fc.property(schemas, (schema) => {
        valid(schema)
      }),
      { numRuns: 500 },
    )
  })
})

/** Schemas of which there are instances, whatever their parts. */
const schemas: fc.Arbitrary<object> = fc.letrec<{ any: object }>((tie) => {
  // The judge stumbles over these names.
  const value = (maxDepth: number) =>
    fc
      .jsonValue({ maxDepth })
      .filter((each) => !/"(?:valueOf|toString|__proto__)"/.test(JSON.stringify(each)))
  const range = (low: string, high: string, most: number) =>
    fc.tuple(fc.nat(most), fc.nat(most), fc.boolean(), fc.boolean()).map(([a, b, hasLow, hasHigh]) => ({
      ...(hasLow && { [low]: Math.min(a, b) }),
      ...(hasHigh && { [high]: Math.max(a, b) }),
    }))
  const name = fc.constantFrom("a", "b", "c d", "é", "hasOwnProperty", "constructor", "$ref", "0")
  const list = fc
    .tuple(range("minItems", "maxItems", 4), tie("any"))
    .map(([bounds, items]) => ({ type: "array", items, ...bounds }))
  const object = fc
    .tuple(
      fc.dictionary(name, tie("any"), { maxKeys: 4 }),
      fc.array(name, { maxLength: 3 }),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([properties, required, closed, typed]) => ({
      ...(typed && { type: "object" }),
      properties,
      required: [...new Set(required)].filter((each) => !closed || Object.hasOwn(properties, each)),
      ...(closed && { additionalProperties: false }),
    }))
  const scalar = fc.oneof(
    range("minLength", "maxLength", 40).map((bounds) => ({ type: "string", ...bounds })),
    range("minimum", "maximum", 50).map((bounds) => ({ type: "integer", ...bounds })),
    range("exclusiveMinimum", "maximum", 50)
      .filter(
        ({ exclusiveMinimum, maximum }) => exclusiveMinimum === undefined || exclusiveMinimum !== maximum,
      )
      .map((bounds) => ({ type: "number", ...bounds })),
    fc.constantFrom(0.1, 0.25, 3, 7, 0.01).map((multipleOf) => ({ type: "number", multipleOf, minimum: -5 })),
    fc.integer({ min: -900, max: 900 }).map((maximum) => ({ type: "integer", maximum, multipleOf: 3 })),
    fc
      .constantFrom(
        "date-time",
        "date",
        "time",
        "email",
        "uri",
        "uuid",
        "ipv4",
        "ipv6",
        "hostname",
        "duration",
      )
      .map((format) => ({ type: "string", format })),
    fc
      .constantFrom(
        "^[a-z]+$",
        "^\\d{3}-\\d{4}$",
        "^(foo|bar)_[A-F]*x?$",
        "[0-9]{2,}",
        "^\\S+@\\S+\\.\\w+$",
        "^.{5,9}$",
      )
      .map((pattern) => ({ type: "string", pattern })),
    fc.array(value(1), { minLength: 1, maxLength: 3 }).map((values) => ({ enum: [...new Set(values)] })),
    value(2).map((each) => ({ const: each })),
    fc.constantFrom(
      { type: "boolean" },
      { type: "null" },
      {},
      { type: ["null", "string"] },
      { type: ["integer", "string"] },
    ),
  )
  return {
    any: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      scalar,
      list,
      object,
      fc.array(tie("any"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
      tie("any").map((any) => ({ allOf: [any, {}, any] })),
    ),
  }
}).any

describe("an instance of a hostile schema", () => {
  const nested = (levels: number, wrap: (inner: object) => object): object => {
    let schema: object = { type: "string" }
    for (let i = 0; i < levels; i++) schema = wrap(schema)
    return schema
  }
  const references = (wrap: (next: object) => object, last: unknown = { type: "string" }) => ({
    $ref: "#/$defs/0",
    $defs: Object.fromEntries([
      ...Array.from({ length: 25 }, (_, i) => [String(i), wrap({ $ref: `#/$defs/${i + 1}` })]),
      ["25", last],
    ]),
  })
  const many = Array.from({ length: 10_000 }, (_, i) => `t${i}`)
  const hostile = {
    "doubling references": references((next) => ({
      type: "object",
      properties: { a: next, b: next },
      required: ["a", "b"],
    })),
    "doubling branches": references((next) => ({ anyOf: [next, next] }), false),
    "doubling parts": references((next) => ({ allOf: [next, next] })),
    "a billion items": { type: "array", minItems: 1e9 },
    "a billion nulls": { type: "array", minItems: 1e9, items: { type: "null" } },
    "a billion characters": { type: "string", minLength: 1e9 },
    "a billion properties": { type: "object", minProperties: 1e9 },
    "many parts": {
      allOf: Array.from({ length: 3_000 }, (_, i) => ({
        properties: Object.fromEntries(Array.from({ length: 30 }, (__, j) => [`p${i}-${j}`, {}])),
      })),
    },
    "large constants": {
      type: "array",
      minItems: 1_000,
      items: { const: "x".repeat(1_000_000) },
    },
    "a large enumeration": {
      type: "array",
      minItems: 5_000,
      uniqueItems: true,
      items: { enum: Array.from({ length: 20_000 }, (_, i) => i) },
    },
    "long lists that are joined over and over": references(
      (next) => ({
        allOf: [next, { type: many, required: many, enum: many }],
        type: many,
        required: many,
        enum: many,
      }),
      { type: many, enum: many },
    ),
    "many parts with branches": { allOf: Array.from({ length: 50_000 }, () => ({ anyOf: [{}] })) },
    "large properties in many items": {
      type: "array",
      minItems: 4_000,
      items: { $ref: "#/$defs/large" },
      $defs: {
        large: {
          type: "object",
          properties: Object.fromEntries(many.map((name) => [name, {}])),
          required: [],
        },
      },
    },
    "many patterns of names": {
      type: "object",
      patternProperties: Object.fromEntries(many.map((name) => [name, {}])),
      required: many.map((name) => `${name}!`),
    },
    "a pattern that backtracks": {
      type: "string",
      pattern: "^(([a-z]+)*)*!$",
      minLength: 500,
      maxLength: 600,
    },
    "a pattern without end": { type: "string", pattern: "((a{1000}){1000}){1000}" },
    "many patterns": {
      type: "object",
      properties: Object.fromEntries(
        Array.from({ length: 2_000 }, (_, i) => [
          String(i),
          { type: "string", pattern: "^([a-z]+.)+[A-Z]$", minLength: 900 },
        ]),
      ),
    },
    "deep lists": nested(5_000, (items) => ({ type: "array", minItems: 1, items })),
    "deep parts": nested(5_000, (part) => ({ allOf: [part] })),
    "a circle of references": {
      $ref: "#/$defs/a",
      $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } },
    },
    "no end": { type: "object", properties: { self: { $ref: "#" } }, required: ["self"] },
    nothing: { not: {} },
    "no schema": "schema",
    "words of the wrong kind": {
      type: 7,
      properties: [],
      required: {},
      enum: "a",
      minLength: "x",
      pattern: 5,
      allOf: { a: 1 },
      anyOf: [],
      $ref: "https://example.com/#",
    },
  }

  it.each(Object.entries(hostile))("is made at once and small: %s", (_, schema) => {
    const startedAt = performance.now()
    const { json } = simulatedInstance(schema)
    assert.isBelow(performance.now() - startedAt, 3_000)
    assert.isAtMost(json.length, 40_000)
  })

  it("is cut, and says so, where it would be endless", () => {
    for (const name of [
      "a billion items",
      "a billion characters",
      "doubling references",
      "many parts",
    ] as const) {
      const { json, whole } = simulatedInstance(hostile[name])
      assert.isFalse(whole)
      assert.throws(() => JSON.parse(json))
    }
  })

  it("has all else beside a pattern that takes too long", () => {
    const slow = { type: "string", pattern: "^((((([a-z]+)*)*)*)*)*!$" }
    const schema = { properties: { slow, other: { type: "integer" } }, required: ["slow", "other"] }
    const { json, whole } = simulatedInstance(schema)
    assert.isTrue(whole)
    assert.strictEqual(JSON.parse(json).other, 1)
  })
})
