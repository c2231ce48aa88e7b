/** What an attack does to the gateway's process: memory, connections, and how long its event loop stands still. */
import { readFileSync } from "node:fs"
import type { Gateway } from "../gateway.ts"
import { coreSeconds, cpuSeconds, peakMiB } from "../proc.ts"
import { SUBJECT_CORE } from "../processes.ts"

const LOOK_EVERY_MS = 250
const LAST_LINES = 5
const ESTABLISHED = "01"
/** Lines that follow the one that says why. */
const STACK = /^\s*(\d+: 0x|at |----|$)/

/**
 * Established connections with a port, as the process that listens there sees them: the client's port of each, with the
 * bytes that the kernel holds because the client does not take them.
 */
export const clientsOf = (port: number): ReadonlyMap<number, number> => {
  const hex = (text = ""): number => Number.parseInt(text, 16)
  const portOf = (address = ""): number => hex(address.split(":")[1])
  const clients = new Map<number, number>()
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const row of readFileSync(table, "utf8").trim().split("\n").slice(1)) {
      const [, local, remote, state, queues] = row.trim().split(/\s+/)
      if (state === ESTABLISHED && portOf(local) === port)
        clients.set(portOf(remote), hex(queues?.split(":")[0]))
    }
  }
  return clients
}

/** Reads what `loop-delay.ts` and the gateway's log say on stderr. */
export class Stderr {
  maxLoopDelayMs = 0
  /** The last that was logged: after a death it may say why. */
  readonly lastLines: Array<string> = []
  #pending = ""

  readonly read = (text: string): void => {
    const lines = (this.#pending + text).split("\n")
    this.#pending = lines.pop() ?? ""
    for (const line of lines) {
      const delayMs = /^loop-delay (\d+)$/.exec(line)?.[1]
      if (delayMs !== undefined) this.maxLoopDelayMs = Math.max(this.maxLoopDelayMs, Number(delayMs))
      else if (!STACK.test(line) && this.lastLines.push(line.slice(0, 300)) > LAST_LINES)
        this.lastLines.shift()
    }
  }
}

export interface Watched {
  readonly peakMiB: number
  readonly connections: number
  readonly maxLoopDelayMs: number
  /** The share of the gateway's core that somebody else used meanwhile: noise in everything else. */
  readonly foreignBusy: number
}

/** Looks at a gateway until the returned function is called. */
export const watch = ({ pid, port }: Gateway, stderr: Stderr): (() => Watched) => {
  stderr.maxLoopDelayMs = 0
  let [peak, connections, foreignBusy] = [0, 0, 0]
  const startedAt = performance.now()
  const foreignSeconds = (): number => coreSeconds(SUBJECT_CORE) - cpuSeconds(pid)
  const foreignBefore = foreignSeconds()
  const look = (): void => {
    if (cpuSeconds(pid) > 0) {
      foreignBusy = ((foreignSeconds() - foreignBefore) * 1000) / (performance.now() - startedAt)
    }
    peak = Math.max(peak, peakMiB(pid))
    connections = Math.max(connections, clientsOf(port).size)
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return { peakMiB: peak, connections, maxLoopDelayMs: stderr.maxLoopDelayMs, foreignBusy }
  }
}
