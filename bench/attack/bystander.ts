/** Somebody who asks now and then and has nothing to do with the attack: it must not notice. */
import { once } from "node:events"
import { Worker } from "node:worker_threads"

export interface BystanderPlan {
  readonly port: number
  /** The mock is asked directly at the same time: what it takes then, the machine takes. */
  readonly mockPort: number
  readonly key: string
  readonly model: string
  /** Whether each request has an Idempotency-Key. */
  readonly keyed: boolean
  readonly ratePerSecond: number
  readonly seconds: number
}

export interface Seen {
  readonly sent: number
  readonly failures: number
  /** Statuses of failures, 0 for a connection that was cut or an answer that never came. */
  readonly failedWith: Readonly<Record<number, number>>
  /** Milliseconds of good whole answers from when they were due, and of streams to their first piece. */
  readonly p50: number
  readonly p99: number
  readonly firstP99: number
  readonly mockP99: number
}

/** Runs in a thread of its own, so that what an attacker's client computes does not count as the gateway's time. */
export const bystand = async (plan: BystanderPlan): Promise<Seen> => {
  const thread = new Worker(new URL("./bystander-thread.ts", import.meta.url), { workerData: plan })
  // The other side is bystander-thread.ts.
  const [seen] = (await once(thread, "message")) as [Seen]
  return seen
}

/** Milliseconds below which a p99 is good whatever it was in the quiet: the noise of a machine. */
const FLOOR_MS = 50
const TIMES_QUIET = 3

/** Returns what an attack did to the bystander that it must not do. */
export const harm = (quiet: Seen, attacked: Seen): ReadonlyArray<string> => {
  const limitMs = Math.max(FLOOR_MS, TIMES_QUIET * quiet.p99)
  return [
    ...(attacked.failures === 0
      ? []
      : [`${attacked.failures} of ${attacked.sent} requests of the bystander failed`]),
    ...(attacked.p99 > limitMs
      ? [`the bystander's p99 was ${attacked.p99.toFixed(0)} ms, above ${limitMs.toFixed(0)}`]
      : []),
  ]
}
