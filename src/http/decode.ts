import { Result, Schema, SchemaIssue } from "effect"
import { GatewayError } from "../domain/GatewayError.ts"

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** A client's own names are repeated to it as far as a person reads them. */
const MAX_NAME = 100

/** Writes a path as `messages[0].role`. */
const fieldName = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((name, key) => {
    if (typeof key === "number") return `${name}[${key}]`
    const text = String(key)
    const short = text.length > MAX_NAME ? `${text.slice(0, MAX_NAME)}…` : text
    return name === "" ? short : `${name}.${short}`
  }, "")

/** Names the field, by its path from the body, and the rule that it breaks; the value itself is never repeated. */
export const invalidField = (path: ReadonlyArray<PropertyKey>, rule: string): GatewayError => {
  const param = fieldName(path)
  return new GatewayError({
    code: "invalid_request",
    detail: param === "" ? `${rule}.` : `${param}: ${rule}.`,
    ...(param === "" ? {} : { param }),
  })
}

/** Describes the first fault of an input. */
export const invalidRequest = (issue: SchemaIssue.Issue): GatewayError => {
  const [first] = formatIssue(issue).issues
  const path = first?.path?.map((segment) => (typeof segment === "object" ? segment.key : segment)) ?? []
  return invalidField(path, first?.message ?? "Expected a valid value")
}

/** Makes a strict decoder: unknown fields are refused by name. Build it once, outside the request. */
export const decoder = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (input: unknown): Result.Result<S["Type"], GatewayError> =>
    Result.mapError(decode(input), ({ issue }) => invalidRequest(issue))
}

/**
 * Makes a check of the fields that a schema knows. What it returns is the value that came, other fields included: copying
 * them, however many they are, would say no more. For schemas that transform nothing.
 */
export const checker = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const check = Schema.decodeUnknownResult(schema)
  return (input: unknown): Result.Result<S["Type"], GatewayError> => {
    const checked = check(input)
    return Result.isSuccess(checked)
      ? // What was checked is the input itself.
        Result.succeed(input as S["Type"])
      : Result.fail(invalidRequest(checked.failure.issue))
  }
}
