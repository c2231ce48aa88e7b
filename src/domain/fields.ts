import { Effect, Schema, String as Text } from "effect"

/** A camelCase name as files write it, e.g. `firstTokenMs` as `first_token_ms`. */
type SnakeCase<Name> = Name extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeCase<Tail>}`
  : Name

type SnakeNames<Fields> = { readonly [Name in keyof Fields]: SnakeCase<Name> & string }

export const MAPPING_RULE = "must be a mapping"

/** A mapping whose fields are named once, in camelCase, and written in snake_case. */
export const snakeCased = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).pipe(
    Schema.encodeKeys(
      // `fromEntries` forgets which names it was given.
      Object.fromEntries(
        Object.keys(fields).map((name) => [name, Text.camelToSnake(name)]),
      ) as SnakeNames<Fields>,
    ),
    Schema.annotateEncoded({ message: MAPPING_RULE }),
  )

/** A field that has to be there. */
export const required = <S extends Schema.Top & { readonly Rebuild: S }>(value: S, description: string) =>
  Schema.annotateEncoded<S>({ description })(value)

/** A field that may be left out, and is then absent. */
export const optional = <S extends Schema.Top & { readonly Rebuild: S }>(value: S, description: string) =>
  Schema.optionalKey(required(value, description))

/** A field that stands at `unset` when it is left out; `unset` is said as it would be written. */
export const withDefault = <S extends Schema.Top & { readonly Rebuild: S }>(
  value: S,
  unset: S["Encoded"],
  description: string,
) =>
  Schema.annotateEncoded<S>({ description, default: unset })(value).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(unset)),
  )

export const list = <S extends Schema.Top>(item: S) =>
  Schema.Array(item).annotate({ message: "must be a list" })

/** A list with an entry at least. */
export const filledList = <S extends Schema.Top>(item: S) => {
  const message = "must be a list with at least one entry"
  return Schema.Array(item).annotate({ message }).check(Schema.isMinLength(1, { message }))
}
