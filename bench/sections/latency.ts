/** Latency at a constant rate, from when each request was due, beside the mock called directly in the same round. */
import { closedLoop, openLoop } from "../load.ts"
import { interleaved, type Rounds } from "../measure.ts"
import { against, cell, disturbances, faultsOf, raw, type Section, subtract } from "../report.ts"
import { chat } from "../requests.ts"
import { shown } from "../statistics.ts"
import { DIRECT } from "../subject.ts"
import type { Run } from "./run.ts"

const RATES = [200, 1_000]
const BODY_BYTES = 1_024
const LATE_MS = 1
/** As many requests as go through, for a few hundred a second do not make V8 compile what is hot. */
const WARM_UP_CONNECTIONS = 16

const rowsOf = (measured: Rounds, rate: number): ReadonlyArray<ReadonlyArray<string>> =>
  [...measured.keys()].map((subject) => [
    subject.title,
    rate.toLocaleString("en"),
    cell(measured, subject, "p50", 2),
    cell(measured, subject, "p99", 2),
    ...(subject.name === DIRECT
      ? ["", ""]
      : (["p50", "p99"] as const).map((figure) =>
          shown(against(measured, subject, DIRECT, figure, subtract), 2),
        )),
    cell(measured, subject, "cpuUs", 0),
  ])

/** Returns a warning where the mock alone was already slow: what is added to that then says little. */
const noisy = (measured: Rounds, rate: number): ReadonlyArray<string> => {
  const direct = [...measured].find(([{ name }]) => name === DIRECT)?.[1] ?? []
  const worst = Math.max(...direct.map(({ p99 }) => p99))
  return worst <= LATE_MS
    ? []
    : [
        `latency at ${rate}/s: the mock called directly had a p99 of up to ${worst.toFixed(1)} ms: something else used ` +
          "its core, and tails of this run are not the subject's alone",
      ]
}

export const latency = async ({ world, rounds, seconds, say }: Run): Promise<Section> => {
  const measured = new Map<number, Rounds>()
  for (const rate of RATES) {
    const result = await interleaved(
      world,
      world.subjects,
      { rounds, say, what: `latency at ${rate}/s` },
      (subject, warmUp) =>
        warmUp
          ? closedLoop(subject.port, chat(subject.address, BODY_BYTES), WARM_UP_CONNECTIONS, seconds)
          : openLoop(subject.port, chat(subject.address, BODY_BYTES), rate, seconds),
    )
    measured.set(rate, result)
  }
  const each = [...measured]
  return {
    name: "latency",
    title: "Latency: open loop at a constant rate, milliseconds from when a request was due",
    table: {
      columns: ["subject", "req/s", "p50", "p99", "added p50", "added p99", "CPU us/req"],
      rows: each.flatMap(([rate, result]) => rowsOf(result, rate)),
    },
    charts: [],
    data: Object.fromEntries(each.map(([rate, result]) => [rate, raw(result)])),
    warnings: each.flatMap(([rate, result]) => [
      ...noisy(result, rate),
      ...disturbances(result, `latency at ${rate}/s`),
    ]),
    faults: each.flatMap(([rate, result]) => faultsOf(result, `latency at ${rate}/s`)),
  }
}
