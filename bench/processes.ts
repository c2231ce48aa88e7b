/** Processes of a benchmark: pinned to a core where the system can, and stopped at the end. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { createServer } from "node:net"

/** The core of whatever is measured, and the one of everything else: load, mock, PostgreSQL and this process. */
export const SUBJECT_CORE = 0
export const OTHERS_CORE = 1

const hasTaskset = (() => {
  try {
    execFileSync("taskset", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** Moves a process with all its threads to one core; false where that is not possible. */
export const pin = (pid: number, core: number): boolean => {
  if (!hasTaskset) return false
  try {
    execFileSync("taskset", ["-a", "-c", "-p", String(core), String(pid)], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Returns a TCP port that was free on loopback a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** The flags of `npm start`; whatever the gateway is compared with gets the same. */
const NODE_FLAGS = ["--max-semi-space-size=32", "--no-allocation-site-pretenuring"]

export interface StartOptions {
  /** The core to stay on; absent = wherever the system puts it. */
  readonly core?: number | undefined
  readonly env?: Record<string, string>
  /** Arguments of Node before the script. */
  readonly nodeArgs?: ReadonlyArray<string>
  /** Text on stdout that says that the process is ready. */
  readonly ready: string
  /** Called with what the process writes on stderr; it goes to this process's own when absent. */
  readonly onStderr?: (text: string) => void
}

const MS_TO_START = 60_000

/** Starts a script under this Node and waits until it says that it is ready. */
export const start = (
  script: string,
  args: ReadonlyArray<string>,
  options: StartOptions,
): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const node = [process.execPath, ...NODE_FLAGS, ...(options.nodeArgs ?? []), script, ...args]
    const [command = "", ...rest] =
      hasTaskset && options.core !== undefined ? ["taskset", "-c", String(options.core), ...node] : node
    const child = spawn(command, rest, {
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", options.onStderr === undefined ? "inherit" : "pipe"],
    })
    const giveUp = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${script} was not ready within ${MS_TO_START / 1000} s`))
    }, MS_TO_START)
    const settle = <A>(then: (value: A) => void) => {
      return (value: A) => {
        clearTimeout(giveUp)
        then(value)
      }
    }
    child.once("error", settle(reject))
    child.once("exit", (code) => settle(reject)(new Error(`${script} ended with ${code}`)))
    let said = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      if (said.includes(options.ready)) return
      said += chunk
      if (said.includes(options.ready)) settle(resolve)(child)
    })
    if (options.onStderr !== undefined) child.stderr?.setEncoding("utf8").on("data", options.onStderr)
  })

/** Ends a process and waits for that; one that does not end within ten seconds is killed. */
export const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const kill = setTimeout(() => child.kill("SIGKILL"), 10_000)
    child.removeAllListeners("exit")
    child.once("exit", () => {
      clearTimeout(kill)
      resolve()
    })
    child.kill("SIGTERM")
  })
