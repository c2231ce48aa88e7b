import { Effect, Schema } from "effect"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, ok, several, warn } from "../../domain/Finding.ts"
import { DAY_MS, HOUR_MS } from "../../domain/TimeRange.ts"
import { type LedgerPartition, ledgerPartitions } from "../tables/partitions.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"

const decodeCounts = decodeRows(Schema.Struct({ day: Schema.Finite, requests: Schema.Finite }))

const decodeNames = decodeRows(Schema.Struct({ name: Schema.String }))

/** Age of an upkeep that is overdue: gateways drop old days and make new ones every hour. */
const UPKEEP_LATE_MS = 2 * HOUR_MS

const isoOf = (ms: number): string => new Date(ms).toISOString()

const dayOf = (ms: number): string => isoOf(ms).slice(0, 10)

const startOfDay = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS

/** Returns days without a partition between the oldest and the newest that there are; partitions come in order. */
const gapsIn = (partitions: ReadonlyArray<LedgerPartition>): ReadonlyArray<number> =>
  partitions.slice(1).flatMap(({ fromMs }, i) => {
    const endedMs = partitions[i]?.toMs ?? 0
    return Array.from(
      { length: Math.max(0, ((fromMs ?? 0) - endedMs) / DAY_MS) },
      (_, n) => endedMs + n * DAY_MS,
    )
  })

/**
 * Looks for days whose rows are gone, that should be there, or should not. A day in between without a partition may be
 * one on which nothing happened; if the rollups know of requests, their rows are gone. Before the oldest partition rows
 * are gone because their time had come.
 */
export const checkPartitions = Effect.fnUntraced(function* ({ sql, nowMs, retentionDays }: LedgerSubject) {
  const partitions = yield* reading(sql, ledgerPartitions(sql))
  const missing = new Set(gapsIn(partitions))
  const counted =
    missing.size === 0
      ? []
      : yield* reading(
          sql,
          decodeCounts(sql`
            SELECT
              (extract(epoch FROM date_trunc('day', hour, 'UTC')) * 1000)::float8 AS day,
              sum(requests)::float8 AS requests
            FROM usage_rollups
            WHERE hour >= to_timestamp(${Math.min(...missing)}::float8 / 1000)
              AND hour < to_timestamp(${Math.max(...missing) + DAY_MS}::float8 / 1000)
            GROUP BY 1
            HAVING sum(requests) > 0
            ORDER BY 1`),
        )
  const lost = counted.filter(({ day }) => missing.has(day))
  const unpaired = yield* reading(
    sql,
    decodeNames(sql`
      SELECT requests AS name FROM ledger_partitions
      WHERE to_regclass(quote_ident(attempts)) IS NULL ORDER BY upper`),
  )
  const today = startOfDay(nowMs)
  const absent = [today, today + DAY_MS].filter(
    (day) =>
      !partitions.some(({ fromMs, toMs }) => (fromMs ?? Number.NEGATIVE_INFINITY) <= day && day < toMs),
  )
  const overdue =
    retentionDays === undefined
      ? []
      : partitions.filter(({ toMs }) => toMs <= startOfDay(nowMs - UPKEEP_LATE_MS) - retentionDays * DAY_MS)
  return verdict(partitions.length, {
    lost: lost.map(
      ({ day, requests }) => `${dayOf(day)}: ${several(requests, "request")} by the rollups, no rows`,
    ),
    unpaired: unpaired.map(({ name }) => `${name} has no attempts beside it`),
    absent: absent.map((day) => `${dayOf(day)} is not there yet`),
    overdue: overdue.map(({ requests, toMs }) => `${requests} ended at ${isoOf(toMs)}`),
  })
})

const verdict = (
  partitions: number,
  found: Readonly<Record<"lost" | "unpaired" | "absent" | "overdue", ReadonlyArray<string>>>,
): Finding => {
  const { lost, unpaired, absent, overdue } = found
  const numbers = {
    partitions,
    lost_days: lost.length,
    without_attempts: unpaired.length,
    not_made_yet: absent.length,
    overdue: overdue.length,
  }
  if (lost.length + unpaired.length > 0) {
    return fail("partitions", {
      summary: `rows of ${several(lost.length + unpaired.length, "day")} are gone`,
      numbers,
      examples: [...lost, ...unpaired],
      next:
        "Bring the missing tables back from a backup; usage and costs stay right, as rollups do not need the rows. " +
        "A table of attempts that is missing is made again, empty, when a gateway writes to its day.",
    })
  }
  if (absent.length + overdue.length > 0) {
    return warn("partitions", {
      summary: `${several(absent.length, "day")} ahead missing, ${several(overdue.length, "day")} older than RETENTION_DAYS`,
      numbers,
      examples: [...absent, ...overdue],
      next: "A gateway makes and drops days every hour: see that one runs, and its log for `ledger upkeep failed`.",
    })
  }
  return ok("partitions", {
    summary: `${several(partitions, "day")}, today and tomorrow among them`,
    numbers,
  })
}
