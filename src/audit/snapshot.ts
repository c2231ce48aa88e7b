/** Characters of the JSON of one side of a change; what operators can enter is far below. */
const MAX_LENGTH = 64 * 1024

/** As PostgreSQL's jsonb takes it: no NUL, and no half of a surrogate pair. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Makes of a value what JSON can say, for what JSON does not know how to. */
const plain = (value: unknown): unknown => {
  if (typeof value === "string") return storedText(value)
  if (typeof value === "bigint") return String(value)
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([name, field]) => [snakeCase(name), field]))
    : value
}

/**
 * Returns the JSON of one side of a change: fields under the names that columns have, instants as text, and what is
 * `Redacted` as no more than that. Of one that is too long it says only how long it is.
 */
export const snapshot = (side: object | null): string | null => {
  if (side === null) return null
  const json = JSON.stringify(side, (_, value) => plain(value))
  return json.length <= MAX_LENGTH ? json : JSON.stringify({ omitted_characters: json.length })
}
