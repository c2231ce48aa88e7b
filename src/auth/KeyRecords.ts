import { Context, Data, Effect, type Exit, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import { BUDGET_PERIODS, BUDGET_SCOPES, type Budget } from "../domain/Budget.ts"
import { KeyId } from "../domain/Ids.ts"
import { batchedFind } from "./batched-find.ts"
import type { SubjectLimits } from "./Principal.ts"

/** The columns of `api_keys` that a check needs. Lifetimes are what the database's clock says is left of them. */
export interface KeyRecord {
  readonly id: KeyId
  readonly name: string
  readonly secretHash: string
  /** Written when bcrypt accepted a secret for the hash, see `KeyProofs`. */
  readonly proof: string | null
  readonly previousSecretHash: string | null
  readonly previousProof: string | null
  /** <= 0: the grace period of the last rotation is over. Null: there was none. */
  readonly previousSecretLeftMs: number | null
  readonly models: ReadonlyArray<string> | null
  /** Of the key that issued it. */
  readonly issuerModels: ReadonlyArray<string> | null
  readonly team: string | null
  readonly tags: ReadonlyArray<string>
  readonly mayIssue: boolean
  /** Of the key itself, then of its issuer and its team where it has them. */
  readonly limits: readonly [StoredLimits, ...ReadonlyArray<StoredLimits>]
  /** Of the same. */
  readonly budgets: ReadonlyArray<Budget>
  /** Itself, or its issuer. */
  readonly revoked: boolean
  /** <= 0: expired. Null: never expires. */
  readonly leftMs: number | null
  /** Another number = another row. */
  readonly changeSeq: bigint
}

/** The limits of a key or a team. */
type StoredLimits = Pick<SubjectLimits, "scope" | "subject"> & {
  readonly [Name in "requestsPerMinute" | "tokensPerMinute" | "concurrency"]: number | null
}

/** A key's row at one time. */
export interface KeyVersion {
  readonly id: string
  readonly changeSeq: bigint
}

/** The version of a key that does not exist; numbers of changes start at 1. */
export const NO_ROW = 0n

/** Newest change of the table, and the transactions that may still add to it. */
export interface Snapshot {
  /** The highest number of a change. */
  readonly newest: bigint
  /** Every transaction with an id below this has ended, and its changes are in what is read from now on. */
  readonly oldestRunning: bigint
  /** Every transaction that has an id by now has one below this. */
  readonly nextTransaction: bigint
}

/** More changes than this are not told one by one. */
export const MAX_CHANGES = 1_000

/** A statement that hangs may not hold up the look-ups after it. Who asked has left by then. */
const FIND_TIMEOUT = "800 millis"

/** The database did not answer, or answered nonsense. */
export class KeyRecordsUnavailable extends Data.TaggedError("KeyRecordsUnavailable")<{
  readonly cause: unknown
}> {}

/** Reads of the table `api_keys` that authentication needs. */
export class KeyRecords extends Context.Service<
  KeyRecords,
  {
    readonly find: (id: string) => Effect.Effect<KeyRecord | undefined, KeyRecordsUnavailable>
    /** Keeps the proof for as long as the key has this hash, as its current or its previous one. */
    readonly saveProof: (proved: {
      readonly id: string
      readonly secretHash: string
      readonly proof: string
    }) => Effect.Effect<void, KeyRecordsUnavailable>
    /** Takes no parameters, so that the server plans it once: it is asked all the time. */
    readonly snapshot: Effect.Effect<Snapshot, KeyRecordsUnavailable>
    /** Returns the rows with a number above `changeSeq`, lowest first, at most `MAX_CHANGES` and one. */
    readonly changedAfter: (
      changeSeq: bigint,
    ) => Effect.Effect<ReadonlyArray<KeyVersion>, KeyRecordsUnavailable>
    /** Returns the ids of those `versions` that the table does not have. */
    readonly outdated: (
      versions: ReadonlyArray<KeyVersion>,
    ) => Effect.Effect<ReadonlyArray<string>, KeyRecordsUnavailable>
  }
>()("gateway/auth/KeyRecords") {
  static readonly layer = Layer.effect(
    KeyRecords,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return KeyRecords.of({
        find: yield* batchedFind(findAllWith(sql)),
        saveProof: saveProofWith(sql),
        snapshot: snapshotWith(sql),
        changedAfter: changedAfterWith(sql),
        outdated: outdatedWith(sql),
      })
    }),
  )
}

