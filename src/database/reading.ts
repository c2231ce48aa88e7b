import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { answerWithin } from "./answer-within.ts"

/** A check reads in pieces that take less than this, also so that an embedded database can answer others in between. */
const TIMEOUT = "1 minute"

/** Runs a statement that the database itself keeps from changing anything. */
export const reading = <A>(
  sql: SqlClient.SqlClient,
  statement: Effect.Effect<A, SqlError.SqlError>,
): Effect.Effect<A, SqlError.SqlError> =>
  sql`SET TRANSACTION READ ONLY`.pipe(Effect.andThen(statement), sql.withTransaction, answerWithin(TIMEOUT))
