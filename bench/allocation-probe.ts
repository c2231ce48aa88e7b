/** Loaded into a process (`--import`): on SIGUSR2 it writes on stderr how many bytes its main thread has allocated so far. */
import { getHeapStatistics } from "node:v8"

process.on("SIGUSR2", () => {
  process.stderr.write(`allocated ${getHeapStatistics().total_allocated_bytes}\n`)
})
