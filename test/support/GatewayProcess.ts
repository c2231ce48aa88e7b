import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Layer, Redacted } from "effect"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { Settings } from "../../src/config/Settings.ts"
import type { FakeUpstream } from "./FakeUpstream.ts"
import { processEnv } from "./process-env.ts"

const ADMIN_JWT_SECRET = "test-test-test-test-test-test-test-test"
const root = join(import.meta.dirname, "../..")

export interface GatewayOptions {
  /** YAML of GATEWAY_CONFIG. */
  readonly config?: string
  readonly env?: Readonly<Record<string, string>>
  /** Absent = embedded in a temporary DATA_DIR. */
  readonly databaseUrl?: Redacted.Redacted
}

/** The gateway as a user runs it: its own process, its own port, talked to over HTTP. */
export class GatewayProcess {
  readonly url: string
  readonly adminToken: string
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #output: { stdout: string; stderr: string }
  readonly #ended: Promise<number | null>

  private constructor(
    child: ChildProcess,
    folder: string,
    output: { stdout: string; stderr: string },
    ended: Promise<number | null>,
    url: string,
    adminToken: string,
  ) {
    this.#child = child
    this.#folder = folder
    this.#output = output
    this.#ended = ended
    this.url = url
    this.adminToken = adminToken
  }

  static async start(options: GatewayOptions = {}): Promise<GatewayProcess> {
    const folder = await mkdtemp(join(tmpdir(), "gateway-test-"))
    const config = join(folder, "gateway.yaml")
    if (options.config !== undefined) await writeFile(config, options.config)
    const child = spawn(process.execPath, [join(root, "src/main.ts")], {
      cwd: folder,
      env: {
        ...processEnv,
        PORT: "0",
        LOG_FORMAT: "json",
        DATA_DIR: join(folder, "data"),
        ADMIN_JWT_SECRET,
        ...(options.config === undefined ? {} : { GATEWAY_CONFIG: config }),
        ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: Redacted.value(options.databaseUrl) }),
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    })
    const output = { stdout: "", stderr: "" }
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
    const listening = new Promise<string>((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => {
        output.stderr += chunk
      })
      child.stdout.on("data", (chunk: Buffer) => {
        output.stdout += chunk
        const url = /listening on (http:\S+)/.exec(output.stdout)?.[1]
        if (url !== undefined) resolve(url)
      })
      ended.then((code) => reject(new Error(`gateway ended with ${code}: ${output.stderr}`)))
    })
    const url = await listening.catch(async (cause: unknown) => {
      await rm(folder, { recursive: true, force: true })
      throw cause
    })
    return new GatewayProcess(child, folder, output, ended, url, await issueAdminToken())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }
  get stdout(): string {
    return this.#output.stdout
  }
  get stderr(): string {
    return this.#output.stderr
  }

  /** The exit code; null after a signal that cannot be handled. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.#child.kill(signal)
    const code = await this.#ended
    await rm(this.#folder, { recursive: true, force: true })
    return code
  }

  admin(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.adminToken}`, "content-type": "application/json" },
    })
  }

  /** A new API key, ready for `infer`. */
  async createKey(options: Record<string, unknown> = {}): Promise<{ id: string; key: string }> {
    const response = await this.admin("/admin/keys", {
      method: "POST",
      body: JSON.stringify({ name: "test", ...options }),
    })
    if (response.status !== 200) throw new Error(`no key: ${response.status} ${await response.text()}`)
    return (await response.json()) as { id: string; key: string }
  }

  infer(
    key: string,
    body: unknown,
    options: { headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    return fetch(`${this.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key, ...options.headers },
      body: JSON.stringify(body),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  /** Single requests of the ledger, newest first, once `count` of them are there. */
  async ledger(count: number): Promise<ReadonlyArray<Record<string, unknown>>> {
    for (let tries = 0; tries < 100; tries++) {
      const response = await this.admin("/analytics/requests?limit=1000")
      const { data } = (await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }
      if (data.length >= count) return data
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`the ledger did not reach ${count} rows`)
  }
}

const issueAdminToken = (): Promise<string> =>
  AdminTokens.use((tokens) => tokens.issue(Duration.hours(1))).pipe(
    Effect.map(Redacted.value),
    Effect.provide(
      AdminTokens.layer.pipe(
        Layer.provide(Settings.layerTest({ adminJwtSecret: Redacted.make(ADMIN_JWT_SECRET) })),
      ),
    ),
    Effect.runPromise,
  )

/** One OpenAI-compatible provider per fake upstream, named `p0`, `p1` …, each with one model `m`. */
export const providersYaml = (
  upstreams: ReadonlyArray<FakeUpstream>,
  rest = "",
  inputUsdPer1M = (i: number) => i + 1,
): string =>
  [
    "providers:",
    ...upstreams.map(
      (upstream, i) => `  - name: p${i}
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    models:
      - name: m
        context_window: 8000
        max_output_tokens: 4000
        price: { input_usd_per_1m: ${inputUsdPer1M(i)}, output_usd_per_1m: ${2 * inputUsdPer1M(i)}, source: test, as_of: 2026-11-01 }`,
    ),
    rest,
  ].join("\n")
