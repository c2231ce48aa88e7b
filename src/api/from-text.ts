import { Schema, SchemaGetter } from "effect"

/**
 * Text of a query parameter. The library would describe it as a string; this one tells the JSON schema of the value that
 * is meant.
 */
const text = (
  isValid: (text: string) => boolean,
  message: string,
  jsonSchema: Record<string, unknown>,
  annotations: { readonly description: string; readonly default?: number },
) =>
  Schema.declare((value): value is string => typeof value === "string", {
    message,
    toCodecStringTree: () => undefined,
  }).check(Schema.makeFilter(isValid, { ...annotations, message, toJsonSchema: () => jsonSchema }))

/** A whole number between two bounds, in decimal digits alone. */
export const integerFromText = ({
  minimum,
  maximum,
  ...annotations
}: {
  readonly minimum: number
  readonly maximum: number
  readonly description: string
  readonly default?: number
}) =>
  text(
    (digits) => /^\d+$/.test(digits) && Number(digits) >= minimum && Number(digits) <= maximum,
    `Expected a whole number from ${minimum} to ${maximum}`,
    { type: "integer", minimum, maximum },
    annotations,
  ).pipe(
    Schema.decodeTo(Schema.Int, {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String),
    }),
  )

/** An amount, in decimal digits alone: nine of them behind the point at most. */
export const amountFromText = ({
  maximum,
  ...annotations
}: {
  readonly maximum: number
  readonly description: string
}) =>
  text(
    (digits) => /^\d+(\.\d{1,9})?$/.test(digits) && Number(digits) <= maximum,
    `Expected a number from 0 to ${maximum} with at most nine decimals`,
    { type: "number", minimum: 0, maximum },
    annotations,
  ).pipe(
    Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String),
    }),
  )

/** One of a few whole numbers. */
export const choiceFromText = <const Choices extends readonly [number, ...Array<number>]>(
  choices: Choices,
  annotations: { readonly description: string },
) =>
  text(
    (digits) => choices.some((choice) => String(choice) === digits),
    `Expected one of ${choices.join(", ")}`,
    { type: "integer", enum: choices },
    annotations,
  ).pipe(
    Schema.decodeTo(Schema.Literals(choices), {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String),
    }),
  )

/** `true` or `false`. */
export const booleanFromText = (annotations: { readonly description: string }) =>
  text(
    (word) => word === "true" || word === "false",
    "Expected true or false",
    { type: "boolean" },
    annotations,
  ).pipe(
    Schema.decodeTo(Schema.Boolean, {
      decode: SchemaGetter.transform((word) => word === "true"),
      encode: SchemaGetter.transform(String),
    }),
  )

/** A query of these parameters; a name that is none of them is refused with a list of them. */
export const queryOf = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotate({
    messageUnexpectedKey: `Unknown parameter; known are ${Object.keys(fields).join(", ")}`,
  })
