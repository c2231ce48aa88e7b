import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import { SMALL_BODY_BYTES } from "../platform/LargeBodies.ts"
import {
  type ClaimId,
  type ClaimState,
  type ClaimStoreShape,
  ClaimStoreUnavailable,
  type FinishedResponse,
} from "./claim.ts"
import { IdempotencyLimits } from "./IdempotencyLimits.ts"
import { makeMemoryClaims } from "./memory-claims.ts"

/**
 * Owns the table `idempotency_claims`. Each method is one statement, atomic on READ COMMITTED, on the database's
 * clock.
 *
 * A row is free to be claimed when nobody holds its lease and it has either expired or was never finished (the
 * latter for the same fingerprint alone). Every claim has an owner id of its own; `renew`, `complete` and `release`
 * touch the row only while that owner holds it, so whoever lost the claim can change nothing.
 */
export class ClaimStore extends Context.Service<ClaimStore, ClaimStoreShape>()(
  "gateway/idempotency/ClaimStore",
) {
  static readonly layer = Layer.effect(
    ClaimStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { leaseMs, expireMs, statementMs, storeStatementMs, maxStoredBytes } = yield* IdempotencyLimits

      const inMs = (ms: number) => sql`clock_timestamp() + ${ms} * interval '1 millisecond'`
      const at = (id: ClaimId) => sql`key_id = ${id.keyId} AND key_hash = ${id.keyHash}`

      const bounded = <A>(statement: Effect.Effect<A, SqlError.SqlError>, ms = statementMs) =>
        Effect.mapError(
          answerWithin(ms)(statement),
          // Not the error's own words: PostgreSQL may quote a value in them, and the values are clients' data.
          ({ reason }) => new ClaimStoreUnavailable({ message: reason._tag }),
        )

      /**
       * The row that is there decides, if the statement's snapshot has one that is not free; otherwise the row is
       * inserted or taken over. `ON CONFLICT` locks and re-reads the row, so of several claims exactly one sees it
       * free. A claim that lost this race to a row newer than its snapshot gets no result: somebody else is
       * running, which the next look will tell more about.
       */
      const claim = Effect.fnUntraced(function* (id: ClaimId, fingerprint: Uint8Array, owner: string) {
        const free = sql`c.lease_until <= clock_timestamp() AND (c.expires_at <= clock_timestamp()
          OR (c.response_status IS NULL AND c.fingerprint = ${fingerprint}))`
        const [row] = yield* bounded(sql`
          WITH held AS (
            SELECT c.fingerprint = ${fingerprint} AS same, c.response_status, c.response_headers,
              octet_length(c.response_body) AS bytes,
              CASE WHEN octet_length(c.response_body) <= ${SMALL_BODY_BYTES} THEN c.response_body END AS body
            FROM idempotency_claims AS c
            WHERE ${at(id)} AND NOT (${free})
          ), claimed AS (
            INSERT INTO idempotency_claims AS c (key_id, key_hash, fingerprint, owner, lease_until, expires_at)
            SELECT ${id.keyId}, ${id.keyHash}, ${fingerprint}, ${owner}::uuid, ${inMs(leaseMs)}, ${inMs(expireMs)}
            WHERE NOT EXISTS (SELECT FROM held)
            ON CONFLICT (key_id, key_hash) DO UPDATE SET
              fingerprint = excluded.fingerprint,
              owner = excluded.owner,
              runs = CASE WHEN c.expires_at <= clock_timestamp() THEN 1 ELSE c.runs + 1 END,
              lease_until = ${inMs(leaseMs)},
              expires_at = ${inMs(expireMs)},
              response_status = NULL,
              response_headers = NULL,
              response_body = NULL
            WHERE ${free}
            RETURNING c.runs
          )
          SELECT runs AS run, NULL AS same, NULL AS status, NULL AS headers, NULL AS bytes, NULL AS body FROM claimed
          UNION ALL
          SELECT NULL, same, response_status, response_headers, bytes, body FROM held`)
        return row === undefined ? running : toState(yield* Effect.orDie(decodeRow(row)))
      })

      const renew = (id: ClaimId, owner: string) =>
        bounded(sql`
          UPDATE idempotency_claims SET lease_until = ${inMs(leaseMs)}
          WHERE ${at(id)} AND owner = ${owner}::uuid AND response_status IS NULL
          RETURNING 1 AS done`).pipe(Effect.map((rows) => rows.length > 0))

      const complete = (id: ClaimId, owner: string, { status, headers, body }: FinishedResponse) =>
        bounded(
          sql`
          UPDATE idempotency_claims SET
            response_status = ${status},
            response_headers = ${JSON.stringify(headers)},
            response_body = ${body === undefined || body.byteLength > maxStoredBytes ? null : body}
          WHERE ${at(id)} AND owner = ${owner}::uuid
          RETURNING 1 AS done`,
          storeStatementMs,
        ).pipe(Effect.map((rows) => rows.length > 0))

      const fetch = (id: ClaimId, fingerprint: Uint8Array) =>
        bounded(
          sql`
          SELECT response_body AS body FROM idempotency_claims AS c
          WHERE ${at(id)} AND c.fingerprint = ${fingerprint} AND response_body IS NOT NULL`,
          storeStatementMs,
        ).pipe(
          Effect.flatMap(([row]) =>
            row === undefined
              ? Effect.undefined
              : Effect.map(Effect.orDie(decodeBody(row)), ({ body }) => body),
          ),
        )

      const release = (id: ClaimId, owner: string) =>
        bounded(sql`
          DELETE FROM idempotency_claims
          WHERE ${at(id)} AND owner = ${owner}::uuid AND response_status IS NULL`).pipe(Effect.asVoid)

      /** Replicas that clean at once skip each other's rows; a row that is being claimed again is left alone. */
      const cleanup = (limit: number) =>
        bounded(sql`
          WITH expired AS MATERIALIZED (
            SELECT key_id, key_hash FROM idempotency_claims
            WHERE expires_at <= clock_timestamp() AND lease_until <= clock_timestamp()
            ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
          )
          DELETE FROM idempotency_claims AS c USING expired
          WHERE c.key_id = expired.key_id AND c.key_hash = expired.key_hash
          RETURNING 1 AS done`).pipe(Effect.map((rows) => rows.length))

      return ClaimStore.of({ claim, renew, complete, fetch, release, cleanup })
    }),
  )

  /** Follows Effect's clock, and forgets everything at the end. Two services on one such layer are two replicas. */
  static readonly layerMemory = Layer.effect(ClaimStore, makeMemoryClaims)
}

const running: ClaimState = { _tag: "Running" }

const decodeRow = Schema.decodeUnknownEffect(
  Schema.Struct({
    run: Schema.NullOr(Schema.Int),
    same: Schema.NullOr(Schema.Boolean),
    status: Schema.NullOr(Schema.Int),
    headers: Schema.NullOr(Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))),
    bytes: Schema.NullOr(Schema.Int),
    body: Schema.NullOr(Schema.Uint8Array),
  }),
)

const decodeBody = Schema.decodeUnknownEffect(Schema.Struct({ body: Schema.Uint8Array }))

const toState = (row: Effect.Success<ReturnType<typeof decodeRow>>): ClaimState => {
  const { run, same, status, headers, bytes, body } = row
  if (run !== null) return { _tag: "Claimed", run }
  if (same !== true) return { _tag: "Reused" }
  if (status === null) return running
  const response =
    headers === null || bytes === null ? null : { status, headers, bytes, body: body ?? undefined }
  return { _tag: "Finished", response }
}
