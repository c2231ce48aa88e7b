import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Rows are written once by the ledger's batch writer and never updated; rollups change in the same statement. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE requests (
      id uuid PRIMARY KEY,
      started_at timestamptz NOT NULL,
      latency_ms integer NOT NULL,
      key_id text NOT NULL,
      endpoint text NOT NULL,
      route text,
      requested_model text NOT NULL,
      provider text,
      model text,
      status smallint NOT NULL,
      error_code text,
      stream boolean NOT NULL,
      finish_reason text,
      input_tokens bigint,
      output_tokens bigint,
      cached_tokens bigint,
      reasoning_tokens bigint,
      raw_usage jsonb,
      cost_nano_usd bigint,
      cost_reason text,
      price_version text,
      decision jsonb,
      attempts smallint NOT NULL
    )`
  yield* sql`CREATE INDEX requests_started ON requests (started_at DESC, id DESC)`
  yield* sql`CREATE INDEX requests_key_started ON requests (key_id, started_at DESC, id DESC)`
  yield* sql`CREATE INDEX requests_provider_started ON requests (provider, started_at DESC, id DESC)`
  yield* sql`
    CREATE INDEX requests_failed ON requests (started_at DESC, id DESC)
    WHERE status >= 400 OR error_code IS NOT NULL`
  yield* sql`
    CREATE TABLE attempts (
      request_id uuid NOT NULL,
      ordinal smallint NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      started_at timestamptz NOT NULL,
      latency_ms integer NOT NULL,
      outcome text NOT NULL,
      upstream_status smallint,
      input_tokens bigint,
      output_tokens bigint,
      cost_nano_usd bigint,
      PRIMARY KEY (request_id, ordinal)
    )`
  // Provider and model are '' for requests that nobody answered. The rows of the current hour change with every
  // batch: room left in their pages keeps the new versions there, out of the indexes.
  yield* sql`
    CREATE TABLE usage_rollups (
      hour timestamptz NOT NULL,
      key_id text NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      requests bigint NOT NULL,
      errors bigint NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cached_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      cost_nano_usd bigint NOT NULL,
      unpriced_requests bigint NOT NULL,
      latency_ms bigint NOT NULL,
      PRIMARY KEY (hour, key_id, provider, model)
    ) WITH (fillfactor = 70)`
  // Latencies of successes in logarithmic buckets; bucket = ceil(20 * log2(ms)), 0 up to 1 ms, about 3.5 % wide.
  yield* sql`
    CREATE TABLE latency_rollups (
      hour timestamptz NOT NULL,
      key_id text NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      bucket smallint NOT NULL,
      requests bigint NOT NULL,
      PRIMARY KEY (hour, key_id, provider, model, bucket)
    ) WITH (fillfactor = 70)`
})
