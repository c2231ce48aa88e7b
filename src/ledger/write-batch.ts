import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { failureCode } from "../database/failure-code.ts"
import { ATTEMPT_COLUMNS, type LineColumn, REQUEST_COLUMNS } from "./columns.ts"
import type { LedgerEntry } from "./ledger-entry.ts"
import { createDaysOf } from "./tables/partitions.ts"
import {
  ATTRIBUTED_CELL,
  addedSums,
  FIRST_TOKEN_HOURS,
  HAS_LATENCIES,
  histogramOf,
  isWasted,
  joinedHistograms,
  KNOWN_SUMS,
  MEMBER,
  membersOf,
  ROLLUP_SUMS,
  wastedSums,
} from "./tables/rollups.ts"

/**
 * Turns a batch into rows, whatever days its records are of: a late one may be of a day that has no partition yet, or
 * none any more. Then the statement has written nothing, and is repeated once the days are there.
 */
export const writeBatch = (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<LedgerEntry>,
): Effect.Effect<void, SqlError.SqlError> => {
  // Text, not a typed array per column: the line is what the journal holds, and sending it on costs no re-encoding.
  const batch = `[${entries.map((entry) => entry.line).join(",")}]`
  const insert = insertBatch(sql, batch)
  return insert.pipe(
    Effect.catchIf(isWithoutPartition, () => Effect.andThen(createDaysOf(sql, batch), insert)),
    Effect.asVoid,
  )
}

const WASTED = wastedSums("tried")

/** SQL for the sums over requests. */
const ANSWERED_SUMS = `
  sum(asked) AS requests, sum(asked) FILTER (WHERE latency_bucket IS NULL) AS errors,
  sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
  sum(reasoning_tokens) AS reasoning_tokens, sum(cost_nano_usd) AS cost_nano_usd,
  count(*) FILTER (WHERE latency_bucket IS NOT NULL AND cost_nano_usd IS NULL) AS unpriced_requests,
  sum(latency_ms) FILTER (WHERE latency_bucket IS NOT NULL) AS latency_ms`

/** SQL for the bucket of a first token: that of `latencyBucket`, with room for what logarithms of powers of two are off. */
const FIRST_TOKEN_BUCKET =
  "CASE WHEN first_token_ms <= 1 THEN 0 ELSE ceil(20 * ln(first_token_ms) / ln(2) - 1e-9) END::smallint"

/**
 * Inserts a batch. Requests that are already there are left alone, and attempts, rollups and histogram are fed only
 * from the rows that were really inserted: repeating a batch whose outcome is unknown counts nothing twice. One
 * statement is one transaction. Rollups and windows of budgets are locked in key order, so replicas that write at the same
 * time wait for each other instead of deadlocking; a lease is only touched by who holds its window's lock.
 */
