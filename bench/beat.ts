/** A thread that says when the next request is due, precise to some tens of microseconds and asleep in between. */
import { parentPort, workerData } from "node:worker_threads"

// The other side of workerData is `openLoop`.
const { rate, total } = workerData as { readonly rate: number; readonly total: number }
const MS_TO_GET_READY = 50

/** Milliseconds of the clock that all threads share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6
const never = new Int32Array(new SharedArrayBuffer(4))
const startAt = now() + MS_TO_GET_READY

for (let i = 0; i < total; i++) {
  const dueAt = startAt + (i * 1000) / rate
  for (let left = dueAt - now(); left > 0; left = dueAt - now()) Atomics.wait(never, 0, 0, left)
  parentPort?.postMessage(dueAt)
}
