import { Context, Data, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { KeyId } from "../domain/Ids.ts"

/** What the check of a key needs of its row. Lifetimes are what the database's clock says is left of them. */
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

/** The database did not answer, or answered nonsense. */
export class KeyRecordsUnavailable extends Data.TaggedError("KeyRecordsUnavailable")<{
  readonly cause: unknown
}> {}

/** What authentication reads of the table `api_keys`. */
export class KeyRecords extends Context.Service<
  KeyRecords,
  {
    readonly find: (id: string) => Effect.Effect<KeyRecord | undefined, KeyRecordsUnavailable>
    /** The change numbers of those of `ids` that exist. */
    readonly changeSeqs: (
      ids: ReadonlyArray<string>,
    ) => Effect.Effect<ReadonlyMap<string, bigint>, KeyRecordsUnavailable>
    /** Ids of the keys changed after `changeSeq`, oldest change first, and the last change. */
    readonly changesAfter: (
      changeSeq: bigint,
    ) => Effect.Effect<{ readonly ids: ReadonlyArray<string>; readonly last: bigint }, KeyRecordsUnavailable>
    readonly lastChange: Effect.Effect<bigint, KeyRecordsUnavailable>
  }
>()("gateway/auth/KeyRecords") {
  static readonly layer = Layer.effect(
    KeyRecords,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const find = Effect.fnUntraced(function* (id: string) {
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

      const changeSeqs = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
        if (ids.length === 0) return new Map<string, bigint>()
        const rows = yield* sql`
          SELECT id, change_seq AS "changeSeq" FROM api_keys WHERE id = ANY(${ids}::text[])`
        return new Map((yield* decodeChanges(rows)).map(({ id, changeSeq }) => [id, changeSeq]))
      }, unavailable)

      const changesAfter = Effect.fnUntraced(function* (changeSeq: bigint) {
        const rows = yield* sql`
          SELECT id, change_seq AS "changeSeq" FROM api_keys
          WHERE change_seq > ${changeSeq}
          ORDER BY change_seq
          LIMIT 1000`
        const changes = yield* decodeChanges(rows)
        return { ids: changes.map(({ id }) => id), last: changes.at(-1)?.changeSeq ?? changeSeq }
      }, unavailable)

      const lastChange = sql`SELECT coalesce(max(change_seq), 0) AS "last" FROM api_keys`.pipe(
        Effect.flatMap(decodeLast),
        Effect.map(([{ last }]) => last),
        unavailable,
      )

      return KeyRecords.of({ find, changeSeqs, changesAfter, lastChange })
    }),
  )
}

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
  Schema.Array(Schema.Struct({ id: Schema.String, changeSeq: Schema.BigInt })),
)

const decodeLast = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ last: Schema.BigInt })]))

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
