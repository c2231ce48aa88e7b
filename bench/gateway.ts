/** This gateway as `npm start` runs it, with a provider that is the mock. */
import { type ChildProcess, execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { BURST_MODEL, CLAUDE_MODEL, HELD_MODEL, MODEL, PACED_MODEL } from "./answers.ts"
import { freePort, type StartOptions, start } from "./processes.ts"

const root = join(import.meta.dirname, "..")

interface GatewayOptions {
  /** An empty folder, for the configuration, the journal and an embedded database. */
  readonly folder: string
  readonly mockPort: number
  /** Absent = embedded in the folder. */
  readonly databaseUrl?: string | undefined
  readonly core?: number | undefined
  /** More lines for the configuration; everything else has its default. */
  readonly settings?: string
  /** More entries of the list of providers. */
  readonly providers?: string
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: ReadonlyArray<string>
  readonly onStderr?: NonNullable<StartOptions["onStderr"]>
}

export interface Gateway {
  readonly child: ChildProcess
  readonly pid: number
  readonly port: number
  /** Milliseconds from the start of the process until `/readyz` said 200. */
  readonly readyMs: number
  /** Runs a command of the gateway's command line on its database and returns its JSON. */
  readonly cli: (...args: ReadonlyArray<string>) => Record<string, string>
}

const yaml = ({
  mockPort,
  providers = "",
  settings = "limits: { requests_per_minute: 1000000 }\n",
}: GatewayOptions): string => `providers:
  - name: bench
    kind: openai-compatible
    base_url: http://127.0.0.1:${mockPort}/v1
    models:
${[MODEL, PACED_MODEL, HELD_MODEL, BURST_MODEL]
  .map(
    (name) =>
      `      - name: ${name}\n        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: bench, as_of: 2026-01-01 }`,
  )
  .join("\n")}
  - name: claude
    kind: anthropic
    base_url: http://127.0.0.1:${mockPort}
    api_key_env: BENCH_KEY
    models:
      - name: ${CLAUDE_MODEL}
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: bench, as_of: 2026-01-01 }
${providers}
${settings}`

/** Starts a gateway and waits until it is ready. */
export const startGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { folder, databaseUrl } = options
  const config = join(folder, "gateway.yaml")
  writeFileSync(config, yaml(options))
  const port = await freePort()
  const env = {
    ADMIN_JWT_SECRET: "a-secret-of-benchmarks-that-everybody-knows",
    GATEWAY_CONFIG: config,
    BENCH_KEY: "a-key-of-benchmarks-that-everybody-knows",
    DATA_DIR: join(folder, "data"),
    PORT: String(port),
    LOG_LEVEL: "warn",
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    ...options.env,
  }
  const startedAt = performance.now()
  const child = await start(join(root, "src/main.ts"), [], {
    core: options.core,
    env,
    ready: "listening",
    nodeArgs: ["--import", join(root, "scripts/compile-cache.mjs"), ...(options.nodeArgs ?? [])],
    ...(options.onStderr === undefined ? {} : { onStderr: options.onStderr }),
  })
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`)).ok) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const readyMs = performance.now() - startedAt
  return {
    child,
    pid: child.pid ?? 0,
    port,
    readyMs,
    cli: (...args) =>
      JSON.parse(
        execFileSync(process.execPath, [join(root, "src/cli.ts"), ...args, "--json"], {
          env: { ...process.env, ...env },
          stdio: ["ignore", "pipe", "inherit"],
        }).toString(),
      ),
  }
}

/** Creates a key that no limit stops, and returns it. */
export const createKey = (gateway: Gateway): string =>
  gateway.cli("keys", "create", "--name", "bench", "--rpm", "1000000").key ?? ""

/** A limit of each kind that stops nobody. */
const AMPLE = ["--rpm", "1000000", "--tpm", "1000000000", "--concurrency", "1000"]

/** Creates a key as a team gives it to one of its applications, with limits that do not stop it; returns it. */
export const createBudgetedKey = (gateway: Gateway): string => {
  gateway.cli("teams", "create", "search")
  const { key = "" } = gateway.cli(
    ...["keys", "create", "--name", "budgeted", ...AMPLE, "--team", "search", "--tags", "prod,eu"],
    ...["--budget-usd", "1000000", "--budget-window", "month"],
  )
  return key
}

/**
 * Creates a key that counts against a limit of every kind and three budgets, of its own and of its team, none of which stops
 * it; returns it.
 */
export const createLimitedKey = (gateway: Gateway): string => {
  gateway.cli("teams", "create", "bench", ...AMPLE)
  const budget = (scope: string, subject: string, window: string): void => {
    const named = ["--scope", scope, "--subject", subject, "--window", window]
    gateway.cli("budgets", "set", ...named, "--limit-usd", "1000000")
  }
  const { id = "", key = "" } = gateway.cli(
    "keys",
    "create",
    "--name",
    "limited",
    "--team",
    "bench",
    ...AMPLE,
  )
  budget("team", "bench", "month")
  budget("team", "bench", "day")
  budget("key", id, "total")
  return key
}

/** Returns a function that counts answers with a row in the ledger, as analytics tell it. */
export const ledgerRows = (gateway: Gateway): (() => Promise<number>) => {
  const { token } = gateway.cli("admin", "token", "--ttl", "30d")
  return async () => {
    const response = await fetch(`http://127.0.0.1:${gateway.port}/analytics/usage-by-provider`, {
      headers: { authorization: `Bearer ${token}` },
    })
    // The gateway's own contract.
    const { data } = (await response.json()) as { data: Array<{ requests: number; errors: number }> }
    return data.reduce((sum, { requests, errors }) => sum + requests - errors, 0)
  }
}
