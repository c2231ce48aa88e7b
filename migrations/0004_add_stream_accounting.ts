import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Streams in the books, and all that an attempt's cost depends on. New columns have constant defaults, so PostgreSQL rewrites no table; only the primary keys of
 * the rollups are built anew. How the requests in older rollups were answered is unknown: they count as not streamed.
 * A server of the version before cannot write its batches once the keys have changed.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE requests
      ADD COLUMN first_token_ms integer,
      ADD COLUMN usage_estimated boolean NOT NULL DEFAULT false`
  // Older attempts do not say how many tokens were cached.
  yield* sql`
    ALTER TABLE attempts
      ADD COLUMN usage_estimated boolean NOT NULL DEFAULT false,
      ADD COLUMN cached_tokens bigint`
  yield* sql`
    ALTER TABLE usage_rollups
      ADD COLUMN stream boolean NOT NULL DEFAULT false,
      DROP CONSTRAINT usage_rollups_pkey,
      ADD PRIMARY KEY (hour, key_id, provider, model, stream)`
  yield* sql`
    ALTER TABLE latency_rollups
      ADD COLUMN stream boolean NOT NULL DEFAULT false,
      DROP CONSTRAINT latency_rollups_pkey,
      ADD PRIMARY KEY (hour, key_id, provider, model, stream, bucket)`
})
