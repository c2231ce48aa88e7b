import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"

/**
 * Days for which is kept what keys did. They are many and write by themselves, whereas what operators did stays until an
 * operator deletes it.
 */
const KEPT_DAYS = 90

const BATCH = 1_000

const decodeIds = decodeRows(Schema.Struct({ id: Schema.BigInt }))

/** Deletes what keys did too long ago, in short statements. */
export const forgetKeyEntries = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.repeat(
    decodeIds(sql`
      DELETE FROM audit_log WHERE id IN (
        SELECT id FROM audit_log
        WHERE via = 'key' AND at < now() - make_interval(days => ${KEPT_DAYS})
        ORDER BY at LIMIT ${BATCH}
      )
      RETURNING id`),
    { until: (deleted) => deleted.length < BATCH },
  ).pipe(Effect.asVoid)
