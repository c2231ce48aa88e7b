import { readdirSync, readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { scaled } from "./slowness.ts"

/** A process seen from outside. Linux only, as its `/proc` is. */

export const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

/** Processes that it started and that run. */
export const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** The most files a process may open when it asks for it, as Node does at its start. */
export const openFilesLimit = (pid: number): number => {
  const hard = /Max open files\s+\S+\s+(\S+)/.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard)
}

/** One sample of the gateway's metrics, e.g. `gateway_in_flight_requests`. */
export const metric = async (gatewayUrl: string, series: string): Promise<number> => {
  const text = await (await fetch(`${gatewayUrl}/metrics`)).text()
  const line = text.split("\n").find((each) => each.startsWith(`${series} `))
  if (line === undefined) throw new Error(`no metric ${series}`)
  return Number(line.slice(series.length + 1))
}

/** Looks again and again until `condition` holds. */
export const eventually = async (
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 5000,
  everyMs = 50,
): Promise<void> => {
  const giveUpAt = performance.now() + scaled(timeoutMs)
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${scaled(timeoutMs)} ms: ${condition}`)
    await setTimeout(everyMs)
  }
}
