/**
 * Writes the table of values in the README of the chart from the comments in its values.yaml, those that begin with `--`.
 *
 *   node scripts/write-chart-readme.ts
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const chart = join(import.meta.dirname, "../deploy/helm/llm-gateway")
const [FROM, TO] = ["<!-- values -->", "<!-- /values -->"]

interface DocumentedValue {
  readonly path: string
  /** As it stands in the file: of mappings and lists that take several lines nothing. */
  readonly unset: string
  readonly comment: string
}

/** Values in the order of the file. The comment of a mapping that has values below it is in its own line above them. */
export const documentedValues = (yaml: string): ReadonlyArray<DocumentedValue> => {
  const values: Array<DocumentedValue> = []
  const parents: Array<{ indent: number; key: string }> = []
  let comment: Array<string> = []
  for (const line of yaml.split("\n")) {
    const [, text] = /^\s*# ?(.*)$/.exec(line) ?? []
    if (text !== undefined) {
      if (text.startsWith("-- ")) comment = [text.slice(3)]
      else if (comment.length > 0) comment.push(text)
      continue
    }
    const [, spaces = "", key, rest = ""] = /^( *)(\w+):(?: (.*))?$/.exec(line) ?? []
    if (key !== undefined) {
      while ((parents.at(-1)?.indent ?? -1) >= spaces.length) parents.pop()
      parents.push({ indent: spaces.length, key })
      if (comment.length > 0) {
        values.push({
          path: parents.map((parent) => parent.key).join("."),
          unset: rest,
          comment: comment.join(" "),
        })
      }
    }
    comment = []
  }
  return values
}

/** In columns, as the formatter of this repository has tables. */
const table = (values: ReadonlyArray<DocumentedValue>): string => {
  const cell = (text: string) => text.replaceAll("|", "\\|")
  const rows = [
    ["value", "default", "meaning"],
    ...values.map(({ path, unset, comment }) => [
      `\`${path}\``,
      unset === "" ? "" : `\`${cell(unset)}\``,
      cell(comment),
    ]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`
  const rule = line(widths.map((width) => "-".repeat(width)))
  return rows.map(line).toSpliced(1, 0, rule).join("\n")
}

/** The README with the table of these values. */
export const withTable = (readme: string, yaml: string): string => {
  const [start, end] = [readme.indexOf(FROM), readme.indexOf(TO)]
  return `${readme.slice(0, start + FROM.length)}\n\n${table(documentedValues(yaml))}\n\n${readme.slice(end)}`
}

if (import.meta.main) {
  const readme = join(chart, "README.md")
  writeFileSync(
    readme,
    withTable(readFileSync(readme, "utf8"), readFileSync(join(chart, "values.yaml"), "utf8")),
  )
}
