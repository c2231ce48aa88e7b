import { type ChildProcess, spawn } from "node:child_process"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { GatewayClient, issueAdminToken } from "./GatewayClient.ts"
import { type GatewayOptions, greetedUrl, prepareGateway } from "./gateway-environment.ts"
import { processEnv } from "./process-env.ts"

const root = join(import.meta.dirname, "../..")

/**
 * The gateway as a user runs it: its own process, its own port, talked to over HTTP. For tests of what a process does and
 * has (signals, crashes, memory, descriptors, its output); the others take `GatewayInProcess`.
 */
export class GatewayProcess extends GatewayClient {
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
    super(url, adminToken)
    this.#child = child
    this.#folder = folder
    this.#output = output
    this.#ended = ended
  }

  static async start(options: GatewayOptions = {}): Promise<GatewayProcess> {
    const { folder, settings } = await prepareGateway(options)
    const child = spawn(process.execPath, [join(root, "src/main.ts")], {
      cwd: folder,
      env: { ...processEnv, ...settings },
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
        const url = greetedUrl(output.stdout)
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
}
