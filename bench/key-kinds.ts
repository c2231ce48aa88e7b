/**
 * What limits and a budget cost a request: keys that differ in one of them take turns of a quarter of a second in one gateway, on
 * connections that stay, in another order each round, so that what the machine does meanwhile hits all of them. Prints requests a second
 * and CPU a request beside the plain key's: the mean of the middle half of the rounds, with the bounds between which it is with 90 %
 * certainty.
 *
 *   node bench/key-kinds.ts [--rounds 200] [--seconds 0.25] [--max-tokens N] [--apart]
 *
 * With `--max-tokens` each request says how long its answer may be, so that the gateway need not. With `--apart` the plain key and the
 * one with all of them have a gateway and a database of their own: what all keys of a gateway cost that have limits, beside none.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { Connection } from "./connection.ts"
import { createDatabase } from "./database.ts"
import { createBudgetedKey, createKey, startGateway } from "./gateway.ts"
import { cpuNanos } from "./proc.ts"
import { OTHERS_CORE, pin, SUBJECT_CORE, stop } from "./processes.ts"
import { chat } from "./requests.ts"
import { percentile, spread } from "./statistics.ts"
import { startMock } from "./world.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seconds: { type: "string", default: "0.25" },
    "max-tokens": { type: "string" },
    apart: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/key-kinds.ts [--rounds 200] [--seconds 0.25] [--max-tokens N] [--apart]")
  process.exit(0)
}

const limit = values["max-tokens"]
const fields = limit === undefined ? {} : { max_tokens: Number(limit) }

const CONNECTIONS = 64
const BODY_BYTES = 1_024
const WARM_UP_SECONDS = 15
/** Milliseconds after a change of the key in which answers are still the last one's. */
const CHANGE_MS = 25
const RESAMPLES = 1_000

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))
pin(process.pid, OTHERS_CORE)
const postgres = await createPostgresServer()
await postgres.start()
const mock = await startMock(OTHERS_CORE)

/** A gateway, and its connections that wait for its turn. */
const startSubject = async (name: string) => {
  const gateway = await startGateway({
    folder: mkdtempSync(join(folder, `${name}-`)),
    mockPort: mock.port,
    databaseUrl: await createDatabase(postgres.url, name),
    core: SUBJECT_CORE,
  })
  const waiting: Array<Connection> = []
  return { gateway, waiting }
}
type Subject = Awaited<ReturnType<typeof startSubject>>

const kindOf = (subject: Subject, name: string, key: string) => ({
  name,
  subject,
  request: chat({ path: "/v1/chat/completions", headers: { "x-api-key": key } }, BODY_BYTES, fields),
  answered: 0,
})

const first = await startSubject("kinds_plain")
const second = values.apart ? await startSubject("kinds_all") : first
const make = (name: string, ...settings: ReadonlyArray<string>) =>
  kindOf(
    first,
    name,
    first.gateway.cli("keys", "create", "--name", name, "--rpm", "1000000", ...settings).key ?? "",
  )

const others = () => [
  kindOf(first, "a second plain key", createKey(first.gateway)),
  make("a team and two tags", "--team", "attributed", "--tags", "prod,eu"),
  make("tokens per minute", "--tpm", "1000000000"),
  make("requests in flight", "--concurrency", "1000"),
  make("a budget", "--budget-usd", "1000000", "--budget-window", "month"),
]
if (!values.apart) first.gateway.cli("teams", "create", "attributed")
/** The first is the one that the others are compared with. */
const kinds = [
  kindOf(first, "the plain key", createKey(first.gateway)),
  ...(values.apart ? [] : others()),
  kindOf(second, "all of them", createBudgetedKey(second.gateway)),
]
type Kind = (typeof kinds)[number]
const [plain] = kinds
if (plain === undefined) throw new Error("There is no kind of key.")

