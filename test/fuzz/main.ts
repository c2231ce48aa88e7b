/** `npm run fuzz`: sends requests that no client should send to a gateway, and tells what did not get a proper answer. */
import { randomBytes } from "node:crypto"
import { readCommandLine } from "../support/command-line.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { fuzz } from "./fuzz.ts"
import { fuzzConfig, fuzzModels, inWords } from "./target.ts"

const HELP = `Usage: npm run fuzz -- [options]

Makes requests of a seed, wrong in their JSON, bytes, headers, paths, methods, credentials or framing, and checks that each
gets an answer that makes sense, or the end of its connection, in time.

  --seed TEXT          default: a new one, which is printed
  --count N            requests, default 100000
  --case N             only this one
  --url URL            a running gateway with --key KEY and --admin-token JWT, instead of one in this process.
                       Creates API keys there, and asks its providers
  --help

Exit code: 0 when everything held, 1 when something did not, 2 on wrong usage.
`

const PATIENCE_MS = 30_000

const { options, usage, whole } = readCommandLine(HELP, {
  seed: { type: "string", default: randomBytes(4).toString("hex") },
  count: { type: "string", default: "100000" },
  case: { type: "string" },
  url: { type: "string" },
  key: { type: "string" },
  "admin-token": { type: "string" },
  help: { type: "boolean", default: false },
})

interface Target {
  readonly url: string
  readonly apiKey: string
  readonly adminToken: string
  readonly stop: () => Promise<void>
}

const startTarget = async (): Promise<Target> => {
  const upstream = await FakeUpstream.start()
  const gateway = await GatewayInProcess.start({
    config: fuzzConfig(upstream.url),
    env: { ANTHROPIC_API_KEY: "k", GEMINI_API_KEY: "k", OPENAI_API_KEY: "k" },
  })
  const { key } = await gateway.createKey({ rpm: 1_000_000 })
  const stop = async () => {
    await gateway.stop()
    await upstream.stop()
  }
  return { url: gateway.url, apiKey: key, adminToken: gateway.adminToken, stop }
}

const { seed, url } = options
const first = options.case === undefined ? 0 : whole("case", options.case)
const count = options.case === undefined ? whole("count", options.count) : 1
const target: Target =
  url === undefined
    ? await startTarget()
    : {
        url: URL.canParse(url) ? url : usage("--url is not a URL."),
        apiKey: options.key ?? usage("--key is missing."),
        adminToken: options["admin-token"] ?? usage("--admin-token is missing."),
        stop: async () => {},
      }

const report = await fuzz({ ...target, seed, first, count, models: fuzzModels, patienceMs: PATIENCE_MS })
for (const fault of report.faults) process.stdout.write(`${inWords(seed, fault)}\n`)
const good = await fetch(`${target.url}/v1/models`, { headers: { "x-api-key": target.apiKey } })
if (!good.ok) process.stdout.write(`a good request afterwards got ${good.status}\n`)
await target.stop()

const statuses = [...report.statuses].toSorted().map(([status, times]) => `${status}: ${times}`)
process.stdout.write(
  `seed ${JSON.stringify(seed)}: ${report.answered} answers (${statuses.join(", ")}), ${report.closed} connections ended instead, ${report.faults.length} faults\n`,
)
process.exitCode = report.faults.length === 0 && good.ok ? 0 : 1
