import { createHistogram, type RecordableHistogram } from "node:perf_hooks"
import type { Outcome } from "./Outcome.ts"

const US_PER_MS = 1_000
const BOUNDS_MS: ReadonlyArray<number> = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((ten) => [
  ten,
  2 * ten,
  5 * ten,
])

export interface Percentiles {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Measurements so far. Milliseconds; null while no good answer has come. */
export interface Snapshot {
  readonly seconds: number
  readonly sent: number
  /** Requests a second that were really sent; null before the second one. */
  readonly sentPerSecond: number | null
  readonly good: number
  readonly failed: number
  readonly inFlight: number
  readonly statuses: Readonly<Record<string, number>>
  readonly failures: Readonly<Record<string, number>>
  readonly latencyMs: Percentiles | null
  readonly firstTokenMs: Percentiles | null
  /** Good answers by latency: each holds those above the bound before it. */
  readonly histogram: ReadonlyArray<{ readonly leMs: number | null; readonly count: number }>
}

const percentiles = (histogram: RecordableHistogram): Percentiles | null => {
  if (histogram.count === 0) return null
  const at = (percent: number) => histogram.percentile(percent) / US_PER_MS
  return {
    mean: histogram.mean / US_PER_MS,
    p50: at(50),
    p90: at(90),
    p95: at(95),
    p99: at(99),
    p999: at(99.9),
    max: histogram.max / US_PER_MS,
  }
}

const record = (histogram: RecordableHistogram, ms: number): void =>
  histogram.record(Math.max(1, Math.round(ms * US_PER_MS)))

const increment = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

export interface Measurements {
  readonly start: (nowMs: number) => void
  readonly sent: (nowMs: number) => void
  readonly ended: (dueMs: number, outcome: Outcome) => void
  readonly snapshot: (nowMs: number) => Snapshot
}

/** Adds up the outcomes of a load test; latencies are those of good answers alone, for failures can be fast. */
export const makeMeasurements = (): Measurements => {
  const latency = createHistogram({ figures: 3 })
  const firstToken = createHistogram({ figures: 3 })
  const statuses = new Map<string, number>()
  const failures = new Map<string, number>()
  const buckets = new Array<number>(BOUNDS_MS.length + 1).fill(0)
  let [startMs, lastSentMs, sent, good, failed] = [0, 0, 0, 0, 0]
  return {
    start: (nowMs) => {
      startMs = nowMs
    },
    sent: (nowMs) => {
      sent++
      lastSentMs = nowMs
    },
    ended: (dueMs, { status, failure, firstTokenMs, endedMs }) => {
      if (status !== null) increment(statuses, String(status))
      if (failure !== null) {
        failed++
        increment(failures, failure)
        return
      }
      good++
      const latencyMs = endedMs - dueMs
      record(latency, latencyMs)
      if (firstTokenMs !== null) record(firstToken, firstTokenMs - dueMs)
      const bucket = BOUNDS_MS.findIndex((bound) => latencyMs <= bound)
      const at = bucket === -1 ? BOUNDS_MS.length : bucket
      buckets[at] = (buckets[at] ?? 0) + 1
    },
    snapshot: (nowMs) => ({
      seconds: (nowMs - startMs) / 1_000,
      sent,
      sentPerSecond: sent < 2 ? null : ((sent - 1) * 1_000) / (lastSentMs - startMs),
      good,
      failed,
      inFlight: sent - good - failed,
      statuses: Object.fromEntries(statuses),
      failures: Object.fromEntries(failures),
      latencyMs: percentiles(latency),
      firstTokenMs: percentiles(firstToken),
      histogram: buckets.map((count, i) => ({ leMs: BOUNDS_MS[i] ?? null, count })),
    }),
  }
}