const findAllWith = (sql: SqlClient.SqlClient) => {
  const limitsOf = (scope: SubjectLimits["scope"], subject: string, table: string) =>
    sql.literal(`jsonb_build_object(
      'scope', '${scope}', 'subject', ${subject}, 'requestsPerMinute', ${table}.requests_per_minute,
      'tokensPerMinute', ${table}.tokens_per_minute, 'concurrency', ${table}.concurrency
    )`)
  return Effect.fnUntraced(
    function* (ids: ReadonlyArray<string>) {
      const rows = yield* sql`
        SELECT
          key.id,
          key.name,
          key.secret_hash AS "secretHash",
          current.proof,
          key.previous_secret_hash AS "previousSecretHash",
          previous.proof AS "previousProof",
          (extract(epoch FROM key.previous_secret_until - now()) * 1000)::float8 AS "previousSecretLeftMs",
          key.models,
          issuer.models AS "issuerModels",
          key.team,
          key.tags,
          key.may_issue AS "mayIssue",
          jsonb_build_array(${limitsOf("key", "key.id", "key")})
            || CASE WHEN issuer.id IS NULL THEN '[]' ELSE jsonb_build_array(${limitsOf("key", "issuer.id", "issuer")}) END
            || CASE WHEN teams.name IS NULL THEN '[]' ELSE jsonb_build_array(${limitsOf("team", "teams.name", "teams")}) END
            AS limits,
          (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
              'id', budgets.id, 'scope', scope, 'subject', subject, 'period', period, 'limitNanoUsd', limit_nano_usd
            ) ORDER BY budgets.id), '[]')
            FROM budgets
            WHERE (scope = 'key' AND subject IN (key.id, key.parent_id)) OR (scope = 'team' AND subject = key.team)
          ) AS budgets,
          key.revoked_at IS NOT NULL OR issuer.revoked_at IS NOT NULL AS "revoked",
          (extract(epoch FROM least(key.expires_at, issuer.expires_at) - now()) * 1000)::float8 AS "leftMs",
          key.change_seq AS "changeSeq"
        FROM api_keys AS key
        LEFT JOIN api_keys AS issuer ON issuer.id = key.parent_id
        LEFT JOIN teams ON teams.name = key.team
        LEFT JOIN api_key_proofs AS current
          ON current.key_id = key.id AND current.secret_hash = key.secret_hash
        LEFT JOIN api_key_proofs AS previous
          ON previous.key_id = key.id AND previous.secret_hash = key.previous_secret_hash
        WHERE key.id = ANY(${ids}::text[])`
      const found = new Map<string, Exit.Exit<KeyRecord, KeyRecordsUnavailable>>()
      for (const row of rows) {
        // One by one: a row that somebody spoilt by hand is the trouble of its own key.
        found.set(String(row.id), yield* Effect.exit(unavailable(decodeRecord(row))))
      }
      return found
    },
    answerWithin(FIND_TIMEOUT),
    unavailable,
  )
}

const saveProofWith = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* ({
    id,
    secretHash,
    proof,
  }: {
    readonly id: string
    readonly secretHash: string
    readonly proof: string
  }) {
    yield* sql`
      WITH outdated AS (
        DELETE FROM api_key_proofs USING api_keys
        WHERE key_id = ${id} AND id = key_id
          AND api_key_proofs.secret_hash <> api_keys.secret_hash
          AND api_key_proofs.secret_hash IS DISTINCT FROM previous_secret_hash
      )
      INSERT INTO api_key_proofs (key_id, secret_hash, proof)
      SELECT id, ${secretHash}, ${proof} FROM api_keys
      WHERE id = ${id} AND ${secretHash} IN (secret_hash, previous_secret_hash)
      ON CONFLICT (key_id, secret_hash) DO UPDATE SET proof = excluded.proof`
  }, unavailable)

const snapshotWith = (sql: SqlClient.SqlClient) =>
  sql`
    SELECT
      (SELECT coalesce(max(change_seq), 0) FROM api_keys) AS "newest",
      pg_snapshot_xmin(snapshot)::text::bigint AS "oldestRunning",
      pg_snapshot_xmax(snapshot)::text::bigint AS "nextTransaction"
    FROM pg_current_snapshot() AS snapshot`.pipe(
    Effect.flatMap(decodeSnapshot),
    Effect.map(([snapshot]) => snapshot),
    unavailable,
  )

const changedAfterWith = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* (changeSeq: bigint) {
    const rows = yield* sql`
      SELECT id, change_seq AS "changeSeq" FROM api_keys
      WHERE change_seq > ${changeSeq}
      ORDER BY change_seq
      LIMIT ${MAX_CHANGES + 1}`
    return yield* decodeVersions(rows)
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

const decodeRecord = Schema.decodeUnknownEffect(
  Schema.Struct({
    id: KeyId,
    name: Schema.String,
    secretHash: Schema.String,
    proof: Schema.NullOr(Schema.String),
    previousSecretHash: Schema.NullOr(Schema.String),
    previousProof: Schema.NullOr(Schema.String),
    // A timestamp may be `infinity`.
    // @effect-diagnostics-next-line schemaNumber:off
    previousSecretLeftMs: Schema.NullOr(Schema.Number),
    models: Schema.NullOr(Schema.Array(Schema.String)),
    issuerModels: Schema.NullOr(Schema.Array(Schema.String)),
    team: Schema.NullOr(Schema.String),
    tags: Schema.Array(Schema.String),
    mayIssue: Schema.Boolean,
    limits: Schema.NonEmptyArray(
      Schema.Struct({
        scope: Schema.Literals(["key", "team"]),
        subject: Schema.String,
        requestsPerMinute: Schema.NullOr(Schema.Int),
        tokensPerMinute: Schema.NullOr(Schema.Int),
        concurrency: Schema.NullOr(Schema.Int),
      }),
    ),
    budgets: Schema.Array(
      Schema.Struct({
        id: Schema.Int,
        scope: Schema.Literals(BUDGET_SCOPES),
        subject: Schema.String,
        period: Schema.Literals(BUDGET_PERIODS),
        limitNanoUsd: Schema.Int,
      }),
    ),
    revoked: Schema.Boolean,
    // @effect-diagnostics-next-line schemaNumber:off
    leftMs: Schema.NullOr(Schema.Number),
    changeSeq: Schema.BigInt,
  }),
)

const decodeSnapshot = Schema.decodeUnknownEffect(
  Schema.Tuple([
    Schema.Struct({
      newest: Schema.BigInt,
      oldestRunning: Schema.BigInt,
      nextTransaction: Schema.BigInt,
    }),
  ]),
)

const decodeVersions = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ id: Schema.String, changeSeq: Schema.BigInt })),
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
