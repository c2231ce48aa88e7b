import { Effect } from "effect"
import { type PageTable, tables, whole } from "./tables.ts"

export const PAGE = new URL("../../docs/scaling.md", import.meta.url).pathname

/** Returns the lines of a table as they stand in the page, padded so that they read as they are. */
const markdown = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const [head = []] = rows
  const widths = head.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join(" | ")} |`
  const rule = `| ${widths.map((width) => `${"-".repeat(width - 1)}:`).join(" | ")} |`
  const [first = "", ...others] = rows.map(line)
  return [first, rule, ...others]
}

/** Puts into the page what the code says, each table between its two comments. */
export const withTables = (page: string): Effect.Effect<string> =>
  Effect.reduce(
    tables,
    () => page,
    (page, { head, name, row, sizes }) =>
      Effect.map(Effect.forEach(sizes, row), (rows) =>
        page.replace(
          new RegExp(`(<!-- ${name} -->\n)[^]*(\n<!-- /${name} -->)`),
          (_, before, after) => `${before}${markdown([head, ...rows]).join("\n")}${after}`,
        ),
      ),
  )

/** Returns the cells that a page has for a table's row of this size. */
export const cellsOf = (page: string, { name }: PageTable, size: number): ReadonlyArray<string> => {
  const [, table = ""] = new RegExp(`<!-- ${name} -->\n([^]*)\n<!-- /${name} -->`).exec(page) ?? []
  const rows = table.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  return rows.find(([first]) => first === whole(size)) ?? []
}
