import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * A claim is running while `response_status` is null. A finished claim without `response_body` had an answer that
 * was too large to keep. `runs` counts the owners the claim has had: above 1, an earlier one vanished before it
 * finished. Leases and expiry use the database's clock alone. Headers are text: jsonb would reorder them.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE idempotency_claims (
      key_id text NOT NULL,
      key_hash bytea NOT NULL,
      fingerprint bytea NOT NULL,
      owner uuid NOT NULL,
      runs integer NOT NULL DEFAULT 1,
      lease_until timestamptz NOT NULL,
      response_status smallint,
      response_headers text,
      response_body bytea,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (key_id, key_hash)
    )`
  yield* sql`CREATE INDEX idempotency_claims_expiry ON idempotency_claims (expires_at)`
})
