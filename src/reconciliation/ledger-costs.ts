import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { isDropped, isWithin, type LedgerPartition, ledgerPartitions } from "../ledger/tables/partitions.ts"

/** What the ledger knows of one model on one UTC day: every call that was made, also those whose answer nobody got. */
const LedgerDay = Schema.Struct({
  /** Start of the day, epoch milliseconds. */
  dayMs: Schema.Finite,
  model: Schema.String,
  attempts: Schema.Finite,
  nanoUsd: Schema.BigIntFromString,
  /** Attempts whose tokens are known and whose cost is not, for want of a price. */
  unpriced: Schema.Finite,
  /** Attempts that may have been charged and of which neither is known. */
  uncounted: Schema.Finite,
  /** Attempts whose tokens, and so whose cost, are an estimate. */
  estimated: Schema.Finite,
})
export type LedgerDay = typeof LedgerDay.Type

const decodeDays = decodeRows(LedgerDay)

export interface LedgerCosts {
  readonly costs: ReadonlyArray<LedgerDay>
  /** Tells whether the ledger has the day at all: it began later, or old days were dropped. */
  readonly hasDay: (dayMs: number) => boolean
}

/** Adds up the attempts at a provider that started in a span of whole UTC days. */
export const readLedgerCosts = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  provider: string,
  span: TimeRange,
  onPartition: (done: number, total: number) => Effect.Effect<void>,
): Effect.fn.Return<LedgerCosts, SqlError.SqlError> {
  const all = yield* ledgerPartitions(sql)
  // An attempt is kept with its request, which may have started on the day before.
  const partitions = all.filter((each) => isWithin(each, { ...span, fromMs: span.fromMs - DAY_MS }))
  const costs: Array<LedgerDay> = []
  for (const [index, partition] of partitions.entries()) {
    costs.push(
      ...(yield* costsIn(sql, partition, provider, span).pipe(
        Effect.catchIf(isDropped, () => Effect.succeed([])),
      )),
    )
    yield* onPartition(index + 1, partitions.length)
  }
  return {
    costs,
    hasDay: (dayMs) => all.some((each) => isWithin(each, { fromMs: dayMs, toMs: dayMs + DAY_MS })),
  }
})

const costsIn = (
  sql: SqlClient.SqlClient,
  { attempts }: LedgerPartition,
  provider: string,
  { fromMs, toMs }: TimeRange,
): Effect.Effect<ReadonlyArray<LedgerDay>, SqlError.SqlError> =>
  // Whoever refuses an attempt, or was never reached by it, charges nothing.
  decodeDays(sql`
    SELECT
      (extract(epoch FROM date_trunc('day', started_at, 'UTC')) * 1000)::float8 AS "dayMs", model,
      count(*)::float8 AS attempts, coalesce(sum(cost_nano_usd), 0)::text AS "nanoUsd",
      count(*) FILTER (WHERE cost_nano_usd IS NULL AND input_tokens IS NOT NULL)::float8 AS unpriced,
      count(*) FILTER (
        WHERE cost_nano_usd IS NULL AND input_tokens IS NULL AND coalesce(upstream_status, 200) < 400
          AND outcome <> 'connect' AND dispatched IS DISTINCT FROM 'no'
      )::float8 AS uncounted,
      count(*) FILTER (WHERE cost_nano_usd IS NOT NULL AND usage_estimated)::float8 AS estimated
    FROM ${sql(attempts)}
    WHERE provider = ${provider} AND started_at >= to_timestamp(${fromMs}::float8 / 1000)
      AND started_at < to_timestamp(${toMs}::float8 / 1000)
    GROUP BY 1, 2`)
