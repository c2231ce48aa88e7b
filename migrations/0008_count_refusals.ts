import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** A row may stand for many requests: refusals of one key that went on and on. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE requests ADD COLUMN requests integer NOT NULL DEFAULT 1`
})