let asking: Kind = plain
let failures = 0
let isOver = false
const run = (connection: Connection, subject: Subject): void => {
  if (isOver) {
    connection.close()
    return
  }
  const kind = asking
  if (kind.subject !== subject) {
    subject.waiting.push(connection)
    return
  }
  connection.send(kind.request, (answer) => {
    if (answer.ok) kind.answered++
    else failures++
    run(connection.closed ? new Connection(subject.gateway.port) : connection, subject)
  })
}

interface Turn {
  readonly perSecond: number
  readonly cpuUs: number
}

const turn = async (kind: Kind): Promise<Turn> => {
  asking = kind
  const { gateway, waiting } = kind.subject
  for (const connection of waiting.splice(0)) run(connection, kind.subject)
  await setTimeout(CHANGE_MS)
  const before = { answered: kind.answered, nanos: cpuNanos(gateway.pid), ms: performance.now() }
  await setTimeout(Number(values.seconds) * 1_000)
  const requests = kind.answered - before.answered
  return {
    perSecond: (requests * 1_000) / (performance.now() - before.ms),
    cpuUs: (cpuNanos(gateway.pid) - before.nanos) / 1_000 / requests,
  }
}

const shuffled = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all
    .map((each) => [Math.random(), each] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, each]) => each)

const round = async (): Promise<ReadonlyMap<Kind, Turn>> => {
  const turns = new Map<Kind, Turn>()
  for (const kind of shuffled(kinds)) turns.set(kind, await turn(kind))
  if (failures > 0) throw new Error(`${failures} requests failed`)
  return turns
}

const middle = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const kept = sorted.slice(Math.floor(sorted.length / 4), Math.ceil((sorted.length * 3) / 4))
  return kept.reduce((sum, each) => sum + each, 0) / kept.length
}

/** Bounds of that mean, by drawing as many numbers anew again and again. */
const bounds = (numbers: ReadonlyArray<number>): string => {
  const means = Array.from({ length: RESAMPLES }, () =>
    middle(numbers.map(() => numbers[Math.floor(Math.random() * numbers.length)] ?? Number.NaN)),
  )
  return `${middle(numbers).toFixed(3)} (${percentile(means, 0.05).toFixed(3)} to ${percentile(means, 0.95).toFixed(3)})`
}

const subjects = new Set([first, second])
try {
  for (const { gateway, waiting } of subjects) {
    for (let i = 0; i < CONNECTIONS; i++) waiting.push(new Connection(gateway.port))
  }
  const warmAtMs = performance.now() + WARM_UP_SECONDS * 1_000
  while (performance.now() < warmAtMs) await round()
  const rounds: Array<ReadonlyMap<Kind, Turn>> = []
  for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round())
  isOver = true
  const all = (kind: Kind, of: (turn: Turn) => number): ReadonlyArray<number> =>
    rounds.flatMap((turns) => {
      const turn = turns.get(kind)
      return turn === undefined ? [] : [of(turn)]
    })
  const perSecond = (each: Turn): number => each.perSecond
  const cpuUs = (each: Turn): number => each.cpuUs
  console.log(
    `${plain.name}: ${spread(all(plain, perSecond)).median.toFixed(0)} requests a second, ` +
      `${spread(all(plain, cpuUs)).median.toFixed(0)} us of CPU a request`,
  )
  for (const kind of kinds.slice(1)) {
    const beside = (of: (turn: Turn) => number): string => {
      const plains = all(plain, of)
      return bounds(all(kind, of).map((each, i) => each / (plains[i] ?? Number.NaN)))
    }
    console.log(`${kind.name.padEnd(22)}req/s ${beside(perSecond)}   CPU ${beside(cpuUs)}`)
  }
} finally {
  isOver = true
  for (const { gateway, waiting } of subjects) {
    for (const connection of waiting) connection.close()
    await stop(gateway.child)
  }
  await stop(mock.child)
  await postgres.remove()
  rmSync(folder, { recursive: true, force: true })
}
