import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"

/**
 * Milliseconds that each part of `work` takes on each core of the quiet machine that the bounds in the tests were chosen on. A
 * machine may compute as fast as that and be half as fast with objects: its memory and caches are others' too. Building was not
 * measured there: it is what it took, 160, on a machine that computed as fast and ran all tests in 1.7 times the time.
 */
const REFERENCE_MS = { computing: 280, building: 95 }
/** A machine so slow that a bound times this is passed has another trouble than being slow. */
const MOST = 10

/**
 * Computes for 12 ms and waits for a timer of 1 ms, twenty times, then reads and writes JSON of 1.3 MB in the same way, after
 * rounds that warm the compiler up.
 */
const work = `
const { parentPort } = require("node:worker_threads")
const compute = () => {
  let x = 1
  for (let i = 0; i < 1e7; i++) x = Math.imul(x ^ i, 0x5bd1e995) ^ (x >>> 15)
  return x
}
const text = JSON.stringify(
  Array.from({ length: 20_000 }, (_, at) => ({ type: "function", name: "f" + at, at, inner: { list: [at] } })),
)
const build = () => JSON.stringify(JSON.parse(text))
const timed = async (step, rounds) => {
  step()
  const startedAt = performance.now()
  for (let round = 0; round < rounds; round++) {
    step()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return performance.now() - startedAt
}
;(async () => {
  const computing = await timed(compute, 20)
  parentPort.postMessage({ computing, building: await timed(build, 12) })
})()
`

const worked = (): Promise<typeof REFERENCE_MS> =>
  new Promise((resolve, reject) => {
    new Worker(work, { eval: true }).once("message", resolve).once("error", reject)
  })

/**
 * How many times slower than a quiet one this machine is now, by working on every core at once: from 1, which is also
 * what a faster one gets, to 10.
 */
export const measureSlowness = async (): Promise<number> => {
  const taken = await Promise.all(Array.from({ length: availableParallelism() }, worked))
  const times = taken.flatMap(({ building, computing }) => [
    building / REFERENCE_MS.building,
    computing / REFERENCE_MS.computing,
  ])
  return Math.min(MOST, Math.max(1, ...times))
}
