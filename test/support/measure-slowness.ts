import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"

/** Milliseconds that `work` takes on each core of the quiet machine that the bounds in the tests were chosen on. */
const REFERENCE_MS = 280
/** A machine so slow that a bound times this is passed has another trouble than being slow. */
const MOST = 10

/** Computes for 12 ms and waits for a timer of 1 ms, twenty times, after a round that warms the compiler up. */
const work = `
const { parentPort } = require("node:worker_threads")
const compute = () => {
  let x = 1
  for (let i = 0; i < 1e7; i++) x = Math.imul(x ^ i, 0x5bd1e995) ^ (x >>> 15)
  return x
}
;(async () => {
  compute()
  const startedAt = performance.now()
  for (let round = 0; round < 20; round++) {
    compute()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  parentPort.postMessage(performance.now() - startedAt)
})()
`

const workedMs = (): Promise<number> =>
  new Promise((resolve, reject) => {
    new Worker(work, { eval: true }).once("message", resolve).once("error", reject)
  })

/**
 * How many times slower than a quiet one this machine is now, by computing on every core at once: from 1, which is also
 * what a faster one gets, to 10. TEST_SLOWNESS says it instead of measuring.
 */
export const measureSlowness = async (): Promise<number> => {
  const given = Number(process.env.TEST_SLOWNESS)
  if (given >= 1) return given
  const taken = await Promise.all(Array.from({ length: availableParallelism() }, workedMs))
  return Math.min(MOST, Math.max(1, Math.max(...taken) / REFERENCE_MS))
}
