/**
 * Measures what `test/bench/guard.test.ts` checks, as often as one likes, and writes it down as the committed cost.
 *
 *   node bench/guard.ts [--runs 1] [--update]
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { createDatabase } from "./database.ts"
import { exceeded, readCommitted, writeCommitted } from "./guard-limits.ts"
import { type Costs, measureCosts } from "./guard-measure.ts"
import { spread } from "./statistics.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1" },
    update: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/guard.ts [--runs 1] [--update]")
  process.exit(0)
}

const KINDS = ["whole", "stream"] as const
const FIGURES = ["bytes", "reads", "writes"] as const

const line = (costs: Costs): string =>
  KINDS.map(
    (kind) => `${kind}: ${FIGURES.map((figure) => `${costs[kind][figure].toFixed(2)} ${figure}`).join(", ")}`,
  ).join("; ")

const postgres = await createPostgresServer()
const runs: Array<Costs> = []
try {
  await postgres.start()
  for (let run = 0; run < Number(values.runs); run++) {
    const folder = mkdtempSync(join(tmpdir(), "llm-gateway-guard-"))
    try {
      const startedAt = performance.now()
      const costs = await measureCosts(folder, await createDatabase(postgres.url, `guard_${run}`))
      runs.push(costs)
      console.error(`${((performance.now() - startedAt) / 1000).toFixed(1)} s  ${line(costs)}`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
} finally {
  await postgres.remove()
}

const figure = (kind: (typeof KINDS)[number], name: (typeof FIGURES)[number]) =>
  spread(runs.map((costs) => costs[kind][name]))
for (const kind of KINDS) {
  for (const name of FIGURES) {
    const { median, min, max } = figure(kind, name)
    console.log(
      `${kind.padEnd(7)}${name.padEnd(7)}median ${median.toFixed(2)}, least ${min.toFixed(2)}, most ${max.toFixed(2)}, ` +
        `most over least ${(max / min).toFixed(4)}`,
    )
  }
}
const medians = (kind: (typeof KINDS)[number]) => ({
  bytes: Math.round(figure(kind, "bytes").median),
  reads: Math.round(figure(kind, "reads").median * 100) / 100,
  writes: Math.round(figure(kind, "writes").median * 100) / 100,
})
const found = { whole: medians("whole"), stream: medians("stream") }
if (values.update) writeCommitted(found)
else {
  const faults = exceeded(found, readCommitted())
  for (const fault of faults) console.log(fault)
  process.exitCode = faults.length > 0 ? 1 : 0
}
