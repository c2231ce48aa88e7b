import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What a vendor bills besides tokens in and out: tokens that it wrote to a cache, at a price of their own, and the service
 * tier; and what it says that the answer cost. Null where that was not looked at, or was not said.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE requests
      ADD COLUMN cache_write_tokens bigint,
      ADD COLUMN service_tier text,
      ADD COLUMN reported_nano_usd bigint`
  yield* sql`
    ALTER TABLE attempts
      ADD COLUMN cache_write_tokens bigint,
      ADD COLUMN service_tier text,
      ADD COLUMN reported_nano_usd bigint`
})
