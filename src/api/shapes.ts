import { Schema } from "effect"

/** A body of which these fields are known, and every other one travels as it came. */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

/**
 * The same for who only checks the known fields and goes on with the value that came: an open schema copies all others, one
 * by one. Its type is that of the value, not of what it decodes to.
 */
export const known: typeof open = (fields) => Schema.Struct(fields) as never

/** A field that may be left out or null. */
export const absent = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** Control characters command terminals and break lines of logs, and PostgreSQL refuses NUL. */
const noControls = Schema.isPattern(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, {
  message: "Expected no control characters",
})

/** Text of one line, such as a name that is looked for. */
export const line = Schema.String.check(noControls)

/** A name of at most so many characters. */
export const nameOf = (maxLength: number) =>
  Schema.NonEmptyString.check(Schema.isMaxLength(maxLength), noControls)

/** A list that has something in it. As a tuple with a rest, generators would take it for a list of one. */
export const nonEmpty = <S extends Schema.Top>(schema: S) => Schema.Array(schema).check(Schema.isMinLength(1))
