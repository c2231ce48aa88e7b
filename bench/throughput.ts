/**
 * Throughput of `POST /infer`, or with `--stream` of streamed chat completions, with API key, rate limit and the
 * PostgreSQL log on, against a bare node:http + undici proxy over the same instant upstream. Both run pinned to one
 * core, in turns, in one run; the ratio is what counts.
 *
 *   node bench/throughput.ts [--stream] [--rounds 5] [--seconds 6] [--connections 32]
 *
 * Requests per CPU second of the process under test is the figure to compare: where the load generator is the
 * bottleneck, requests per wall second would flatter the slower side. After the run the rows in the database must
 * equal the answers, and no event of a stream may be missing.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { type LoadResult, load, loadStreams, post } from "./load.ts"
import { cpuSeconds, freePort, pin, start, stop } from "./processes.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "6" },
    connections: { type: "string", default: "32" },
    stream: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/throughput.ts [--stream] [--rounds 5] [--seconds 6] [--connections 32]")
  process.exit(0)
}
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const connections = Number(values.connections)

const SUBJECT_CORE = 0
const OTHERS_CORE = 1
const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))

const pinned = pin(process.pid, OTHERS_CORE)
const [mockPort, barePort, gatewayPort] = await Promise.all([freePort(), freePort(), freePort()])
const postgres = await createPostgresServer()
await postgres.start()

const config = join(folder, "gateway.yaml")
writeFileSync(
  config,
  `providers:
  - name: bench
    kind: openai-compatible
    base_url: http://127.0.0.1:${mockPort}/v1
    models:
      - name: bench-model
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: bench, as_of: 2026-01-01 }
`,
)
const env = {
  DATABASE_URL: postgres.url,
  ADMIN_JWT_SECRET: "bench-bench-bench-bench-bench-bench",
  GATEWAY_CONFIG: config,
  PORT: String(gatewayPort),
  LOG_LEVEL: "warn",
}

const mock = await start(join(root, "bench/mock-upstream.ts"), [String(mockPort)], {
  core: OTHERS_CORE,
  ready: "ready",
})
const bare = await start(join(root, "bench/bare-proxy.ts"), [String(barePort), String(mockPort)], {
  core: SUBJECT_CORE,
  ready: "ready",
})
const gateway = await start(join(root, "src/main.ts"), [], { core: SUBJECT_CORE, env, ready: "listening" })

const cli = (...args: ReadonlyArray<string>): Record<string, string> =>
  JSON.parse(
    execFileSync(process.execPath, [join(root, "src/cli.ts"), ...args, "--json"], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    }).toString(),
  )
const { key } = cli("keys", "create", "--name", "bench", "--rpm", "1000000")
const { token } = cli("admin", "token")

const prompt = JSON.stringify({ prompt: "What is the capital of France? Answer in one sentence." })
const chat = JSON.stringify({
  model: "bench-model",
  messages: [{ role: "user", content: "What is the capital of France? Answer in one sentence." }],
  stream: true,
})
const credential = { "x-api-key": key ?? "" }
const lanes = [
  {
    name: "bare",
    port: barePort,
    pid: bare.pid ?? 0,
    request: values.stream ? post("/", {}, chat) : post("/", {}, prompt),
    events: 54,
  },
  {
    name: "gateway",
    port: gatewayPort,
    pid: gateway.pid ?? 0,
    request: values.stream
      ? post("/v1/chat/completions", credential, chat)
      : post("/infer", credential, prompt),
    // The usage chunk that nobody asked for stays in the gateway.
    events: 53,
  },
] as const

interface Round extends LoadResult {
  readonly perCpuSecond: number
  readonly busy: number
}
const results = { bare: [] as Array<Round>, gateway: [] as Array<Round> }
let answered = 0

const measure = async (lane: (typeof lanes)[number], duration: number): Promise<Round> => {
  const before = cpuSeconds(lane.pid)
  const result = values.stream
    ? await loadStreams(lane.port, lane.request, connections, duration)
    : await load(lane.port, lane.request, connections, duration)
  if ("events" in result && result.events !== result.requests * lane.events) {
    throw new Error(`${lane.name}: ${result.events} events in ${result.requests} streams`)
  }
  const cpu = cpuSeconds(lane.pid) - before
  if (lane.name === "gateway") answered += result.requests - result.failures
  return { ...result, perCpuSecond: result.requests / cpu, busy: cpu / result.seconds }
}

console.log(
  `one core each turn, ${connections} connections, ${rounds} rounds of ${seconds} s, pinned: ${pinned}`,
)
for (const lane of lanes) await measure(lane, 4)
for (let round = 0; round < rounds; round++) {
  for (const lane of lanes) results[lane.name].push(await measure(lane, seconds))
}

const median = (numbers: ReadonlyArray<number>) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
const row = (name: "bare" | "gateway") => {
  const list = results[name]
  console.log(
    [
      name.padEnd(8),
      `${Math.round(median(list.map((r) => r.requests / r.seconds)))} req/s`.padStart(14),
      `${Math.round(median(list.map((r) => r.perCpuSecond)))} req per CPU s`.padStart(22),
      `${Math.round(median(list.map((r) => r.busy)) * 100)} % of a core`.padStart(18),
      `${list.reduce((sum, r) => sum + r.failures, 0)} failures`.padStart(14),
    ].join(""),
  )
}
row("bare")
row("gateway")
const ratios = results.gateway.map((r, i) => r.perCpuSecond / (results.bare[i]?.perCpuSecond ?? Number.NaN))
console.log(
  `ratio gateway/bare: median ${median(ratios).toFixed(3)}, min ${Math.min(...ratios).toFixed(3)}, max ${Math.max(...ratios).toFixed(3)}`,
)

const countRows = async (): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${gatewayPort}/analytics/usage-by-provider`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { data } = (await response.json()) as { data: Array<{ requests: number; errors: number }> }
  return data.reduce((sum, { requests, errors }) => sum + requests - errors, 0)
}
const drainedAt = performance.now()
let rows = await countRows()
while (rows < answered && performance.now() - drainedAt < 60_000) {
  await new Promise((resolve) => setTimeout(resolve, 200))
  rows = await countRows()
}
console.log(
  `ledger: ${answered} answers, ${rows} rows, drained in ${Math.round(performance.now() - drainedAt)} ms`,
)

await Promise.all([stop(gateway), stop(bare), stop(mock)])
await postgres.remove()
rmSync(folder, { recursive: true, force: true })
process.exit(rows === answered ? 0 : 1)
