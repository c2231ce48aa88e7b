/**
 * The torture test of `npm test` for as long as one likes: gateways on one DATA_DIR under the load of HTTP clients, while
 * they and their PostgreSQL are killed with -9, and then everybody's history held against the database.
 *
 *   node bench/torture.ts [--minutes 5] [--seed N] [--gateways 2] [--clients 32]
 *
 * Ends with 1 and the first violations when there are any. The seed repeats the choices, not their exact moments.
 */
import { parseArgs } from "node:util"
import { strike } from "../test/torture/disasters.ts"
import { summary, torture } from "../test/torture/torture.ts"

const usage = "node bench/torture.ts [--minutes 5] [--seed N] [--gateways 2] [--clients 32]"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    gateways: { type: "string", default: "2" },
    clients: { type: "string", default: "32" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const seed = Number(values.seed)
const ms = Number(values.minutes) * 60_000
const startedAt = performance.now()
console.log(`seed ${seed}, ${values.minutes} minutes`)
const verdict = await torture({
  seed,
  replicas: Number(values.gateways),
  clients: Number(values.clients),
  journal: "file",
  strike: (scene) => strike(scene, ms),
  say: (what) => console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${what}`),
})
console.log(summary(verdict))
const faults = [
  ...verdict.violations,
  ...verdict.exitCodes.filter((code) => code !== 0).map((code) => `a gateway ended with ${code}`),
  ...verdict.leftInJournal.map((name) => `left in the journal: ${name}`),
]
for (const fault of faults.slice(0, 20)) console.log(fault)
process.exit(faults.length > 0 ? 1 : 0)
