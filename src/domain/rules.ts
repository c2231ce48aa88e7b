import { Schema } from "effect"

/**
 * Schemas of single values, each with one rule in words that answers every fault, e.g. `must be a whole number from
 * 1 to 20`. The value itself is never quoted, since a secret may stand in the wrong place. What a rule can say in JSON
 * Schema reaches the documents that are generated from the schemas.
 */

/** A whole number within both bounds. */
export const wholeNumber = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  // Not Schema.Int: its own checks would speak before the rule.
  // @effect-diagnostics-next-line schemaNumber:off
  return Schema.Number.annotate({ message }).check(
    Schema.isInt({ message }).abort(),
    Schema.isBetween({ minimum, maximum }, { message }),
  )
}

/** A finite number within both bounds. */
export const numberBetween = (
  minimum: number,
  maximum: number,
  message = `must be a number from ${minimum} to ${maximum}`,
) =>
  // Not Schema.Finite: its own check would speak before the rule.
  // @effect-diagnostics-next-line schemaNumber:off
  Schema.Number.annotate({ message }).check(
    Schema.isFinite({ message }).abort(),
    Schema.isBetween({ minimum, maximum }, { message }).abort(),
  )

/** A text that matches; the pattern has the flag `u`, or JSON Schema would not get it. */
export const matching = (message: string, pattern: RegExp) =>
  Schema.String.annotate({ message }).check(Schema.isPattern(pattern, { message }))

/**
 * A text that is accepted, for rules that no pattern can hold. `pattern` is what editors get instead, and accepts at
 * least as much.
 */
export const textThat = (message: string, accepts: (text: string) => boolean, pattern?: string) =>
  Schema.String.annotate({ message }).check(
    Schema.makeFilter(accepts, {
      message,
      toJsonSchema: () => [pattern === undefined ? {} : { pattern }, true],
    }),
  )

/** One word of a closed set. */
export const oneOf = <const L extends string>(message: string, words: ReadonlyArray<L>) =>
  Schema.Literals(words).annotate({ message })
