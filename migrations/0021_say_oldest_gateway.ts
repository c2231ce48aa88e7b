import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Says which gateways may start on this schema: those that know the migration of this number, or a later one. A migration
 * that takes away what older gateways use raises it, and one that only adds leaves it as it is.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE oldest_gateway (schema integer NOT NULL)`
  // Gateways of before refuse by themselves whatever they do not know.
  yield* sql`INSERT INTO oldest_gateway VALUES (21)`
})
