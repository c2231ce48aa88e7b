import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * A row says that bcrypt accepted a secret for this hash, as far as the gateway can verify its proof. A table of its own:
 * an update of `api_keys` would draw a new `change_seq`, and every replica would forget the key.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE api_key_proofs (
      key_id text NOT NULL REFERENCES api_keys ON DELETE CASCADE,
      secret_hash text NOT NULL,
      proof text NOT NULL,
      PRIMARY KEY (key_id, secret_hash)
    )`
})
