import { Context, Effect, Layer, Metric, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Settings } from "../../config/Settings.ts"
import { answerWithin } from "../../database/answer-within.ts"
import { failureCode } from "../../database/failure-code.ts"
import { ledgerDaysDropped } from "../../observability/Metrics.ts"
import { Ledger } from "../Ledger.ts"
import { foldRollups } from "./fold-rollups.ts"
import { createDaysAhead, dropPartition, expiredPartitions } from "./partitions.ts"

/** A gateway without the database for longer makes days as records of them arrive. */
const DAYS_AHEAD = 3

const EVERY = "1 hour"

const ANSWER = "1 minute"

/** How long records that wait for the database can hold up the dropping of old days. */
const FLUSH_TIMEOUT_MS = 60_000

const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

/**
 * What the ledger's tables need as time goes on: days ahead, no days older than `RETENTION_DAYS`, and rollups moved to
 * where analytics read them quickly. All of it may run in any number of replicas at once: days are made under a lock,
 * a day that another dropped is not missed, and an hour's counts are moved by whoever takes them first. Only the
 * database's clock counts, so a replica whose clock is wrong drops nothing.
 */
export class LedgerUpkeep extends Context.Service<
  LedgerUpkeep,
  {
    /** One round. */
    readonly run: Effect.Effect<void, SqlError.SqlError>
    /** A round now and then one every hour, for ever. To be started when the schema is there. */
    readonly keep: Effect.Effect<never>
  }
>()("gateway/ledger/LedgerUpkeep") {
  static readonly layer = Layer.effect(
    LedgerUpkeep,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* Ledger
      const { retentionDays } = yield* Settings

      const run = Effect.gen(function* () {
        yield* createDaysAhead(sql, DAYS_AHEAD).pipe(answerWithin(ANSWER))
        yield* foldRollups(sql)
        if (retentionDays !== undefined) yield* dropExpired(retentionDays)
      })

      /**
       * The rows of a day are also what tells a repeated record from a new one. So what waits here, perhaps since
       * before a crash, is written first; a record that comes for a dropped day makes it again and is counted.
       */
      const dropExpired = Effect.fnUntraced(function* (days: number) {
        const expired = yield* expiredPartitions(sql, days).pipe(answerWithin(ANSWER))
        if (expired.length === 0 || !(yield* ledger.flush(FLUSH_TIMEOUT_MS))) return
        for (const partition of expired) {
          const dropped = yield* dropPartition(sql, partition).pipe(answerWithin(ANSWER))
          if (!dropped) continue
          yield* Metric.update(ledgerDaysDropped, 1)
          yield* Effect.logInfo("dropped requests older than RETENTION_DAYS", {
            before: new Date(partition.toMs).toISOString(),
          })
        }
      })

      const keep = run.pipe(
        Effect.tapError((error) =>
          Effect.logWarning("ledger upkeep failed", {
            reason: error.reason._tag,
            code: failureCode(error),
          }),
        ),
        // A fault in the driver must not end the gateway.
        Effect.catchDefect((defect) =>
          Effect.andThen(Effect.logError("ledger upkeep failed", { defect }), Effect.fail(defect)),
        ),
        Effect.retry(backoff),
        Effect.repeat(Schedule.spaced(EVERY)),
        // Neither the retry nor the repetition ends.
        Effect.orDie,
        Effect.andThen(Effect.never),
      )

      return LedgerUpkeep.of({ run, keep })
    }),
  )
}
