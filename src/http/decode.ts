import { Result, Schema, SchemaIssue } from "effect"
import { GatewayError } from "../domain/GatewayError.ts"

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Writes a schema path as `messages[0].role`. */
const fieldName = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === "number" ? `${name}[${key}]` : name === "" ? String(key) : `${name}.${String(key)}`,
    "",
  )

/** Describes the first fault of an input, naming the field and the rule; the value itself is never repeated. */
export const invalidRequest = (issue: SchemaIssue.Issue): GatewayError => {
  const [first] = formatIssue(issue).issues
  const path = first?.path?.map((segment) => (typeof segment === "object" ? segment.key : segment)) ?? []
  const param = fieldName(path)
  const rule = first?.message ?? "Expected a valid value"
  return new GatewayError({
    code: "invalid_request",
    detail: param === "" ? `${rule}.` : `${param}: ${rule}.`,
    ...(param === "" ? {} : { param }),
  })
}

/** Makes a strict decoder: unknown fields are refused by name. Build it once, outside the request. */
export const decoder = <S extends Schema.Decoder<unknown>>(schema: S) => decoding(schema, "error")

/** Makes a decoder for schemas that take unknown fields, and keep them. */
export const openDecoder = <S extends Schema.Decoder<unknown>>(schema: S) => decoding(schema, "ignore")

const decoding = <S extends Schema.Decoder<unknown>>(schema: S, onExcessProperty: "error" | "ignore") => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty })
  return (input: unknown): Result.Result<S["Type"], GatewayError> =>
    Result.mapError(decode(input), ({ issue }) => invalidRequest(issue))
}
