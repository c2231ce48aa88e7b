/**
 * What limits and a budget cost a request: keys that differ in one of them take turns of half a second in one gateway, in another order
 * each round, so that what the machine does meanwhile hits all of them. Prints requests a second beside the plain key's, the median of
 * the rounds with the bounds between which it is with 90 % certainty.
 *
 *   node bench/key-kinds.ts [--rounds 90] [--seconds 0.6]
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { createBudgetedKey, createKey, startGateway } from "./gateway.ts"
import { closedLoop } from "./load.ts"
import { OTHERS_CORE, pin, SUBJECT_CORE, stop } from "./processes.ts"
import { chat } from "./requests.ts"
import { percentile, spread } from "./statistics.ts"
import { startMock } from "./world.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "90" },
    seconds: { type: "string", default: "0.6" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/key-kinds.ts [--rounds 90] [--seconds 0.6]")
  process.exit(0)
}

const CONNECTIONS = 64
const BODY_BYTES = 1_024
const WARM_UP_ROUNDS = 6
const RESAMPLES = 1_000

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))
pin(process.pid, OTHERS_CORE)
const postgres = await createPostgresServer()
await postgres.start()
const mock = await startMock(OTHERS_CORE)
const gateway = await startGateway({
  folder,
  mockPort: mock.port,
  databaseUrl: postgres.url,
  core: SUBJECT_CORE,
})
const make = (name: string, ...settings: ReadonlyArray<string>): string =>
  gateway.cli("keys", "create", "--name", name, "--rpm", "1000000", ...settings).key ?? ""

gateway.cli("teams", "create", "attributed")
const plain = createKey(gateway)
const kinds = new Map([
  ["a second plain key", createKey(gateway)],
  ["a team and two tags", make("attributed", "--team", "attributed", "--tags", "prod,eu")],
  ["tokens per minute", make("tokens", "--tpm", "1000000000")],
  ["requests in flight", make("in flight", "--concurrency", "1000")],
  ["a budget", make("budget", "--budget-usd", "1000000", "--budget-window", "month")],
  ["all of them", createBudgetedKey(gateway)],
])

const perSecond = async (key: string): Promise<number> => {
  const request = chat({ path: "/v1/chat/completions", headers: { "x-api-key": key } }, BODY_BYTES)
  const load = await closedLoop(gateway.port, request, CONNECTIONS, Number(values.seconds))
  if (load.failures > 0)
    throw new Error(`${load.failures} requests failed: ${JSON.stringify(load.failedWith)}`)
  return load.requests / load.seconds
}

const shuffled = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all
    .map((each) => [Math.random(), each] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, each]) => each)

/** One turn of every key, by its kind; the plain one's has no name. */
const round = async (): Promise<ReadonlyMap<string, number>> => {
  const found = new Map<string, number>()
  for (const [kind, key] of shuffled([["", plain] as const, ...kinds])) found.set(kind, await perSecond(key))
  return found
}

const median = (numbers: ReadonlyArray<number>): number => spread(numbers).median

/** Bounds of the median, by drawing as many numbers anew again and again. */
const bounds = (numbers: ReadonlyArray<number>): readonly [number, number] => {
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(numbers.map(() => numbers[Math.floor(Math.random() * numbers.length)] ?? Number.NaN)),
  )
  return [percentile(medians, 0.05), percentile(medians, 0.95)]
}

try {
  for (let i = 0; i < WARM_UP_ROUNDS; i++) await round()
  const rounds: Array<ReadonlyMap<string, number>> = []
  for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round())
  console.log(
    `the plain key: ${median(rounds.map((each) => each.get("") ?? Number.NaN)).toFixed(0)} requests a second`,
  )
  for (const kind of kinds.keys()) {
    const ratios = rounds.map((each) => (each.get(kind) ?? Number.NaN) / (each.get("") ?? Number.NaN))
    const [from, to] = bounds(ratios)
    console.log(
      `${kind.padEnd(24)}${median(ratios).toFixed(3)} (${from.toFixed(3)} to ${to.toFixed(3)}) of the plain key`,
    )
  }
} finally {
  await stop(gateway.child)
  await stop(mock.child)
  await postgres.remove()
  rmSync(folder, { recursive: true, force: true })
}
