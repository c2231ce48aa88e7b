/** What the tables of notes on fields have in common. */

export const BUDGETS = "budgets are of keys, teams, users, tags and the gateway: llm-gateway budgets set"
export const CHECKS =
  "the gateway does not judge content: put such a check before it, or behind it as a provider"
export const TAGS =
  "there is no routing by tags: a route's `when` goes by a header, a key or what the request uses"

/** Says one note of several fields; `names` are separated by blanks. */
export const all = (note: string, names: string): ReadonlyArray<readonly [string, string]> =>
  names.split(" ").map((name) => [name, note] as const)
