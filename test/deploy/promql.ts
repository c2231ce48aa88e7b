/** One use of a metric in an expression: its name and the labels that are asked of it, with the values. */
interface Use {
  readonly name: string
  readonly matchers: ReadonlyArray<{ readonly label: string; readonly value: string }>
}

const METRIC = /\b(gateway_\w+)(?:\{([^}]*)\})?/g
const MATCHER = /(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g

export const usesIn = (expression: string): ReadonlyArray<Use> =>
  [...expression.matchAll(METRIC)].map(([, name = "", matchers = ""]) => ({
    name,
    matchers: [...matchers.matchAll(MATCHER)].map(([, label = "", value = ""]) => ({ label, value })),
  }))

/** Labels that an expression groups by. */
export const groupingsIn = (expression: string): ReadonlyArray<string> =>
  [...expression.matchAll(GROUPING)].flatMap(([, labels = ""]) =>
    labels
      .split(",")
      .map((label) => label.trim())
      .filter((label) => label !== ""),
  )
