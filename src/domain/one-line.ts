// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/**
 * Escapes control characters, because text of somebody else must not break the line it is quoted in, nor command a
 * terminal. JSON without line breaks stays the same JSON.
 */
export const oneLine = (text: string): string =>
  text.replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
