import { availableParallelism, loadavg } from "node:os"

/** How many times slower than a quiet machine this one was when the run started (`measure-slowness.ts`). */
const measured = Number(process.env.TEST_SLOWNESS ?? 1)

/** Threads per core that want to run when nothing but the tests does. */
const OWN_LOAD = 3

/**
 * Milliseconds that `ms` on a quiet machine may come to on this one: as slow as it was when the run started, or as the load
 * of the last minute makes it. Every bound of real time in a test is one of these.
 */
export const scaled = (ms: number): number => {
  const [load = 0] = loadavg()
  return Math.round(ms * Math.max(measured, Math.min(10, load / availableParallelism() / OWN_LOAD)))
}
