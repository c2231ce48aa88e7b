import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Duration, Effect, Layer, Redacted } from "effect"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { Settings } from "../../src/config/Settings.ts"
import { ADMIN_JWT_SECRET } from "./GatewayClient.ts"
import { processEnv } from "./process-env.ts"
import { scaled } from "./slowness.ts"

const thisMain = join(import.meta.dirname, "../../src/main.ts")

export interface ReplicaOptions {
  readonly databaseUrl: string
  /** YAML of GATEWAY_CONFIG. */
  readonly config: string
  /** Default: one of its own, which goes with it. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
  readonly adminJwtSecret?: string
  /** `main.ts` of another version; default: of this one. */
  readonly main?: string | undefined
  /** What the process is started through, e.g. a shell that sets its limits. */
  readonly launcher?: ReadonlyArray<string>
}

/**
 * A gateway that dies and comes back: every life of it has the same port and the same DATA_DIR. Unlike `GatewayProcess`
 * it need not be ready, or have its database, to be talked to or killed.
 */
export class Replica {
  static async make(options: ReplicaOptions): Promise<Replica> {
    const folder = await mkdtemp(join(tmpdir(), "gateway-replica-"))
    await writeFile(join(folder, "gateway.yaml"), options.config)
    const dataDir = options.dataDir ?? join(folder, "data")
    await mkdir(dataDir, { recursive: true })
    const adminJwtSecret = options.adminJwtSecret ?? ADMIN_JWT_SECRET
    const [port, adminToken] = await Promise.all([freePort(), issueAdminToken(adminJwtSecret)])
    return new Replica({ ...options, adminJwtSecret }, folder, dataDir, port, adminToken)
  }

  /** It is made, and answers `/livez`. */
  static async start(options: ReplicaOptions): Promise<Replica> {
    const replica = await Replica.make(options)
    await replica.start()
    return replica
  }

  readonly url: string
  readonly dataDir: string
  readonly adminToken: string
  /** Of all its lives. */
  stdout = ""
  stderr = ""
  /** When it was killed, epoch milliseconds. */
  readonly kills: Array<number> = []
  readonly #options: ReplicaOptions
  readonly #folder: string
  readonly #port: number
  #child: ChildProcess | undefined
  #ended: Promise<number | null> = Promise.resolve(null)

  private constructor(
    options: ReplicaOptions,
    folder: string,
    dataDir: string,
    port: number,
    adminToken: string,
  ) {
    this.#options = options
    this.#folder = folder
    this.#port = port
    this.dataDir = dataDir
    this.adminToken = adminToken
    this.url = `http://127.0.0.1:${port}`
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** The exit code of the present life, or of the last one; null after a signal that cannot be handled. */
  get ended(): Promise<number | null> {
    return this.#ended
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves when `/livez` answers. */
  async start(): Promise<void> {
    const { adminJwtSecret = "", config: _, databaseUrl, env, launcher = [], main = thisMain } = this.#options
    const [command = "", ...args] = [...launcher, process.execPath, main]
    const child = spawn(command, args, {
      cwd: this.#folder,
      env: {
        ...processEnv,
        PORT: String(this.#port),
        LOG_FORMAT: "json",
        DATA_DIR: this.dataDir,
        DATABASE_URL: databaseUrl,
        ADMIN_JWT_SECRET: adminJwtSecret,
        GATEWAY_CONFIG: join(this.#folder, "gateway.yaml"),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once("close", (code) => resolve(code)))
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
    })
    while (!(await answers(`${this.url}/livez`))) {
      // Killed again before it was up is not for us to judge.
      if (child.signalCode !== null) return
      if (child.exitCode !== null) {
        throw new Error(`the gateway ended with ${child.exitCode}: ${this.stderr.slice(-2000)}`)
      }
      await setTimeout(10)
    }
  }

  /** As soon as `/readyz` says 200, with its database or without. */
  async ready(timeoutMs = 20_000): Promise<void> {
    const giveUpAt = performance.now() + scaled(timeoutMs)
    while (!(await answers(`${this.url}/readyz`))) {
      if (performance.now() > giveUpAt) throw new Error(`not ready: ${this.stderr.slice(-2000)}`)
      await setTimeout(20)
    }
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.kills.push(Date.now())
    this.#child?.kill("SIGKILL")
    await this.#ended
  }

  /** Writes its configuration anew, as an editor does that replaces the file. */
  async configure(config: string): Promise<void> {
    await writeFile(join(this.#folder, "next.yaml"), config)
    await rename(join(this.#folder, "next.yaml"), join(this.#folder, "gateway.yaml"))
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Tells it to stop and gives its exit code. */
  async stop(): Promise<number | null> {
    if (this.alive) this.#child?.kill("SIGTERM")
    return this.#ended
  }

  /** Ends it, however it is, and removes its files. */
  async remove(): Promise<void> {
    if (this.alive) this.#child?.kill("SIGKILL")
    await this.#ended
    await rm(this.#folder, { recursive: true, force: true })
  }

  admin(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.adminToken}`, "content-type": "application/json" },
    })
  }

  async createKey(
    name = "test",
    fields: object = {},
  ): Promise<{ readonly id: string; readonly key: string }> {
    const body = JSON.stringify({ name, ...fields })
    const response = await this.admin("/admin/keys", { method: "POST", body })
    if (response.status !== 200) throw new Error(`no key: ${response.status} ${await response.text()}`)
    return (await response.json()) as { id: string; key: string }
  }

  infer(key: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    })
  }

  async readyz(): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const response = await fetch(`${this.url}/readyz`)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  /** What it logged, one object a line. */
  get log(): ReadonlyArray<Record<string, unknown>> {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )

export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === "string") throw new Error("no TCP port")
  return address.port
}

const issueAdminToken = (secret: string): Promise<string> =>
  AdminTokens.use((tokens) => tokens.issue(Duration.hours(1))).pipe(
    Effect.map(Redacted.value),
    Effect.provide(
      AdminTokens.layer.pipe(Layer.provide(Settings.layerTest({ adminJwtSecret: Redacted.make(secret) }))),
    ),
    Effect.runPromise,
  )
