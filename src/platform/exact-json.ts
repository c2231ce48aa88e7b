declare global {
  /** Methods of ECMAScript that are not yet in TypeScript's library. */
  interface JSON {
    rawJSON(text: string): object
    isRawJSON(value: unknown): value is { readonly rawJSON: string }
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown
  }
}

/** Matches a long number, and by false alarm one within a text. */
const LONG_NUMBER = /[:,[]\s*-?\d{16}/

/**
 * Parses JSON that will be written again: integers beyond 2^53, such as an id in a tool call or a bound in a schema,
 * become objects that `JSON.stringify` writes digit by digit. Throws what `JSON.parse` throws.
 */
export const parseExactJson = (text: string): unknown =>
  LONG_NUMBER.test(text) ? JSON.parse(text, keepingDigits) : JSON.parse(text)

const keepingDigits = (_: string, value: unknown, { source }: { readonly source?: string }): unknown =>
  typeof value === "number" && source !== undefined && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? JSON.rawJSON(source)
    : value

/** Returns the nearest number to one that is kept as its digits, and everything else as it is. */
export const roundedNumber = (value: unknown): unknown =>
  JSON.isRawJSON(value) ? Number(value.rawJSON) : value
