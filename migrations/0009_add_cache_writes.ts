import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Vendors bill tokens that they write to a cache at a price of their own. Null where that was not looked at: none. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE requests ADD COLUMN cache_write_tokens bigint`
  yield* sql`ALTER TABLE attempts ADD COLUMN cache_write_tokens bigint`
})
