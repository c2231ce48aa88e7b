import { oneLine } from "../domain/one-line.ts"

/** Lays out rows of cells so that each column begins at one place. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const printed = rows.map((row) => row.map(oneLine))
  const widths = printed.reduce<ReadonlyArray<number>>(
    (widest, row) => row.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  )
  return printed
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}
