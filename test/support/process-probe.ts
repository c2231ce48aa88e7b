import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/**
 * Loaded into a process under test (`--import`): on SIGUSR2 it collects garbage and writes one line on stderr about
 * what is left. Resident memory alone says little; a heap that was just collected does.
 */
setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

process.on("SIGUSR2", () => {
  collect()
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  const { heapUsed, external } = process.memoryUsage()
  process.stderr.write(
    `probe ${JSON.stringify({ heapMb: heapUsed / 1e6, externalMb: external / 1e6, resources })}\n`,
  )
})
