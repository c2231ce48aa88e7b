import type { Violation } from "./laws.ts"
import type { World } from "./World.ts"

/** One violation in a line: where it is, what it broke, and how. */
export const inWords = ({ name, seed }: World, { law, visit, what }: Violation): string =>
  `seed ${seed}, world "${name}", law "${law}": ${visit === undefined ? "" : `${visit} `}${what}`

/** What came of seeds of one kind of world, or of all. */
export interface Tally {
  readonly world: string
  readonly seeds: number
  readonly hours: number
  readonly requests: number
  readonly attempts: number
  readonly violations: number
}

export const noTally = (world: string): Tally => ({
  world,
  seeds: 0,
  hours: 0,
  requests: 0,
  attempts: 0,
  violations: 0,
})

/** Adds tallies up, under the first one's name. */
export const sumOf = (tallies: ReadonlyArray<Tally>): Tally =>
  tallies.reduce((sum, tally) => ({
    world: sum.world,
    seeds: sum.seeds + tally.seeds,
    hours: sum.hours + tally.hours,
    requests: sum.requests + tally.requests,
    attempts: sum.attempts + tally.attempts,
    violations: sum.violations + tally.violations,
  }))

/** Columns of text, the first to the left and numbers to the right. */
export const table = (tallies: ReadonlyArray<Tally>): string => {
  const all = sumOf([noTally("all"), ...tallies])
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
