/** Processes of a benchmark: pinned to a core where the system can, stopped at the end, measured through /proc. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"

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
  if (hasTaskset) execFileSync("taskset", ["-a", "-c", "-p", String(core), String(pid)], { stdio: "ignore" })
  return hasTaskset
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** As `npm start` runs the gateway; whatever it is compared with gets the same. */
const NODE_FLAGS = ["--max-semi-space-size=32"]

/** Starts a script under this Node and waits for a line on stdout. */
export const start = (
  script: string,
  args: ReadonlyArray<string>,
  options: { readonly core: number; readonly env?: Record<string, string>; readonly ready: string },
): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const node = [process.execPath, ...NODE_FLAGS, script, ...args]
    const [command = "", ...rest] = hasTaskset ? ["taskset", "-c", String(options.core), ...node] : node
    const child = spawn(command, rest, {
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "inherit"],
    })
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`${script} ended with ${code}`)))
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes(options.ready)) resolve(child)
    })
  })

export const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) return resolve()
    child.removeAllListeners("exit")
    child.once("exit", () => resolve())
    child.kill("SIGTERM")
  })

const TICKS_PER_SECOND = 100

/** CPU seconds a process has used in all its threads. */
export const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
