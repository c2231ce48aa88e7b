import type { Violation } from "./laws.ts"
import type { World } from "./World.ts"

/** One violation in a line: where it is, what it broke, and how. */
export const inWords = ({ name, seed }: World, { law, visit, what }: Violation): string =>
  `seed ${seed}, world "${name}", law "${law}": ${visit === undefined ? "" : `${visit} `}${what}`

/** What came of all seeds of one kind of world. */
export interface Tally {
  readonly world: string
  seeds: number
  hours: number
  requests: number
  attempts: number
  violations: number
}

/** Columns of text, the first to the left and numbers to the right. */
export const table = (tallies: ReadonlyArray<Tally>): string => {
  const sum = (of: (tally: Tally) => number) => tallies.reduce((sum, tally) => sum + of(tally), 0)
  const all: Tally = {
    world: "all",
    seeds: sum(({ seeds }) => seeds),
    hours: sum(({ hours }) => hours),
    requests: sum(({ requests }) => requests),
    attempts: sum(({ attempts }) => attempts),
    violations: sum(({ violations }) => violations),
  }
  const rows = [
    ["world", "seeds", "simulated hours", "requests", "attempts", "violations"],
    ...[...tallies, all].map(({ attempts, hours, requests, seeds, violations, world }) => [
      world,
      ...[seeds, Math.round(hours), requests, attempts, violations].map((n) => n.toLocaleString("en-US")),
    ]),
  ]
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    )
    .join("\n")
}
