import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Counts that few answers have and that are priced apart, such as audio tokens and web searches: an object with those
 * above zero. Null where there were none, or where they were not looked at.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE requests ADD COLUMN usage_details jsonb`
  yield* sql`ALTER TABLE attempts ADD COLUMN usage_details jsonb`
})
