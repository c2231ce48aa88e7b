import { randomBytes } from "node:crypto"
import { Context, Data, type DateTime, Effect, Layer, type Redacted, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { audited } from "../audit/audited.ts"
import { forgetKeyEntries } from "../audit/forget-key-entries.ts"
import { deleteBudgets, putBudgetOfKey } from "../budgets/budget-rows.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { hourly } from "../database/hourly.ts"
import { generateApiKeyId } from "../domain/ApiKeyFormat.ts"
import { MAX_LIVE_CHILDREN } from "../domain/bounds.ts"
import { KeyId } from "../domain/Ids.ts"
import { ApiKeyNotFound, ApiKeysBusy, ApiKeysUnavailable } from "./ApiKeys.ts"
import { type ChildRequest, type Excess, excessOf } from "./child-key-rules.ts"
import { newSecret } from "./new-secret.ts"
import type { Principal } from "./Principal.ts"
import { SecretHasher } from "./SecretHasher.ts"

/** A key that another key issued. */
interface ChildKey {
  readonly id: KeyId
  readonly name: string
  readonly parentId: KeyId
  readonly team: string | null
  readonly tags: ReadonlyArray<string>
  readonly models: ReadonlyArray<string> | null
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly concurrency: number | null
  readonly budgetNanoUsd: number
  readonly createdAt: DateTime.Utc
  readonly expiresAt: DateTime.Utc
}

/** The key may not issue others, or not any more. */
export class MayNotIssue extends Data.TaggedError("MayNotIssue") {}
/** It would have more than its issuer. */
export class BeyondIssuer extends Data.TaggedError("BeyondIssuer")<{ readonly excess: Excess }> {}
/** As many keys of this one are alive as may be. */
export class TooManyChildren extends Data.TaggedError("TooManyChildren")<{
  /** Until the first of them ends. */
  readonly retryAfterMs: number
}> {}

const QUERY_TIMEOUT = "5 seconds"

/** Keys that are being made for one issuer: a few, so that the places of the hasher are left to the others. */
const MAX_MAKING_PER_ISSUER = 2
/** Keys that are being made for all issuers: half of the hasher's places, so that the rest is left to operators. */
const MAX_MAKING = 16

/** Days for which a key that ended is kept: the names of its usage go with it. */
const KEPT_DAYS = 30
const BATCH = 500

/**
 * Short-lived keys that keys issue for one piece of work each: within what holds for the issuer, whose limits and budgets they
 * count against as well, and ended with it. Every look at the time is the database's.
 */
export class ChildKeys extends Context.Service<
  ChildKeys,
  {
    readonly create: (
      issuer: Principal,
      request: ChildRequest,
    ) => Effect.Effect<
      { readonly key: ChildKey; readonly secret: Redacted.Redacted },
      MayNotIssue | BeyondIssuer | TooManyChildren | ApiKeysBusy | ApiKeysUnavailable
    >
    /** Ends a key that this one issued. Final and idempotent. */
    readonly revoke: (
      issuer: KeyId,
      id: string,
    ) => Effect.Effect<
      { readonly id: KeyId; readonly revokedAt: DateTime.Utc },
      ApiKeyNotFound | ApiKeysUnavailable
    >
    /** Forgets keys that ended long ago, with their budgets, now and every hour. To be started when the schema is there. */
    readonly upkeep: Effect.Effect<never>
  }
>()("gateway/auth/ChildKeys") {
  static readonly layerNoDeps = Layer.effect(
    ChildKeys,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const hasher = yield* SecretHasher
      const withPlace = makePlaces()

      const create: ChildKeys["Service"]["create"] = Effect.fn("ChildKeys.create")(
        function* (issuer, request) {
          if (!issuer.mayIssue) return yield* new MayNotIssue()
          const excess = excessOf(issuer, request)
          if (excess !== undefined) return yield* new BeyondIssuer({ excess })
          const id = KeyId.make(generateApiKeyId(randomBytes))
          const { secret, hash } = yield* withPlace(
            issuer.keyId,
            Effect.mapError(newSecret(hasher, id), () => new ApiKeysBusy()),
          )
          const issued = issueWith(sql, issuer.keyId, { ...request, id, hash })
          const { after: key } = yield* answered(audited(sql, { action: "key.create", subject: id }, issued))
          return { key, secret }
        },
      )

      const revoke: ChildKeys["Service"]["revoke"] = Effect.fn("ChildKeys.revoke")(function* (issuer, id) {
        const revoked = Effect.gen(function* () {
          const [child] = yield* decodeRevocable(sql`
            SELECT id, revoked_at AS "revokedAt" FROM api_keys
            WHERE id = ${id} AND parent_id = ${issuer} FOR NO KEY UPDATE`)
          const [after] = yield* decodeRevoked(sql`
            UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
            WHERE id = ${id} AND parent_id = ${issuer} RETURNING id, revoked_at AS "revokedAt"`)
          return child && after && { before: child, after }
        })
        const made = yield* answered(audited(sql, { action: "key.revoke", subject: id }, revoked))
        return made?.after ?? (yield* new ApiKeyNotFound({ id }))
      })

      const round = Effect.andThen(forgetEnded(sql), forgetKeyEntries(sql))

      return ChildKeys.of({ create, revoke, upkeep: hourly("upkeep of API keys failed", round) })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(SecretHasher.layer))
}

/** Makes what gives a place among the keys that are being made, or refuses. */
const makePlaces = () => {
  const making = new Map<string, number>()
  let all = 0
  return <A, E>(issuer: string, make: Effect.Effect<A, E>): Effect.Effect<A, E | ApiKeysBusy> =>
    Effect.suspend((): Effect.Effect<A, E | ApiKeysBusy> => {
      const own = making.get(issuer) ?? 0
      if (own >= MAX_MAKING_PER_ISSUER || all >= MAX_MAKING) return new ApiKeysBusy()
      making.set(issuer, own + 1)
      all += 1
      return Effect.ensuring(
        make,
        Effect.sync(() => {
          all -= 1
          const left = (making.get(issuer) ?? 0) - 1
          if (left > 0) making.set(issuer, left)
          else making.delete(issuer)
        }),
      )
    })
}

/** Writes a child and its budget, with its issuer's row locked: of those who issue at once each sees the keys of the others. */
const issueWith = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  issuer: KeyId,
  request: ChildRequest & { readonly id: KeyId; readonly hash: string },
) {
  const { budgetNanoUsd, concurrency = null, hash, id, lifetimeSeconds, models = null, name } = request
  const { requestsPerMinute = null, tags = [], tokensPerMinute = null } = request
  const [mayIssue] = yield* decodeMayIssue(sql`
    SELECT may_issue AND parent_id IS NULL AND revoked_at IS NULL AND coalesce(expires_at > now(), true) AS "mayIssue"
    FROM api_keys WHERE id = ${issuer} FOR NO KEY UPDATE`)
  if (mayIssue?.mayIssue !== true) return yield* new MayNotIssue()
  const [{ live = 0, firstEndsMs = 0 } = {}] = yield* decodeLive(sql`
    SELECT count(*)::int AS live, coalesce(extract(epoch FROM min(expires_at) - now()) * 1000, 0)::float8 AS "firstEndsMs"
    FROM api_keys WHERE parent_id = ${issuer} AND revoked_at IS NULL AND expires_at > now()`)
  if (live >= MAX_LIVE_CHILDREN) return yield* new TooManyChildren({ retryAfterMs: firstEndsMs })
  const [key] = yield* decodeChild(sql`
    INSERT INTO api_keys (
      id, name, secret_hash, requests_per_minute, tokens_per_minute, concurrency, models, team, tags, parent_id, expires_at
    )
    SELECT
      ${id}, ${name}, ${hash}, ${requestsPerMinute}::integer, ${tokensPerMinute}::bigint, ${concurrency}::integer,
      coalesce(${models}::text[], models), team,
      ARRAY (SELECT DISTINCT tag FROM unnest(tags || ${tags}::text[]) AS tag ORDER BY tag),
      id, least(now() + make_interval(secs => ${lifetimeSeconds}::float8), expires_at)
    FROM api_keys WHERE id = ${issuer}
    RETURNING
      id, name, parent_id AS "parentId", team, tags, models, requests_per_minute AS "requestsPerMinute",
      tokens_per_minute::float8 AS "tokensPerMinute", concurrency, created_at AS "createdAt", expires_at AS "expiresAt"`)
  if (key === undefined) return yield* new MayNotIssue()
  yield* putBudgetOfKey(sql, {
    keyId: id,
    period: "total",
    limitNanoUsd: budgetNanoUsd,
    timeZone: "UTC",
  })
  return { before: null, after: { ...key, budgetNanoUsd } }
})

