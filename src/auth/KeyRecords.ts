import { Context, Data, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { KeyId } from "../domain/Ids.ts"

/** The columns of `api_keys` that a check needs. Lifetimes are what the database's clock says is left of them. */
export interface KeyRecord {
  readonly id: KeyId
  readonly name: string
  readonly secretHash: string
  readonly previousSecretHash: string | null
  /** <= 0: the grace period of the last rotation is over. Null: there was none. */
  readonly previousSecretLeftMs: number | null
  readonly requestsPerMinute: number | null
  readonly models: ReadonlyArray<string> | null
  readonly revoked: boolean
  /** <= 0: expired. Null: never expires. */
  readonly leftMs: number | null
  /** Another number = another row. */
  readonly changeSeq: bigint
}

/** A key's row at one time. */
export interface KeyVersion {
  readonly id: string
  readonly changeSeq: bigint
}

/** The version of a key that does not exist; numbers of changes start at 1. */
export const NO_ROW = 0n

/** Answer to one poll, all as of one snapshot of the database. */
export interface Changes {
  /** The rows whose number is above the asked one, at most `MAX_CHANGES` and one. */
  readonly changed: ReadonlyArray<KeyVersion>
  /** The highest number in the table. */
  readonly newest: bigint
  /** Every transaction with an id below this has ended, and what it did is in the answer. */
  readonly oldestRunning: bigint
  /** Every transaction that had an id by then has one below this. */
  readonly nextTransaction: bigint
}

/** More changes than this are not told one by one. */
export const MAX_CHANGES = 1_000

/** The database did not answer, or answered nonsense. */
export class KeyRecordsUnavailable extends Data.TaggedError("KeyRecordsUnavailable")<{
  readonly cause: unknown
}> {}

/** Reads of the table `api_keys` that authentication needs. */
export class KeyRecords extends Context.Service<
  KeyRecords,
  {
    readonly find: (id: string) => Effect.Effect<KeyRecord | undefined, KeyRecordsUnavailable>
    /** Tells which rows have a number above `changeSeq`; undefined asks for none of them. */
    readonly changesAfter: (changeSeq: bigint | undefined) => Effect.Effect<Changes, KeyRecordsUnavailable>
    /** Returns the ids of those `versions` that the table does not have. */
    readonly outdated: (
      versions: ReadonlyArray<KeyVersion>,
    ) => Effect.Effect<ReadonlyArray<string>, KeyRecordsUnavailable>
  }
>()("gateway/auth/KeyRecords") {
  static readonly layer = Layer.effect(
    KeyRecords,
    Effect.map(SqlClient.SqlClient, (sql) =>
      KeyRecords.of({
        find: findWith(sql),
        changesAfter: changesAfterWith(sql),
        outdated: outdatedWith(sql),
      }),
    ),
  )
}

const findWith = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* (id: string) {
    const rows = yield* sql`
      SELECT
        id,
        name,
        secret_hash AS "secretHash",
        previous_secret_hash AS "previousSecretHash",
        (extract(epoch FROM previous_secret_until - now()) * 1000)::float8 AS "previousSecretLeftMs",
        requests_per_minute AS "requestsPerMinute",
        models,
        revoked_at IS NOT NULL AS "revoked",
        (extract(epoch FROM expires_at - now()) * 1000)::float8 AS "leftMs",
        change_seq AS "changeSeq"
      FROM api_keys
      WHERE id = ${id}`
    return rows.length === 0 ? undefined : yield* decodeRecord(rows[0])
  }, unavailable)

const changesAfterWith = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* (changeSeq: bigint | undefined) {
    const rows = yield* sql`
      SELECT
        (SELECT coalesce(max(change_seq), 0) FROM api_keys) AS "newest",
        pg_snapshot_xmin(snapshot)::text::bigint AS "oldestRunning",
        pg_snapshot_xmax(snapshot)::text::bigint AS "nextTransaction",
        changed.id,
        changed.change_seq AS "changeSeq"
      FROM pg_current_snapshot() AS snapshot
      LEFT JOIN (
        SELECT id, change_seq FROM api_keys
        WHERE change_seq > ${changeSeq ?? MAX_BIGINT}::bigint
        ORDER BY change_seq
        LIMIT ${MAX_CHANGES + 1}
      ) AS changed ON true`
    const answer = yield* decodeChanges(rows)
    const [{ newest, oldestRunning, nextTransaction }] = answer
    const changed = answer.flatMap(({ id, changeSeq }) =>
      id === null || changeSeq === null ? [] : [{ id, changeSeq }],
    )
    return { changed, newest, oldestRunning, nextTransaction }
  }, unavailable)

const outdatedWith = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* (versions: ReadonlyArray<KeyVersion>) {
    if (versions.length === 0) return []
    const rows = yield* sql`
      SELECT known.id
      FROM unnest(
        ${versions.map(({ id }) => id)}::text[],
        ${versions.map(({ changeSeq }) => changeSeq)}::bigint[]
      ) AS known (id, change_seq)
      LEFT JOIN api_keys USING (id)
      WHERE coalesce(api_keys.change_seq, ${NO_ROW}::bigint) <> known.change_seq`
    return (yield* decodeIds(rows)).map(({ id }) => id)
  }, unavailable)

const MAX_BIGINT = 2n ** 63n - 1n

const decodeRecord = Schema.decodeUnknownEffect(
  Schema.Struct({
    id: KeyId,
    name: Schema.String,
    secretHash: Schema.String,
    previousSecretHash: Schema.NullOr(Schema.String),
    // A timestamp may be `infinity`.
    // @effect-diagnostics-next-line schemaNumber:off
    previousSecretLeftMs: Schema.NullOr(Schema.Number),
    requestsPerMinute: Schema.NullOr(Schema.Int),
    models: Schema.NullOr(Schema.Array(Schema.String)),
    revoked: Schema.Boolean,
    // @effect-diagnostics-next-line schemaNumber:off
    leftMs: Schema.NullOr(Schema.Number),
    changeSeq: Schema.BigInt,
  }),
)

const decodeChanges = Schema.decodeUnknownEffect(
  Schema.NonEmptyArray(
    Schema.Struct({
      newest: Schema.BigInt,
      oldestRunning: Schema.BigInt,
      nextTransaction: Schema.BigInt,
      id: Schema.NullOr(Schema.String),
      changeSeq: Schema.NullOr(Schema.BigInt),
    }),
  ),
)

const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: Schema.String })))

function unavailable<A, R>(
  effect: Effect.Effect<A, SqlError.SqlError | Schema.SchemaError, R>,
): Effect.Effect<A, KeyRecordsUnavailable, R> {
  return Effect.mapError(
    effect,
    // A schema error quotes the row, and the row holds a hash.
    (cause) =>
      new KeyRecordsUnavailable({ cause: cause._tag === "SqlError" ? cause : "unexpected row in api_keys" }),
  )
}
