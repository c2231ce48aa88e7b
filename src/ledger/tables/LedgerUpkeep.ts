import { Context, Effect, Layer, Metric } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Settings } from "../../config/Settings.ts"
import { answerWithin } from "../../database/answer-within.ts"
import { hourly } from "../../database/hourly.ts"
import { ledgerDaysDropped } from "../../observability/Metrics.ts"
import { Ledger } from "../Ledger.ts"
import { forgetLeases } from "./leases.ts"
import { createDaysAhead, dropPartition, expiredPartitions } from "./partitions.ts"
import { dropUserDay, forgetMinutes, rollUp } from "./roll-up.ts"

/** Days made ahead of need; without the database for longer, a gateway makes days as records of them arrive. */
const DAYS_AHEAD = 3

const STATEMENT_TIMEOUT = "1 minute"

/** Time that records which wait for the database can hold up the dropping of old days. */
const FLUSH_TIMEOUT_MS = 60_000

/**
 * Keeps the ledger's tables as time goes on: makes days ahead, drops days older than `RETENTION_DAYS` and minutes
 * of more than a day ago, and rolls up to where analytics read quickly. All of it may run in any number of replicas at once: days are made under a lock, a day
 * that another dropped is not missed, and an hour's counts are moved by whoever takes them first. Only the database's
 * clock counts, so a replica whose clock is wrong drops nothing.
 */
export class LedgerUpkeep extends Context.Service<
  LedgerUpkeep,
  {
    readonly round: Effect.Effect<void, SqlError.SqlError>
    /** Makes a round now and then one every hour, for ever. To be started when the schema is there. */
    readonly run: Effect.Effect<never>
  }
>()("gateway/ledger/LedgerUpkeep") {
  static readonly layer = Layer.effect(
    LedgerUpkeep,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* Ledger
      const { retentionDays } = yield* Settings
      const round = upkeepRound(sql, ledger, retentionDays)
      return LedgerUpkeep.of({ round, run: hourly("ledger upkeep failed", round) })
    }),
  )
}

const upkeepRound = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  ledger: Ledger["Service"],
  retentionDays: number | undefined,
) {
  yield* createDaysAhead(sql, DAYS_AHEAD).pipe(answerWithin(STATEMENT_TIMEOUT))
  yield* rollUp(sql)
  yield* forgetMinutes(sql).pipe(answerWithin(STATEMENT_TIMEOUT))
  yield* forgetLeases(sql).pipe(answerWithin(STATEMENT_TIMEOUT))
  if (retentionDays === undefined) return
  yield* dropExpired(sql, ledger, retentionDays)
  while (yield* dropUserDay(sql, retentionDays).pipe(answerWithin(STATEMENT_TIMEOUT)));
})

/**
 * Drops the days whose time is over. Their rows are also what tells a repeated record from a new one, so what waits in
 * this process, perhaps since before a crash, is written first; a record that comes for a dropped day makes it again
 * and is counted.
 */
const dropExpired = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  ledger: Ledger["Service"],
  retentionDays: number,
) {
  const expired = yield* expiredPartitions(sql, retentionDays).pipe(answerWithin(STATEMENT_TIMEOUT))
  if (expired.length === 0 || !(yield* ledger.flush(FLUSH_TIMEOUT_MS))) return
  for (const partition of expired) {
    const dropped = yield* dropPartition(sql, partition).pipe(answerWithin(STATEMENT_TIMEOUT))
    if (!dropped) continue
    yield* Metric.update(ledgerDaysDropped, 1)
    yield* Effect.logInfo("dropped requests older than RETENTION_DAYS", {
      before: new Date(partition.toMs).toISOString(),
    })
  }
})
