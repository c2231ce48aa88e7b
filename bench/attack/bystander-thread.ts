/** The thread of `bystand`. */
import { randomUUID } from "node:crypto"
import { parentPort, workerData } from "node:worker_threads"
import { MARKERS_IN_ANSWER } from "../answers.ts"
import { openLoop } from "../load.ts"
import { chat, post, stream, text } from "../requests.ts"
import { percentile } from "../statistics.ts"
import type { BystanderPlan, Seen } from "./bystander.ts"
import { chatAs } from "./keys.ts"

// The other side of workerData is `bystand`.
const { port, mockPort, key, model, keyed, ratePerSecond, seconds } = workerData as BystanderPlan

const BODY_BYTES = 1_000
const STREAMS_PER_SECOND = 1
/** Of a stream with a piece each 20 ms. */
const PIECES = 15
const HANGS_MS = 15_000

const address = () => chatAs(key, keyed ? { "idempotency-key": randomUUID() } : {})
const body = { model, messages: [{ role: "user", content: text(BODY_BYTES) }] }
const whole = () => post(address(), body, { markers: MARKERS_IN_ANSWER, stream: false })
const streamed = () => stream(address(), PIECES, "paced")

const [answers, streams, mock] = await Promise.all([
  openLoop(port, whole(), ratePerSecond, seconds, { next: whole, hangsMs: HANGS_MS }),
  openLoop(port, streamed(), STREAMS_PER_SECOND, seconds, { next: streamed, hangsMs: HANGS_MS }),
  openLoop(mockPort, chat(chatAs(key), BODY_BYTES), ratePerSecond, seconds, { hangsMs: HANGS_MS }),
])

const failedWith: Record<number, number> = { ...answers.failedWith }
for (const [status, count] of Object.entries(streams.failedWith)) {
  failedWith[Number(status)] = (failedWith[Number(status)] ?? 0) + count
}
const seen: Seen = {
  sent: answers.requests + streams.requests,
  failures: answers.failures + streams.failures,
  failedWith,
  p50: percentile(answers.latencies, 0.5),
  p99: percentile(answers.latencies, 0.99),
  firstP99: percentile(streams.firstMarkers, 0.99),
  mockP99: percentile(mock.latencies, 0.99),
}
parentPort?.postMessage(seen)
