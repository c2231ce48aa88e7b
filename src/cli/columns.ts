import { oneLine } from "../domain/one-line.ts"

/** Lays out rows of cells so that each column begins at one place. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows.reduce<ReadonlyArray<number>>(
    (widest, row) => row.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  )
  return rows
    .map((row) =>
      oneLine(
        row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("  ")
          .trimEnd(),
      ),
    )
    .join("\n")
}
