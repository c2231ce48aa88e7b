/** The command line of `npm run bench`. */
import { parseArgs } from "node:util"

const SECTIONS = ["throughput", "latency", "bodies", "streams", "start-up"] as const
export type SectionName = (typeof SECTIONS)[number]

export interface Options {
  readonly only: ReadonlyArray<SectionName>
  readonly rounds: number
  readonly seconds: number
  readonly peers: boolean
  readonly json: string | undefined
  readonly svg: string | undefined
}

export const usage = `npm run bench -- [options]

Compares this gateway (API key, limits, journal, PostgreSQL log) with a bare node:http + undici proxy and with the mock
upstream called directly, in turns, on one core each. Takes about half an hour; the table goes to stdout, progress to
stderr. Wants Linux and two cores on which nothing else runs. Exit status 1 when an answer, a piece of a stream or a row
of the ledger is missing.

  --quick          two rounds of two seconds: shows that it works, says little
  --only SECTION   ${SECTIONS.join(", ")}; may be given more than once
  --rounds N       rounds of each comparison, 5
  --seconds N      seconds of each run, 8
  --peers          also Portkey's gateway, installed from npm into a temporary folder
  --json FILE      everything as numbers
  --svg FILE       bars for a README
  --help

Others: node bench/soak.ts --help, node bench/guard.ts --help, node bench/torture.ts --help, node bench/journal.ts`

const isSection = (name: string): name is SectionName => SECTIONS.some((section) => section === name)

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${text}`)
  return value
}

/** Returns the options, or undefined when help was asked for; fails with a line for whoever typed them. */
export const readOptions = (args: ReadonlyArray<string>): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      seconds: { type: "string" },
      peers: { type: "boolean", default: false },
      json: { type: "string" },
      svg: { type: "string" },
      help: { type: "boolean", default: false },
    },
  })
  if (values.help) return undefined
  const unknown = values.only.filter((name) => !isSection(name))
  if (unknown.length > 0)
    throw new Error(`no section ${unknown.join(", ")}; there are ${SECTIONS.join(", ")}`)
  return {
    only: values.only.length === 0 ? SECTIONS : values.only.filter(isSection),
    rounds: Math.ceil(positive("rounds", values.rounds ?? (values.quick ? "2" : "5"))),
    seconds: positive("seconds", values.seconds ?? (values.quick ? "2" : "8")),
    peers: values.peers,
    json: values.json,
    svg: values.svg,
  }
}
