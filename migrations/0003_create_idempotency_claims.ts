import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** A claim is running while `response_status` is null. Leases and expiry use the database's clock alone. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE idempotency_claims (
      key_id text NOT NULL,
      key_hash bytea NOT NULL,
      fingerprint bytea NOT NULL,
      owner uuid NOT NULL,
      lease_until timestamptz NOT NULL,
      response_status smallint,
      response_headers jsonb,
      response_body bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (key_id, key_hash)
    )`
  yield* sql`CREATE INDEX idempotency_claims_expiry ON idempotency_claims (expires_at)`
})
