declare global {
  /** Part of ECMAScript, and not yet of TypeScript's library. */
  interface JSON {
    rawJSON(text: string): object
    isRawJSON(value: unknown): value is { readonly rawJSON: string }
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown
  }
}

/** Finds a long number; one within a string is a false alarm. */
const LONG_NUMBER = /[:,[]\s*-?\d{16}/

/**
 * Parses JSON that is written again: integers beyond 2^53, such as an id in a tool call or a bound in a schema, become
 * objects that `JSON.stringify` writes digit by digit. Throws what `JSON.parse` throws. `longNumber` is false where the
 * caller knows that there is no such integer.
 */
export const parseExactJson = (text: string, longNumber = LONG_NUMBER.test(text)): unknown =>
  longNumber ? JSON.parse(text, keepingDigits) : JSON.parse(text)

const keepingDigits = (_: string, value: unknown, { source }: { readonly source?: string }): unknown =>
  typeof value === "number" && source !== undefined && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? JSON.rawJSON(source)
    : value

/** Returns the nearest number to one that is kept as its digits, and everything else as it is. */
export const roundedNumber = (value: unknown): unknown =>
  JSON.isRawJSON(value) ? Number(value.rawJSON) : value