const insertBatch = (sql: SqlClient.SqlClient, batch: string): Statement.Statement<unknown> => {
  const definitions = (columns: ReadonlyArray<LineColumn>) =>
    sql.literal(columns.map(({ name, type }) => `${name} ${type}`).join(", "))
  const targets = (columns: ReadonlyArray<LineColumn>) =>
    sql.literal(columns.flatMap(({ column, stored }) => (stored === undefined ? [] : column)).join(", "))
  const stored = (columns: ReadonlyArray<LineColumn>, from = "") =>
    sql.literal(columns.flatMap(({ name, stored }) => stored?.(`${from}${name}`) ?? []).join(", "))
  const columns = sql.literal(ROLLUP_SUMS.join(", "))
  const known = sql.literal(KNOWN_SUMS)
  const added = sql.literal(addedSums("rollup"))
  const sums = sql.literal(ANSWERED_SUMS)
  const wasted = sql.literal(WASTED.sums)
  const cell = sql.literal(ATTRIBUTED_CELL)
  const member = sql.literal(MEMBER)
  const histogram = sql.literal(histogramOf("counted"))
  const joined = (column: string) => sql.literal(joinedHistograms("rollup", column))
  return sql`
    WITH input AS MATERIALIZED (
      SELECT
        DISTINCT ON (id) *, date_trunc('hour', to_timestamp(started_at_ms / 1000), 'UTC') AS hour,
        date_trunc('minute', to_timestamp(started_at_ms / 1000)) AS minute
      FROM jsonb_to_recordset(${batch}::jsonb) AS record (
        ${definitions(REQUEST_COLUMNS)}
      )
      ORDER BY id
    ), inserted AS (
      INSERT INTO requests (${targets(REQUEST_COLUMNS)})
      SELECT ${stored(REQUEST_COLUMNS)}
      FROM input
      ORDER BY id
      ON CONFLICT DO NOTHING
      RETURNING id
    ), counted AS (
      SELECT
        input.*, coalesce(requests, 1) AS asked, (hour AT TIME ZONE 'UTC')::date AS day,
        coalesce(provider, '') AS answered_by,
        coalesce(model, '') AS answering_model
      FROM input JOIN inserted USING (id)
    ), inserted_kinds AS (
      INSERT INTO request_kinds (day, key_id, endpoint, provider, model, stream, team)
      SELECT DISTINCT day, key_id, endpoint, answered_by, answering_model, stream, coalesce(team, '') AS team
      FROM counted
      ORDER BY day, key_id, endpoint, answered_by, answering_model, stream, team
      ON CONFLICT DO NOTHING
    ), inserted_attempts AS (
      INSERT INTO attempts (request_id, day, ordinal, ${targets(ATTEMPT_COLUMNS)})
      SELECT counted.id, counted.day, attempt.ordinality, ${stored(ATTEMPT_COLUMNS, "attempt.")}
      FROM counted CROSS JOIN ROWS FROM (
        jsonb_to_recordset(counted.attempts) AS (
          ${definitions(ATTEMPT_COLUMNS)}
        )
      ) WITH ORDINALITY AS attempt
      RETURNING request_id, ordinal, provider, model, input_tokens, cost_nano_usd
    ), charged AS (
      SELECT
        budgets.id AS budget_id,
        coalesce(to_timestamp((charged_window ->> 1)::double precision), '-infinity') AS starts_at,
        charge.holder, sum(charge.nano_usd)::bigint AS nano_usd
      FROM counted
        CROSS JOIN jsonb_to_recordset(coalesce(counted.charges, '[]')) AS charge (
          holder text, nano_usd bigint, windows jsonb
        )
        CROSS JOIN jsonb_array_elements(charge.windows) AS charged_window
        JOIN budgets ON budgets.id = (charged_window ->> 0)::bigint
      GROUP BY 1, 2, 3
    ), spent AS (
      INSERT INTO budget_windows AS known (budget_id, starts_at, spent_nano_usd)
      SELECT budget_id, starts_at, sum(nano_usd) FROM charged
      GROUP BY budget_id, starts_at ORDER BY budget_id, starts_at
      ON CONFLICT (budget_id, starts_at) DO UPDATE SET
        spent_nano_usd = known.spent_nano_usd + excluded.spent_nano_usd
      RETURNING budget_id, starts_at
    ), settled AS (
      UPDATE budget_leases AS lease SET settled_nano_usd = lease.settled_nano_usd + charged.nano_usd
      FROM charged JOIN spent USING (budget_id, starts_at)
      WHERE (lease.budget_id, lease.starts_at, lease.holder) =
        (charged.budget_id, charged.starts_at, charged.holder)
    ), answered AS (
      SELECT hour, key_id, answered_by AS provider, answering_model AS model, stream, ${sums}
      FROM counted
      GROUP BY hour, key_id, answered_by, answering_model, stream
    ), tried AS (
      SELECT
        hour, minute, key_id, tried.provider, tried.model, stream, endpoint, team, end_user, tags, tried.input_tokens,
        tried.cost_nano_usd
      FROM inserted_attempts AS tried JOIN counted ON counted.id = tried.request_id
      WHERE ${sql.literal(WASTED.hasAny)}
        AND ${sql.literal(isWasted("tried", "counted", "jsonb_array_length(counted.attempts)"))}
    ), wasted AS (
      SELECT hour, key_id, provider, model, stream, ${wasted}
      FROM tried
      GROUP BY hour, key_id, provider, model, stream
    ), updated_usage AS (
      INSERT INTO usage_recent AS rollup (hour, key_id, provider, model, stream, ${columns})
      SELECT hour, key_id, provider, model, stream, ${known}
      FROM answered FULL JOIN wasted USING (hour, key_id, provider, model, stream)
      ORDER BY hour, key_id, provider, model, stream
      ON CONFLICT (hour, key_id, provider, model, stream) DO UPDATE SET ${added}
    ), updated_latency AS (
      INSERT INTO latency_recent AS rollup (hour, key_id, provider, model, stream, bucket, requests)
      SELECT hour, key_id, answered_by, answering_model, stream, latency_bucket, count(*)
      FROM counted
      WHERE latency_bucket IS NOT NULL
      GROUP BY hour, key_id, answered_by, answering_model, stream, latency_bucket
      ORDER BY hour, key_id, answered_by, answering_model, stream, latency_bucket
      ON CONFLICT (hour, key_id, provider, model, stream, bucket) DO UPDATE SET
        requests = rollup.requests + excluded.requests
    ), first_tokens AS (
      SELECT hour, minute, answered_by AS provider, answering_model AS model, ${sql.literal(FIRST_TOKEN_BUCKET)} AS bucket
      FROM counted
      WHERE latency_bucket IS NOT NULL AND stream AND first_token_ms IS NOT NULL
    ), updated_first_tokens AS (
      INSERT INTO first_token_usage AS rollup (hours, start, provider, model, first_tokens)
      SELECT hours, start, provider, model, ${histogram}
      FROM (
        SELECT hours, start, provider, model, bucket, count(*)::int AS counted
        FROM unnest(${FIRST_TOKEN_HOURS}::int[]) AS hours CROSS JOIN first_tokens
          CROSS JOIN date_bin(make_interval(hours => hours), hour, timestamptz '1970-01-01Z') AS start
        GROUP BY hours, start, provider, model, bucket
      ) AS buckets
      GROUP BY hours, start, provider, model
      ORDER BY hours, start, provider, model
      ON CONFLICT (hours, start, provider, model) DO UPDATE SET ${joined("first_tokens")}
    ), answered_minutes AS (
      SELECT minute, stream, ${sums} FROM counted GROUP BY minute, stream
    ), wasted_minutes AS (
      SELECT minute, stream, ${wasted} FROM tried GROUP BY minute, stream
    ), minute_latencies AS (
      SELECT minute, stream, ${histogram} AS latencies
      FROM (
        SELECT minute, stream, latency_bucket AS bucket, count(*)::int AS counted
        FROM counted
        WHERE latency_bucket IS NOT NULL
        GROUP BY minute, stream, latency_bucket
      ) AS buckets
      GROUP BY minute, stream
    ), minute_first_tokens AS (
      SELECT minute, true AS stream, ${histogram} AS first_tokens
      FROM (
        SELECT minute, bucket, count(*)::int AS counted FROM first_tokens GROUP BY minute, bucket
      ) AS buckets
      GROUP BY minute
    ), updated_minutes AS (
      INSERT INTO minute_usage AS rollup (minute, stream, ${columns}, latencies, first_tokens)
      SELECT minute, stream, ${known}, coalesce(latencies, ''), coalesce(first_tokens, '')
      FROM answered_minutes LEFT JOIN wasted_minutes USING (minute, stream)
        LEFT JOIN minute_latencies USING (minute, stream) LEFT JOIN minute_first_tokens USING (minute, stream)
      ORDER BY minute, stream
      ON CONFLICT (minute, stream) DO UPDATE SET ${added}, ${joined("latencies")}, ${joined("first_tokens")}
    ), belonging AS MATERIALIZED (
      SELECT
        hour, ${member}, stream, latency_bucket, asked, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
        cost_nano_usd, latency_ms
      FROM counted CROSS JOIN LATERAL ${sql.literal(membersOf("counted", "answered_by", "answering_model"))}
    ), answered_members AS (
      SELECT ${cell}, ${sums} FROM belonging GROUP BY ${cell}
    ), wasted_members AS (
      SELECT hour, ${member}, stream, ${wasted}
      FROM tried CROSS JOIN LATERAL ${sql.literal(membersOf("tried", "tried.provider", "tried.model"))}
      GROUP BY hour, ${member}, stream
    ), updated_members AS (
      INSERT INTO attributed_recent AS rollup (${cell}, ${columns})
      SELECT ${cell}, ${known}
      FROM answered_members FULL JOIN wasted_members USING (${cell})
      ORDER BY ${cell}
      ON CONFLICT (${cell}) DO UPDATE SET ${added}
    )
    INSERT INTO attributed_latency_recent AS rollup (${cell}, bucket, requests)
    SELECT ${cell}, latency_bucket, count(*)
    FROM belonging
    WHERE latency_bucket IS NOT NULL AND ${sql.literal(HAS_LATENCIES)}
    GROUP BY ${cell}, latency_bucket
    ORDER BY ${cell}, latency_bucket
    ON CONFLICT (${cell}, bucket) DO UPDATE SET requests = rollup.requests + excluded.requests`
}

/** Lets the database plan how it would insert a batch, without doing it. */
export const explainInsert = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`EXPLAIN ${insertBatch(sql, "[]")}`)

/** Tells whether a row's day has no partition: the tables have no constraint of their own that fails with this code. */
const isWithoutPartition = (error: SqlError.SqlError): boolean => failureCode(error) === "23514"

/**
 * Tells whether some record of the batch is at fault: data exceptions (22), violated constraints (23) and program
 * limits (54, such as an index entry too large). Everything else is the database's trouble and passes, or stays until
 * an operator ends it; records must survive both. A day that was dropped again before it was written to is trouble.
 */
export const isRecordAtFault = (error: SqlError.SqlError): boolean => {
  const code = failureCode(error)
  return code !== undefined && /^(22|23|54)...$/.test(code) && !isWithoutPartition(error)
}
