/** What a gateway holds when nobody asks anything and its garbage is collected. */
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { openFiles, residentMiB, untilQuiet } from "./proc.ts"

export interface Held {
  readonly residentMiB: number
  readonly heapMiB: number
  readonly descriptors: number
  readonly timers: number
}

interface Probed {
  readonly heapMb: number
  readonly externalMb: number
  readonly resources: Readonly<Record<string, number>>
}

const probe = pathToFileURL(join(import.meta.dirname, "../test/support/process-probe.ts")).href

/** Arguments of Node for a process that can be asked. */
export const probeArgs = [`--import=${probe}`]

/** Reads what a process with the probe writes on stderr, and passes the rest on. */
export const makeProbe = () => {
  let pending = ""
  let arrived: ((probed: Probed) => void) | undefined
  return {
    onStderr: (text: string): void => {
      pending += text
      const lines = pending.split("\n")
      pending = lines.pop() ?? ""
      for (const line of lines) {
        if (line.startsWith("probe ")) arrived?.(JSON.parse(line.slice("probe ".length)))
        else process.stderr.write(`${line}\n`)
      }
    },
    /** Waits until the process is quiet, lets it collect garbage, twice for what the first frees, and looks. */
    look: async (pid: number): Promise<Held> => {
      await untilQuiet(pid)
      const ask = () =>
        new Promise<Probed>((resolve) => {
          arrived = resolve
          process.kill(pid, "SIGUSR2")
        })
      await ask()
      await setTimeout(500)
      const { heapMb, externalMb, resources } = await ask()
      return {
        residentMiB: residentMiB(pid),
        heapMiB: ((heapMb + externalMb) * 1e6) / 2 ** 20,
        descriptors: openFiles(pid),
        timers: resources.Timeout ?? 0,
      }
    },
  }
}
