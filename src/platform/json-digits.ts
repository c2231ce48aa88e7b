declare global {
  /** Part of ECMAScript, and not yet of TypeScript's library. */
  interface JSON {
    parse(
      text: string,
      reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown
  }
}

/**
 * Parses JSON and keeps every number as the text that it was written in, which loses no digit of it. Throws what
 * `JSON.parse` throws.
 */
export const parseJsonDigits = (text: string): unknown =>
  JSON.parse(text, (_name, value, { source }) => (typeof value === "number" ? source : value))
