import { comparisons } from "./judge.ts"
import { laws } from "./laws.ts"
import { worldKinds } from "./worlds.ts"

/** Puts into docs/simulation.md what the code says of worlds and laws, each table between its two comments. */
export const withTables = (page: string): string =>
  Object.entries(tables).reduce(
    (page, [name, table]) =>
      page.replace(
        new RegExp(`(<!-- ${name} -->\n)[^]*(\n<!-- /${name} -->)`),
        (_, before, after) => `${before}${table}${after}`,
      ),
    page,
  )

const tableOf = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

const tables = {
  worlds: tableOf(
    ["world", "what is the matter"],
    worldKinds.filter(({ row }) => row === undefined).map(({ name, says }) => [name, says]),
  ),
  faults: tableOf(
    ["fault", "world", "what is the matter", "what holds", "with real bytes"],
    worldKinds
      .filter(({ row }) => row !== undefined)
      .map(({ bytes, name, promises = "", row, says }) => [
        String(row),
        name,
        says,
        promises,
        bytes === undefined ? "" : `\`${bytes}\``,
      ]),
  ),
  laws: tableOf(
    ["law", "what it says"],
    [...laws, ...comparisons].map(({ name, says }) => [name, says]),
  ),
}
