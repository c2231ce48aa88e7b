import type { Percentiles, Snapshot } from "./measurements.ts"

interface Thresholds {
  /** Milliseconds. */
  readonly maxP99: number | undefined
  /** 0 to 1. */
  readonly maxErrorRate: number | undefined
}

/** Returns failed requests as a share of those that ended; 0 when none did. */
const errorRate = ({ good, failed }: Snapshot): number => (good + failed === 0 ? 0 : failed / (good + failed))

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`

/** Returns a line for each threshold that is broken; that nothing at all was answered breaks one that nobody has to ask for. */
export const broken = (snapshot: Snapshot, { maxP99, maxErrorRate }: Thresholds): ReadonlyArray<string> => {
  if (snapshot.latencyMs === null) return ["No request got a good answer."]
  const { p99 } = snapshot.latencyMs
  const rate = errorRate(snapshot)
  return [
    ...(maxP99 === undefined || p99 <= maxP99 ? [] : [`p99 is ${ms(p99)}, above --max-p99 ${maxP99}.`]),
    ...(maxErrorRate === undefined || rate <= maxErrorRate
      ? []
      : [`${percent(rate)} of the requests failed, above --max-error-rate ${maxErrorRate}.`]),
  ]
}

const percentilesText = (name: string, { mean, p50, p90, p95, p99, p999, max }: Percentiles): string =>
  `${name.padEnd(12)}mean ${ms(mean)}, p50 ${ms(p50)}, p90 ${ms(p90)}, p95 ${ms(p95)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`

const counts = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .map(([name, count]) => `${name}: ${count.toLocaleString("en")}`)
    .join(", ")

const BAR = 40

const bars = ({ histogram }: Snapshot): ReadonlyArray<string> => {
  const used = histogram.map(({ count }) => count > 0)
  const shown = histogram.slice(used.indexOf(true), used.lastIndexOf(true) + 1)
  const most = Math.max(...shown.map(({ count }) => count))
  return shown.map(({ leMs, count }) =>
    [
      (leMs === null ? "longer" : `<= ${leMs.toLocaleString("en")} ms`).padStart(14),
      count.toLocaleString("en").padStart(10),
      "#".repeat(Math.ceil((count / most) * BAR)),
    ].join("  "),
  )
}

/** Writes what was measured for people. */
export const asText = (snapshot: Snapshot): string => {
  const { seconds, sent, sentPerSecond, good, failed, inFlight, statuses, failures } = snapshot
  const { latencyMs, firstTokenMs } = snapshot
  const rate = sentPerSecond === null ? "" : `, sent at ${sentPerSecond.toFixed(1)}/s`
  const ended = inFlight === 0 ? "" : `, ${inFlight.toLocaleString("en")} still under way`
  return [
    `requests    ${sent.toLocaleString("en")} in ${seconds.toFixed(1)} s${rate}; ` +
      `${good.toLocaleString("en")} good, ${failed.toLocaleString("en")} failed (${percent(errorRate(snapshot))})${ended}`,
    ...(Object.keys(statuses).length === 0 ? [] : [`statuses    ${counts(statuses)}`]),
    ...(failed === 0 ? [] : [`failures    ${counts(failures)}`]),
    ...(latencyMs === null ? [] : [percentilesText("latency", latencyMs)]),
    ...(firstTokenMs === null ? [] : [percentilesText("first token", firstTokenMs)]),
    ...(latencyMs === null ? [] : ["", ...bars(snapshot)]),
  ].join("\n")
}

/** Writes the same for a script. */
export const asJson = (snapshot: Snapshot, faults: ReadonlyArray<string>): string =>
  JSON.stringify({
    ok: faults.length === 0,
    broken: faults,
    seconds: snapshot.seconds,
    sent: snapshot.sent,
    sent_per_second: snapshot.sentPerSecond,
    good: snapshot.good,
    failed: snapshot.failed,
    in_flight: snapshot.inFlight,
    error_rate: errorRate(snapshot),
    statuses: snapshot.statuses,
    failures: snapshot.failures,
    latency_ms: snapshot.latencyMs,
    first_token_ms: snapshot.firstTokenMs,
    histogram: snapshot.histogram.map(({ leMs, count }) => ({ le_ms: leMs, count })),
  })

/** Writes one line about a test that goes on. */
export const progressLine = (snapshot: Snapshot, totalSeconds: number): string => {
  const { seconds, sent, good, failed, inFlight, latencyMs } = snapshot
  const latency = latencyMs === null ? "" : `, p50 ${ms(latencyMs.p50)}, p99 ${ms(latencyMs.p99)}`
  return `${Math.floor(seconds)} of ${totalSeconds} s: ${sent} sent, ${good} good, ${failed} failed, ${inFlight} under way${latency}`
}
