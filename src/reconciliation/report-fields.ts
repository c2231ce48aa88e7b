import { BigDecimal, Option, Result, Schema, SchemaTransformation } from "effect"
import { faultsOf } from "../domain/faults.ts"
import { matching, textThat } from "../domain/rules.ts"
import { DAY_MS } from "../domain/TimeRange.ts"

/**
 * What the fields of all reports have in common. A number is the text that it was written in, so that no digit is lost
 * on its way to a decimal.
 */

const DECIMAL = /^[+-]?(?=\.?\d)(\d{0,30}(?:\.\d{0,100})?)(?:e([+-]?\d{1,5}))?$/i
/** Bounded, so that no exponent makes a number of a gigabyte. */
const MAX_EXPONENT = 100

/** Reads a decimal exactly, also the `0E-6176` that OpenAI writes for zero. */
export const parseDecimal = (text: string): Option.Option<BigDecimal.BigDecimal> => {
  const [, digits, exponent = "0"] = DECIMAL.exec(text) ?? []
  if (digits === undefined) return Option.none()
  if (!/[1-9]/.test(digits)) return Option.some(BigDecimal.make(0n, 0))
  return Math.abs(Number(exponent)) > MAX_EXPONENT ? Option.none() : BigDecimal.fromString(text)
}

const decimal = (shift: number) =>
  textThat("must be a decimal number", (text) => Option.isSome(parseDecimal(text.trim()))).pipe(
    Schema.decodeTo(
      Schema.BigDecimal,
      SchemaTransformation.transform({
        decode: (text: string) => {
          const { value, scale } = Option.getOrThrow(parseDecimal(text.trim()))
          return BigDecimal.make(value, scale + shift)
        },
        encode: BigDecimal.format,
      }),
    ),
  )

export const Dollars = decimal(0)
/** Hundredths of a dollar, with decimals of their own. */
export const Cents = decimal(2)

/** An amount in another currency cannot be compared with the ledger's. */
export const UsDollar = matching("must be USD", /^\s*[Uu][Ss][Dd]\s*$/u)

/** Read as epoch milliseconds. */
export const UnixSeconds = matching("must be a time in unix seconds", /^\s*\d{1,11}\s*$/u).pipe(
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transform({
      decode: (text: string) => Number(text) * 1_000,
      encode: (ms) => String(ms / 1_000),
    }),
  ),
)

/** Returns the start of the UTC day that an instant is in. */
export const startOfDay = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS

export const ONE_DAY_RULE = "must lie within one UTC day: have the costs by day"

/** Tells whether a span of time reaches into no other UTC day than the one that it starts in. */
export const isWithinOneDay = (fromMs: number, toMs: number): boolean => toMs <= startOfDay(fromMs) + DAY_MS

/** Returns a function that decodes, or says which field broke which rule. */
export const reader = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownResult(schema)
  return (input: unknown): Result.Result<S["Type"], string> =>
    Result.mapError(decode(input), ({ issue }) => faultsOf(issue)[0] ?? "is not understood")
}
