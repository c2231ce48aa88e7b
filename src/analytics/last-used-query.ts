import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { DAY_MS } from "../domain/TimeRange.ts"

/** A statement locks each day that it may read. */
const MAX_DAYS = 31

const decodeUses = decodeRows(Schema.Struct({ id: Schema.String, at: Schema.Date }))

/** Returns when each key's newest request of the last days began; those that had none have no entry. */
export const readLastUsed = (
  sql: SqlClient.SqlClient,
  keyIds: ReadonlyArray<string>,
  nowMs: number,
): Effect.Effect<ReadonlyMap<string, Date>, SqlError.SqlError> =>
  Effect.map(
    decodeUses(
      sql`
        SELECT id, newest.started_at AS at
        FROM unnest(${keyIds}::text[]) AS asked (id) CROSS JOIN LATERAL (
          SELECT started_at FROM requests
          WHERE key_id = asked.id AND started_at >= ${new Date(nowMs - MAX_DAYS * DAY_MS)}
          ORDER BY started_at DESC, requests.id DESC
          LIMIT 1
        ) AS newest`.unprepared,
    ),
    (rows) => new Map(rows.map(({ at, id }) => [id, at])),
  )
