import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * A row for every change that somebody made: who, when, what before and after. Written in the transaction of the change
 * itself.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE audit_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT now(),
      actor text NOT NULL,
      via text NOT NULL CHECK (via IN ('api', 'cli', 'key', 'gateway')),
      action text NOT NULL,
      subject text NOT NULL,
      before jsonb,
      after jsonb,
      request_id text
    )`
  yield* sql`CREATE INDEX audit_log_at ON audit_log (at DESC, id DESC)`
  yield* sql`CREATE INDEX audit_log_subject ON audit_log (subject, at DESC, id DESC)`
  yield* sql`CREATE INDEX audit_log_action ON audit_log (action, at DESC, id DESC)`
  // What keys did goes after a time, the oldest first.
  yield* sql`CREATE INDEX audit_log_keys ON audit_log (at) WHERE via = 'key'`
  // Keys that other keys issued are counted while they live, and go a time after their end.
  yield* sql`
    CREATE INDEX api_keys_live_children ON api_keys (parent_id, expires_at)
    WHERE parent_id IS NOT NULL AND revoked_at IS NULL`
  yield* sql`CREATE INDEX api_keys_ended_children ON api_keys (expires_at) WHERE parent_id IS NOT NULL`
})
