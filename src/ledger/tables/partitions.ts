import { Effect, Schema } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { failureCode } from "../../database/failure-code.ts"
import type { TimeRange } from "../../domain/TimeRange.ts"

/**
 * The days of the ledger: one partition of `requests` and one of `attempts` for each UTC day, made ahead of need or
 * when a record of that day arrives, and dropped together. There is no partition for everything else, which would keep
 * the days in it from ever being made.
 */
const LedgerPartition = Schema.Struct({
  /** Names of the two tables. */
  requests: Schema.String,
  attempts: Schema.String,
  /** Epoch milliseconds, inclusive; null for the partition of everything before there were days. */
  fromMs: Schema.NullOr(Schema.Finite),
  /** Exclusive. */
  toMs: Schema.Finite,
})
export type LedgerPartition = typeof LedgerPartition.Type

const decodePartitions = decodeRows(LedgerPartition)

/** Tells whether some of the day is in the range. */
export const isWithin = ({ fromMs, toMs }: LedgerPartition, range: TimeRange): boolean =>
  (fromMs ?? Number.NEGATIVE_INFINITY) < range.toMs && toMs > range.fromMs

/** Returns all days, oldest first. */
export const ledgerPartitions = (
  sql: SqlClient.SqlClient,
): Effect.Effect<ReadonlyArray<LedgerPartition>, SqlError.SqlError> => selectPartitions(sql, sql`true`)

const selectPartitions = (sql: SqlClient.SqlClient, condition: Statement.Fragment) =>
  decodePartitions(sql`
    SELECT
      requests, attempts, (extract(epoch FROM lower) * 1000)::float8 AS "fromMs",
      (extract(epoch FROM upper) * 1000)::float8 AS "toMs"
    FROM ledger_partitions
    WHERE ${condition}
    ORDER BY upper`)

/** Makes the days of a batch's records; `batch` is as the statement that writes them reads it. */
export const createDaysOf = (
  sql: SqlClient.SqlClient,
  batch: string,
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    SELECT create_ledger_day(day)
    FROM (
      SELECT DISTINCT (to_timestamp(started_at_ms / 1000) AT TIME ZONE 'UTC')::date AS day
      FROM jsonb_to_recordset(${batch}::jsonb) AS record (started_at_ms double precision)
    ) AS days`)

/** Makes today and `ahead` more days, by the database's clock: one by one, as each has dozens of indexes, and others want a turn. */
export const createDaysAhead = (
  sql: SqlClient.SqlClient,
  ahead: number,
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.forEach(
    Array.from({ length: ahead + 1 }, (_, days) => days),
    (days) => sql`SELECT create_ledger_day((now() AT TIME ZONE 'UTC')::date + ${days}::int)`,
    { discard: true },
  )

/**
 * Returns the days whose time is over, oldest first: those that ended when the current UTC day began or earlier, less
 * `days` times 24 hours, by the database's clock.
 */
export const expiredPartitions = (
  sql: SqlClient.SqlClient,
  days: number,
): Effect.Effect<ReadonlyArray<LedgerPartition>, SqlError.SqlError> =>
  selectPartitions(
    sql,
    sql`upper <= date_trunc('day', now(), 'UTC') - make_interval(hours => ${days * 24}::int)`,
  )

/**
 * Drops a day; false when another replica dropped it first. It needs both tables for itself for a moment, and everybody
 * else who wants them waits behind it, so it does not wait long for a slow reader.
 */
export const dropPartition = (
  sql: SqlClient.SqlClient,
  { requests, attempts, fromMs, toMs }: LedgerPartition,
): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    yield* sql`SET LOCAL lock_timeout = '2s'`
    // Two who drop the same day at once would meet within PostgreSQL (XX000); this lock lets one after the other.
    yield* sql`LOCK TABLE requests IN SHARE UPDATE EXCLUSIVE MODE`
    yield* sql`DROP TABLE ${sql(requests)}`
    yield* sql`DROP TABLE IF EXISTS ${sql(attempts)}`
    yield* sql`
      DELETE FROM request_kinds
      WHERE day >= (${new Date(fromMs ?? 0)}::timestamptz AT TIME ZONE 'UTC')::date
        AND day < (${new Date(toMs)}::timestamptz AT TIME ZONE 'UTC')::date`
  }).pipe(
    sql.withTransaction,
    Effect.as(true),
    Effect.catchIf(isDropped, () => Effect.succeed(false)),
  )

/** Tells whether the day was dropped meanwhile, as its time had come. */
export const isDropped = (error: SqlError.SqlError): boolean => failureCode(error) === "42P01"
