import { randomBytes } from "node:crypto"
import { Context, Data, type DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import { formatApiKey, generateApiKeyId, generateApiKeySecret } from "../domain/ApiKeyFormat.ts"
import { MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { KeyId } from "../domain/Ids.ts"
import { SecretHasher } from "./SecretHasher.ts"

/** An API key as operators see it. The secret is shown once at creation and stored only as a bcrypt hash. */
export interface ApiKey {
  readonly id: KeyId
  readonly name: string
  readonly requestsPerMinute: number | null
  readonly models: ReadonlyArray<string> | null
  readonly createdAt: DateTime.Utc
  readonly expiresAt: DateTime.Utc | null
  readonly revokedAt: DateTime.Utc | null
  /** The end of the previous secret, while a rotation's grace period runs. */
  readonly previousSecretUntil: DateTime.Utc | null
}

export interface IssuedKey {
  readonly key: ApiKey
  /** The whole key, shown once. */
  readonly secret: Redacted.Redacted
}

export class ApiKeyNotFound extends Data.TaggedError("ApiKeyNotFound")<{ readonly id: string }> {}
export class ApiKeyRevoked extends Data.TaggedError("ApiKeyRevoked")<{ readonly id: string }> {}
/** The database did not answer. */
export class ApiKeysUnavailable extends Data.TaggedError("ApiKeysUnavailable")<{ readonly cause: unknown }> {}
/** Operators make as many keys at once as can be hashed. */
export class ApiKeysBusy extends Data.TaggedError("ApiKeysBusy") {}

const QUERY_TIMEOUT = "5 seconds"
/** `timestamptz` ends there; a longer grace period would fail instead of lasting. */
const MAX_GRACE_MS = 10 * 365 * 86_400_000

/**
 * Operators' view of API keys: the CLI and `/admin/keys` are thin over this. Owns the table `api_keys`, whose trigger
 * numbers every change; servers poll for the numbers.
 */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    readonly create: (options: {
      readonly name: string
      readonly requestsPerMinute?: number
      readonly models?: ReadonlyArray<string>
      readonly expiresAt?: DateTime.Utc
    }) => Effect.Effect<IssuedKey, ApiKeysBusy | ApiKeysUnavailable>
    /** Newest first; `cursor` is the last id of the previous page. */
    readonly list: (options: {
      readonly limit: number
      readonly cursor?: string
    }) => Effect.Effect<
      { readonly keys: ReadonlyArray<ApiKey>; readonly nextCursor: string | null },
      ApiKeysUnavailable
    >
    readonly show: (id: string) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeysUnavailable>
    /** New secret under the same id; the old one works until the grace period ends. */
    readonly rotate: (
      id: string,
      options: { readonly graceMs: number },
    ) => Effect.Effect<IssuedKey, ApiKeyNotFound | ApiKeyRevoked | ApiKeysBusy | ApiKeysUnavailable>
    /** Final and idempotent. Every replica refuses the key within a second. */
    readonly revoke: (id: string) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeysUnavailable>
  }
>()("gateway/auth/ApiKeys") {
  static readonly layerNoDeps = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const hasher = yield* SecretHasher

      const columns = sql.literal(`
        id,
        name,
        requests_per_minute AS "requestsPerMinute",
        models,
        created_at AS "createdAt",
        expires_at AS "expiresAt",
        revoked_at AS "revokedAt",
        CASE WHEN previous_secret_until > now() THEN previous_secret_until END AS "previousSecretUntil"`)

      const newSecret = Effect.gen(function* () {
        const secret = generateApiKeySecret(randomBytes)
        return { secret, hash: yield* Effect.mapError(hasher.hash(secret), () => new ApiKeysBusy()) }
      })

      const issued = (key: ApiKey, secret: string): IssuedKey => ({
        key,
        secret: Redacted.make(formatApiKey({ id: key.id, secret })),
      })

      const create: ApiKeys["Service"]["create"] = Effect.fn("ApiKeys.create")(function* (options) {
        const { name, requestsPerMinute = null, models = null, expiresAt } = options
        const id = generateApiKeyId(randomBytes)
        const { secret, hash } = yield* newSecret
        const inserted = sql`
          INSERT INTO api_keys (id, name, secret_hash, requests_per_minute, models, expires_at)
          VALUES (
            ${id}, ${name}, ${hash}, ${requestsPerMinute}::integer, ${models}::text[],
            ${expiresAt === undefined ? null : new Date(expiresAt.epochMilliseconds)}::timestamptz
          )
          RETURNING ${columns}`
        const [key] = yield* answered(Effect.flatMap(inserted, decodeOne))
        return issued(key, secret)
      })

      const list: ApiKeys["Service"]["list"] = Effect.fn("ApiKeys.list")(function* ({ limit, cursor }) {
        const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE_LIMIT)
        // A cursor that is no key's id has no page after it.
        if (cursor !== undefined && !isKeyId(cursor)) return { keys: [], nextCursor: null }
        const after = sql`WHERE (created_at, id) < (SELECT created_at, id FROM api_keys WHERE id = ${cursor ?? ""})`
        const selected = sql`
          SELECT ${columns} FROM api_keys ${cursor === undefined ? sql.literal("") : after}
          ORDER BY created_at DESC, id DESC
          LIMIT ${size + 1}`
        const keys = yield* answered(Effect.flatMap(selected, decodeMany))
        const page = keys.slice(0, size)
        return { keys: page, nextCursor: keys.length > size ? (page.at(-1)?.id ?? null) : null }
      })

      const show: ApiKeys["Service"]["show"] = Effect.fn("ApiKeys.show")(function* (id) {
        if (!isKeyId(id)) return yield* new ApiKeyNotFound({ id })
        const selected = sql`SELECT ${columns} FROM api_keys WHERE id = ${id}`
        const [key] = yield* answered(Effect.flatMap(selected, decodeMany))
        return key ?? (yield* new ApiKeyNotFound({ id }))
      })

      const rotate: ApiKeys["Service"]["rotate"] = Effect.fn("ApiKeys.rotate")(function* (id, { graceMs }) {
        // Before bcrypt is spent on a key that cannot be rotated.
        if ((yield* show(id)).revokedAt !== null) return yield* new ApiKeyRevoked({ id })
        const { secret, hash } = yield* newSecret
        const grace = Math.min(Math.max(graceMs, 0), MAX_GRACE_MS) / 1000
        const updated = sql`
          UPDATE api_keys SET
            previous_secret_hash = CASE WHEN ${grace}::float8 > 0 THEN secret_hash END,
            previous_secret_until = CASE WHEN ${grace}::float8 > 0 THEN now() + make_interval(secs => ${grace}::float8) END,
            secret_hash = ${hash}
          WHERE id = ${id} AND revoked_at IS NULL
          RETURNING ${columns}`
        const [key] = yield* answered(Effect.flatMap(updated, decodeMany))
        return key === undefined ? yield* new ApiKeyRevoked({ id }) : issued(key, secret)
      })

      const revoke: ApiKeys["Service"]["revoke"] = Effect.fn("ApiKeys.revoke")(function* (id) {
        if (!isKeyId(id)) return yield* new ApiKeyNotFound({ id })
        const updated = sql`
          UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = ${id} RETURNING ${columns}`
        const [key] = yield* answered(Effect.flatMap(updated, decodeMany))
        return key ?? (yield* new ApiKeyNotFound({ id }))
      })

      return ApiKeys.of({ create, list, show, rotate, revoke })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(SecretHasher.layer))
}

const isKeyId = Schema.is(KeyId)

const row = Schema.Struct({
  id: KeyId,
  name: Schema.String,
  requestsPerMinute: Schema.NullOr(Schema.Int),
  models: Schema.NullOr(Schema.Array(Schema.String)),
  createdAt: Schema.DateTimeUtcFromDate,
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  previousSecretUntil: Schema.NullOr(Schema.DateTimeUtcFromDate),
})

const decodeOne = Schema.decodeUnknownEffect(Schema.Tuple([row]))
const decodeMany = Schema.decodeUnknownEffect(Schema.Array(row))

/** Bounds the wait for the database, and for it alone: a secret may have waited for bcrypt before. */
function answered<A, R>(query: Effect.Effect<A, SqlError.SqlError | Schema.SchemaError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.mapError((cause) => new ApiKeysUnavailable({ cause })),
  )
}
