import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Whether an attempt's call left the gateway: `no` cannot have been billed, `unknown` left and may have been billed without a
 * count, `answered` brought an answer or an error. Null where that was not looked at.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE attempts ADD COLUMN dispatched text`
})
