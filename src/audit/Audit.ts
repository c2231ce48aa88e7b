import { Context, Data, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { AuditEntry } from "../api/AuditApi.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { audited } from "./audited.ts"
import { storedText } from "./snapshot.ts"

/** The database did not answer. */
export class AuditUnavailable extends Data.TaggedError("AuditUnavailable")<{ readonly cause: unknown }> {}
/** No page ended with this cursor. */
export class InvalidAuditCursor extends Data.TaggedError("InvalidAuditCursor") {}

interface AuditQuery {
  /** Epoch milliseconds, inclusive. */
  readonly fromMs?: number | undefined
  /** Exclusive. */
  readonly toMs?: number | undefined
  readonly subject?: string | undefined
  readonly action?: string | undefined
  /** Rows per page, `MAX_PAGE_LIMIT` at most. */
  readonly limit: number
  /** `nextCursor` of the previous page; the filters must be repeated. */
  readonly cursor?: string | undefined
}

const QUERY_TIMEOUT = "10 seconds"

/** Who changed what. Rows come from `audited`, where the changes are made. */
export class Audit extends Context.Service<
  Audit,
  {
    /** Newest first. */
    readonly list: (
      query: AuditQuery,
    ) => Effect.Effect<
      { readonly entries: ReadonlyArray<typeof AuditEntry.Type>; readonly nextCursor: string | null },
      AuditUnavailable | InvalidAuditCursor
    >
    /** Makes a change of something that is not in the database, once its row can be written. */
    readonly change: <A extends object, E>(
      what: { readonly action: string; readonly subject: string },
      change: Effect.Effect<A, E>,
    ) => Effect.Effect<A, E | AuditUnavailable>
  }
>()("gateway/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return Audit.of({
        list: listWith(sql),
        change: (what, change) =>
          Effect.map(
            answered(
              audited(
                sql,
                what,
                Effect.map(change, (after) => ({ before: null, after })),
              ),
            ),
            ({ after }) => after,
          ),
      })
    }),
  )
}

const listWith = (sql: SqlClient.SqlClient): Audit["Service"]["list"] =>
  Effect.fn("Audit.list")(function* ({ action, cursor, fromMs, limit, subject, toMs }) {
    const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE_LIMIT)
    const after = cursor === undefined ? undefined : Option.getOrUndefined(decodeCursor(cursor))
    if (cursor !== undefined && after === undefined) return yield* new InvalidAuditCursor()
    const rows = yield* answered(
      decodeEntries(sql`
        SELECT
          id, at, actor, via, action, subject, before, after, request_id,
          (extract(epoch FROM at) * 1000000)::bigint::text AS micros
        FROM audit_log
        WHERE ${sql.and([
          sql`true`,
          ...(fromMs === undefined ? [] : [sql`at >= ${new Date(fromMs)}`]),
          ...(toMs === undefined ? [] : [sql`at < ${new Date(toMs)}`]),
          ...(subject === undefined ? [] : [sql`subject = ${storedText(subject)}`]),
          ...(action === undefined ? [] : [sql`action = ${storedText(action)}`]),
          ...(after === undefined
            ? []
            : [
                sql`(at, id) < (
                  timestamptz 'epoch' + ${after.micros}::bigint * interval '1 microsecond', ${after.id}::bigint
                )`,
              ]),
        ])}
        ORDER BY at DESC, id DESC
        LIMIT ${size + 1}`),
    )
    const page = rows.slice(0, size)
    const last = rows.length > size ? page.at(-1) : undefined
    return {
      entries: page.map(({ micros: _, at, id, ...entry }) => ({
        id: Number(id),
        at: at.toISOString(),
        ...entry,
      })),
      nextCursor: last === undefined ? null : encodeCursor({ micros: last.micros, id: String(last.id) }),
    }
  })

const decodeEntries = decodeRows(
  Schema.Struct({ ...AuditEntry.fields, id: Schema.BigInt, at: Schema.Date, micros: Schema.String }),
)

/** Where a page ended: an instant in microseconds, in which PostgreSQL counts, and the row among those of the same. */
const Cursor = Schema.Struct({
  micros: Schema.String.check(Schema.isPattern(/^\d{1,18}$/)),
  id: Schema.String.check(Schema.isPattern(/^\d{1,18}$/)),
})

const decodeCursor = (cursor: string) =>
  Schema.decodeUnknownOption(Schema.fromJsonString(Cursor))(Buffer.from(cursor, "base64url").toString())

const encodeCursor = (cursor: typeof Cursor.Type): string =>
  Buffer.from(JSON.stringify(cursor)).toString("base64url")

function answered<A, E, R>(query: Effect.Effect<A, E | SqlError.SqlError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.catchTag("SqlError", (cause) => new AuditUnavailable({ cause })),
  )
}