/** Deletes children that ended too long ago, with their budgets and what was spent of these, in short transactions. */
const forgetEnded = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> => {
  const some = Effect.gen(function* () {
    const ended = yield* decodeIds(sql`
      SELECT id FROM api_keys
      WHERE parent_id IS NOT NULL AND expires_at < now() - make_interval(days => ${KEPT_DAYS})
        AND NOT EXISTS (SELECT FROM api_keys AS child WHERE child.parent_id = api_keys.id)
      ORDER BY expires_at LIMIT ${BATCH}
      FOR UPDATE SKIP LOCKED`)
    const ids = ended.map(({ id }) => id)
    if (ids.length > 0) {
      yield* deleteBudgets(sql, sql`scope = 'key' AND subject = ANY(${ids}::text[])`)
      yield* sql`DELETE FROM api_keys WHERE id = ANY(${ids}::text[])`
    }
    return ids.length
  }).pipe(sql.withTransaction)
  return Effect.asVoid(Effect.repeat(some, { until: (deleted) => deleted < BATCH }))
}

const decodeMayIssue = decodeRows(Schema.Struct({ mayIssue: Schema.Boolean }))
const decodeLive = decodeRows(Schema.Struct({ live: Schema.Int, firstEndsMs: Schema.Finite }))
const decodeIds = decodeRows(Schema.Struct({ id: KeyId }))

const decodeChild = decodeRows(
  Schema.Struct({
    id: KeyId,
    name: Schema.String,
    parentId: KeyId,
    team: Schema.NullOr(Schema.String),
    tags: Schema.Array(Schema.String),
    models: Schema.NullOr(Schema.Array(Schema.String)),
    requestsPerMinute: Schema.NullOr(Schema.Int),
    tokensPerMinute: Schema.NullOr(Schema.Int),
    concurrency: Schema.NullOr(Schema.Int),
    createdAt: Schema.DateTimeUtcFromDate,
    expiresAt: Schema.DateTimeUtcFromDate,
  }),
)

const decodeRevocable = decodeRows(
  Schema.Struct({ id: KeyId, revokedAt: Schema.NullOr(Schema.DateTimeUtcFromDate) }),
)
const decodeRevoked = decodeRows(Schema.Struct({ id: KeyId, revokedAt: Schema.DateTimeUtcFromDate }))

/** Bounds the wait for the database. */
function answered<A, E, R>(query: Effect.Effect<A, E | SqlError.SqlError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.catchTag("SqlError", (cause) => new ApiKeysUnavailable({ cause })),
  )
}
