/** What a section found, as numbers for a file and as a Markdown table for people. */
import type { Rounds } from "./measure.ts"
import { paired, type Spread, shown, spread } from "./statistics.ts"
import { BARE, DIRECT, type Subject } from "./subject.ts"

interface Table {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** Bars of one figure, one a subject. */
export interface Chart {
  readonly title: string
  readonly bars: ReadonlyArray<{ readonly label: string; readonly spread: Spread; readonly own: boolean }>
}

export interface Section {
  readonly name: string
  readonly title: string
  readonly table: Table
  readonly charts: ReadonlyArray<Chart>
  /** The same and more, as numbers. */
  readonly data: unknown
  /** Reasons to believe a number less. */
  readonly warnings: ReadonlyArray<string>
  /** Answers, pieces or rows that are missing: the run has failed. */
  readonly faults: ReadonlyArray<string>
}

/** Writes a table in Markdown, padded so that it reads as it is; the first column is text and the others numbers. */
export const markdown = ({ columns, rows }: Table): string => {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map((row) => (row[i] ?? "").length)),
  )
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [line(columns), line(rule), ...rows.map(line)].join("\n")
}

export const sectionText = ({ title, table, warnings, faults }: Section): string =>
  [
    `### ${title}`,
    "",
    markdown(table),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `- Warning: ${warning}`)]),
    ...(faults.length === 0 ? [] : ["", ...faults.map((fault) => `- FAULT: ${fault}`)]),
    "",
  ].join("\n")

type Figure = "perSecond" | "cpuUs" | "postgresUs" | "p50" | "p99" | "firstP50" | "firstP99"

const numbers = (rounds: Rounds, subject: Subject, figure: Figure): ReadonlyArray<number> =>
  (rounds.get(subject) ?? []).map((round) => round[figure])

/** Returns a figure of a subject as a table shows it. */
export const cell = (rounds: Rounds, subject: Subject, figure: Figure, digits = 0): string =>
  shown(spread(numbers(rounds, subject, figure)), digits)

const named = (rounds: Rounds, name: string): Subject | undefined =>
  [...rounds.keys()].find((subject) => subject.name === name)

/** Returns a figure of each round beside that of another subject in the same round, put together. */
export const against = (
  rounds: Rounds,
  subject: Subject,
  other: string,
  figure: Figure,
  put: (ours: number, theirs: number) => number,
): Spread => {
  const theirs = named(rounds, other)
  return paired(numbers(rounds, subject, figure), theirs ? numbers(rounds, theirs, figure) : [], put)
}

export const divide = (ours: number, theirs: number): number => ours / theirs
export const subtract = (ours: number, theirs: number): number => ours - theirs

/** Returns how a subject compares with the bare proxy: how much of its throughput, and how many times its CPU. */
export const ratioCells = (rounds: Rounds, subject: Subject): ReadonlyArray<string> =>
  subject.name === BARE
    ? ["1", "1"]
    : (["perSecond", "cpuUs"] as const).map((figure) =>
        shown(against(rounds, subject, BARE, figure, divide), 2),
      )

/** Returns answers of a subject in all rounds, with `rows` where each must have one. */
export const answersCell = (rounds: Rounds, subject: Subject): string => {
  const list = rounds.get(subject) ?? []
  const answered = list.reduce((sum, round) => sum + round.requests - round.failures, 0)
  const agree = list.every(({ faults }) => faults.length === 0)
  return `${answered.toLocaleString("en")}${subject.hasLedger ? `, ${agree ? "all with a row" : "NOT all with a row"}` : ""}`
}

export const faultsOf = (rounds: Rounds, what: string): ReadonlyArray<string> =>
  [...rounds].flatMap(([subject, list]) =>
    subject.peer
      ? []
      : list.flatMap(({ faults }) => faults.map((fault) => `${what}, ${subject.name}: ${fault}`)),
  )

/** Returns what peers failed at, which makes their other figures worthless. */
const peersFailures = (rounds: Rounds, what: string): ReadonlyArray<string> =>
  [...rounds].flatMap(([subject, list]) => {
    const fault = subject.peer ? list.flatMap(({ faults }) => faults)[0] : undefined
    return fault === undefined ? [] : [`${what}, ${subject.name}: its figures count for nothing: ${fault}`]
  })

const percent = (share: number): string => `${Math.round(share * 100)} %`
const BUSY_ENOUGH = 0.9
const NEAR_CEILING = 0.9

/**
 * Returns where a subject was held up by what measures it: less than 90 % busy under a load that should have filled
 * its core, with what else was busy then, and a rate within 10 % of the mock's own.
 */
export const bottlenecks = (rounds: Rounds, what: string, ceiling: string): ReadonlyArray<string> => {
  const direct = named(rounds, ceiling)
  const most = direct ? spread(numbers(rounds, direct, "perSecond")).median : Number.POSITIVE_INFINITY
  return [...rounds].flatMap(([subject, list]) => {
    if (subject === direct) return []
    const share = (name: "busy" | "loaderBusy" | "mockBusy" | "postgresBusy") =>
      spread(list.map((round) => round[name])).median
    const rate = spread(numbers(rounds, subject, "perSecond")).median
    return [
      ...(share("busy") >= BUSY_ENOUGH
        ? []
        : [
            `${what}, ${subject.name}: only ${percent(share("busy"))} of its core was busy, so compare its CPU and not ` +
              `its rate (beside it: load ${percent(share("loaderBusy"))}, mock ${percent(share("mockBusy"))}, ` +
              `PostgreSQL ${percent(share("postgresBusy"))} of the other core)`,
          ]),
      ...(rate < most * NEAR_CEILING
        ? []
        : [
            `${what}, ${subject.name}: ${Math.round(rate)}/s is within 10 % of the mock alone, which is what it measures`,
          ]),
    ]
  })
}

/** Draws a figure of every subject but the mock. */
export const chart = (rounds: Rounds, figure: Figure, title: string): Chart => ({
  title,
  bars: [...rounds.keys()]
    .filter(({ name }) => name !== DIRECT)
    .map((subject) => ({
      label: subject.title.replaceAll("`", ""),
      spread: spread(numbers(rounds, subject, figure)),
      own: subject.hasLedger,
    })),
})

const FOREIGN_MOST = 0.05

/** Returns where somebody else used the core of a subject, and where a peer failed. */
export const disturbances = (rounds: Rounds, what: string): ReadonlyArray<string> => [
  ...peersFailures(rounds, what),
  ...[...rounds].flatMap(([subject, list]) => {
    const most = Math.max(...list.map(({ foreignBusy }) => foreignBusy))
    return most <= FOREIGN_MOST
      ? []
      : [`${what}, ${subject.name}: other processes used up to ${percent(most)} of its core`]
  }),
]

/** Returns the rounds with the subjects' names, for a file. */
export const raw = (rounds: Rounds): Record<string, unknown> =>
  Object.fromEntries([...rounds].map(([{ name, title }, list]) => [name, { title, rounds: list }]))
