import { randomBytes } from "node:crypto"
import { Context, Data, type DateTime, Effect, Layer, type Redacted, Schema } from "effect"
import { SqlClient, SqlError, type Statement } from "effect/sql"
import { audited } from "../audit/audited.ts"
import {
  type BudgetState,
  deleteBudgets,
  putBudgetOfKey,
  readBudgetsOf,
  statedBudget,
} from "../budgets/budget-rows.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { failureCode } from "../database/failure-code.ts"
import { generateApiKeyId } from "../domain/ApiKeyFormat.ts"
import type { BudgetPeriod } from "../domain/Budget.ts"
import { MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { KeyId } from "../domain/Ids.ts"
import { KEY_STATES, type KeyState } from "../domain/KeyState.ts"
import { newSecret } from "./new-secret.ts"
import { SecretHasher } from "./SecretHasher.ts"
import { type TeamNotFound, teamNotFound } from "./team-not-found.ts"

/** An API key as operators see it. The secret is shown once at creation and stored only as a bcrypt hash. */
export interface ApiKey {
  readonly id: KeyId
  readonly name: string
  readonly state: KeyState
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly concurrency: number | null
  readonly team: string | null
  readonly tags: ReadonlyArray<string>
  readonly models: ReadonlyArray<string> | null
  readonly mayIssue: boolean
  /** Its own, without its team's and those that hold for everybody. */
  readonly budgets: ReadonlyArray<BudgetState>
  readonly createdAt: DateTime.Utc
  readonly expiresAt: DateTime.Utc | null
  readonly revokedAt: DateTime.Utc | null
  /** The end of the previous secret, while a rotation's grace period runs. */
  readonly previousSecretUntil: DateTime.Utc | null
  /** The key that issued it; null for those that operators made. */
  readonly parentId: KeyId | null
}

/** What operators say of a key. */
interface KeySettings {
  readonly name: string
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
  readonly concurrency: number
  readonly team: string
  readonly tags: ReadonlyArray<string>
  readonly models: ReadonlyArray<string>
  readonly mayIssue: boolean
  readonly expiresAt: DateTime.Utc
  /** Monthly where no period is said. A budget that is there already keeps its alerts and its time zone. */
  readonly budget: {
    readonly limitNanoUsd: number
    readonly period?: BudgetPeriod
    readonly timeZone: string
  }
}

/** What has no value that takes it away. */
type Clearable = Exclude<keyof KeySettings, "name" | "tags" | "mayIssue" | "budget">

/** What is left out stays, null takes it away. */
export type KeyChanges = Partial<Omit<KeySettings, Clearable | "budget">> & {
  readonly [Name in Clearable]?: KeySettings[Name] | null
} & {
  /** Without a limit: takes the budget of the period away, or all that the key has. */
  readonly budget?: KeySettings["budget"] | { readonly limitNanoUsd: null; readonly period?: BudgetPeriod }
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
    readonly create: (
      options: Pick<KeySettings, "name"> & Partial<KeySettings>,
    ) => Effect.Effect<IssuedKey, TeamNotFound | ApiKeysBusy | ApiKeysUnavailable>
    /**
     * Newest first; `cursor` is the last id of the previous page. `search` is part of the id, name, team, issuer's id, a tag or a
     * model, whatever its case.
     */
    readonly list: (options: {
      readonly limit: number
      readonly cursor?: string
      readonly search?: string
      readonly active?: boolean
    }) => Effect.Effect<
      { readonly keys: ReadonlyArray<ApiKey>; readonly nextCursor: string | null },
      ApiKeysUnavailable
    >
    readonly show: (id: string) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeysUnavailable>
    /** Holds on every replica within a second. A revoked key cannot be changed. */
    readonly set: (
      id: string,
      changes: KeyChanges,
    ) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeyRevoked | TeamNotFound | ApiKeysUnavailable>
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

      const state = `
        CASE
          WHEN revoked_at IS NOT NULL THEN 'revoked'
          WHEN expires_at <= now() THEN 'expired'
          WHEN EXISTS (
            SELECT FROM api_keys AS issuer
            WHERE issuer.id = api_keys.parent_id
              AND (issuer.revoked_at IS NOT NULL OR coalesce(issuer.expires_at <= now(), false))
          ) THEN 'issuer_ended'
          ELSE 'active'
        END`
      const columns = sql.literal(`
        id,
        name,
        ${state} AS state,
        requests_per_minute AS "requestsPerMinute",
        tokens_per_minute::float8 AS "tokensPerMinute",
        concurrency,
        team,
        tags,
        models,
        may_issue AS "mayIssue",
        created_at AS "createdAt",
        expires_at AS "expiresAt",
        revoked_at AS "revokedAt",
        CASE WHEN previous_secret_until > now() THEN previous_secret_until END AS "previousSecretUntil",
        parent_id AS "parentId"`)

      const secretFor = (id: KeyId) => Effect.mapError(newSecret(hasher, id), () => new ApiKeysBusy())

      const withBudgets = Effect.fnUntraced(function* (rows: ReadonlyArray<typeof row.Type>) {
        if (rows.length === 0) return []
        const ids = rows.map(({ id }) => id)
        const budgets = Object.groupBy(yield* readBudgetsOf(sql, "key", ids), ({ subject }) => subject)
        return rows.map((key): ApiKey => ({ ...key, budgets: budgets[key.id] ?? [] }))
      })

      /** Runs a statement that returns `columns`. */
      const keysOf = <E>(statement: Effect.Effect<ReadonlyArray<unknown>, E>) =>
        Effect.flatMap(decodeKeys(statement), withBudgets)

      /** Finds a key that nobody else changes until the transaction ends. */
      const hold = (id: string) =>
        keysOf(sql`SELECT ${columns} FROM api_keys WHERE id = ${id} FOR NO KEY UPDATE`)

      /** Makes an audited change of one key; `updated` returns its row, or nothing. */
      const change = (
        action: string,
        id: string,
        updated: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>,
        also: object = {},
      ) => {
        const changed = Effect.gen(function* () {
          const [before] = yield* hold(id)
          const [key] = yield* keysOf(updated)
          return before && key && { before: seen(before), after: { ...seen(key), ...also }, key }
        })
        return Effect.map(answered(audited(sql, { action, subject: id }, changed)), (made) => made?.key)
      }

      /** Returns the keys of a statement that may name a team. */
      const inTeam = <A, E>(
        team: string | null | undefined,
        statement: Effect.Effect<A, E | SqlError.SqlError>,
      ) => Effect.catchIf(statement, isNoTeam, () => teamNotFound(sql, team ?? ""))

      const putBudget = (keyId: KeyId, { period = "month", ...budget }: KeySettings["budget"]) =>
        putBudgetOfKey(sql, { keyId, period, ...budget })

      const create: ApiKeys["Service"]["create"] = Effect.fn("ApiKeys.create")(function* (options) {
        const id = KeyId.make(generateApiKeyId(randomBytes))
        const { secret, hash } = yield* secretFor(id)
        const values = assignments(sql, options)
        const created = Effect.gen(function* () {
          yield* sql`
            INSERT INTO api_keys (id, secret_hash, ${sql.csv(values.map(({ column }) => column))})
            VALUES (${id}, ${hash}, ${sql.csv(values.map(({ value }) => value))})`
          if (options.budget !== undefined) yield* putBudget(id, options.budget)
          const [key] = yield* keysOf(sql`SELECT ${columns} FROM api_keys WHERE id = ${id}`)
          if (key === undefined) return yield* Effect.die("a key was written and is not there")
          return { before: null, after: seen(key), key }
        })
        const write = audited(sql, { action: "key.create", subject: id }, created)
        const { key } = yield* answered(inTeam(options.team, write))
        return { key, secret }
      })

      const set: ApiKeys["Service"]["set"] = Effect.fn("ApiKeys.set")((id, changes) => {
        const { budget } = changes
        const values = assignments(sql, changes)
        const selected = sql`SELECT ${columns} FROM api_keys WHERE id = ${id}`
        const changed = Effect.gen(function* () {
          const [before] = isKeyId(id) ? yield* hold(id) : []
          if (before === undefined) return yield* new ApiKeyNotFound({ id })
          if (before.revokedAt !== null) return yield* new ApiKeyRevoked({ id })
          if (values.length > 0) {
            const assigned = sql.csv(values.map(({ column, value }) => sql`${column} = ${value}`))
            yield* sql`UPDATE api_keys SET ${assigned} WHERE id = ${id}`
          }
          if (budget !== undefined) {
            if (budget.limitNanoUsd !== null) yield* putBudget(before.id, budget)
            else {
              const { period = null } = budget
              const same = sql`scope = 'key' AND subject = ${id} AND period = coalesce(${period}::text, period)`
              yield* deleteBudgets(sql, same)
            }
          }
          const [key] = yield* keysOf(selected)
          return key === undefined
            ? yield* new ApiKeyNotFound({ id })
            : { before: seen(before), after: seen(key), key }
        })
        const write = audited(sql, { action: "key.set", subject: id }, changed)
        return Effect.map(answered(inTeam(changes.team, write)), ({ key }) => key)
      })

      const list: ApiKeys["Service"]["list"] = Effect.fn("ApiKeys.list")(function* ({
        active,
        cursor,
        limit,
        search = "",
      }) {
        const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE_LIMIT)
        // A cursor that is no key's id has no page after it.
        if (cursor !== undefined && !isKeyId(cursor)) return { keys: [], nextCursor: null }
        const wanted = [
          sql`true`,
          ...(cursor === undefined
            ? []
            : [sql`(created_at, id) < (SELECT created_at, id FROM api_keys WHERE id = ${cursor})`]),
          ...(search === "" ? [] : [sql`strpos(lower(${sql.literal(SEARCHED)}), lower(${search})) > 0`]),
          ...(active === undefined ? [] : [sql`((${sql.literal(state)}) = 'active') = ${active}`]),
        ]
        const selected = sql`
          SELECT ${columns} FROM api_keys WHERE ${sql.and(wanted)}
          ORDER BY created_at DESC, id DESC
          LIMIT ${size + 1}`
        const keys = yield* answered(keysOf(selected))
        const page = keys.slice(0, size)
        return { keys: page, nextCursor: keys.length > size ? (page.at(-1)?.id ?? null) : null }
      })

      const show: ApiKeys["Service"]["show"] = Effect.fn("ApiKeys.show")(function* (id) {
        if (!isKeyId(id)) return yield* new ApiKeyNotFound({ id })
        const selected = sql`SELECT ${columns} FROM api_keys WHERE id = ${id}`
        const [key] = yield* answered(keysOf(selected))
        return key ?? (yield* new ApiKeyNotFound({ id }))
      })

      const rotate: ApiKeys["Service"]["rotate"] = Effect.fn("ApiKeys.rotate")(function* (id, { graceMs }) {
        // Before bcrypt is spent on a key that cannot be rotated.
        const shown = yield* show(id)
        if (shown.revokedAt !== null) return yield* new ApiKeyRevoked({ id })
        const { secret, hash } = yield* secretFor(shown.id)
        const grace = Math.min(Math.max(graceMs, 0), MAX_GRACE_MS) / 1000
        const updated = sql`
          UPDATE api_keys SET
            previous_secret_hash = CASE WHEN ${grace}::float8 > 0 THEN secret_hash END,
            previous_secret_until = CASE WHEN ${grace}::float8 > 0 THEN now() + make_interval(secs => ${grace}::float8) END,
            secret_hash = ${hash}
          WHERE id = ${id} AND revoked_at IS NULL
          RETURNING ${columns}`
        // Nothing else tells the new secret from the old one.
        const key = yield* change("key.rotate", id, updated, { newSecret: true })
        return key === undefined ? yield* new ApiKeyRevoked({ id }) : { key, secret }
      })

      const revoke: ApiKeys["Service"]["revoke"] = Effect.fn("ApiKeys.revoke")(function* (id) {
        if (!isKeyId(id)) return yield* new ApiKeyNotFound({ id })
        const updated = sql`
          UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = ${id} RETURNING ${columns}`
        return (yield* change("key.revoke", id, updated)) ?? (yield* new ApiKeyNotFound({ id }))
      })

      return ApiKeys.of({ create, set, list, show, rotate, revoke })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(SecretHasher.layer))
}

const isKeyId = Schema.is(KeyId)

/** What a search looks through, each on a line of its own: what is searched for is one line. */
const SEARCHED = `concat_ws(
  E'\\n', id, name, team, parent_id, array_to_string(tags, E'\\n'), array_to_string(models, E'\\n')
)`

/** A key as the audit sees it: what is spent, and its end, come by themselves. */
const seen = ({ state: _, ...key }: ApiKey) => ({ ...key, budgets: key.budgets.map(statedBudget) })

/** The columns of what is said, each with its value as it is stored. */
const assignments = (sql: SqlClient.SqlClient, said: KeyChanges) => {
  const { name, requestsPerMinute, tokensPerMinute, concurrency, team, tags, models, mayIssue, expiresAt } =
    said
  const expiry = expiresAt && new Date(expiresAt.epochMilliseconds)
  const values: ReadonlyArray<readonly [column: string, value: Statement.Fragment | undefined]> = [
    ["name", name === undefined ? undefined : sql`${name}`],
    ["requests_per_minute", requestsPerMinute === undefined ? undefined : sql`${requestsPerMinute}::integer`],
    ["tokens_per_minute", tokensPerMinute === undefined ? undefined : sql`${tokensPerMinute}::bigint`],
    ["concurrency", concurrency === undefined ? undefined : sql`${concurrency}::integer`],
    ["team", team === undefined ? undefined : sql`${team}::text`],
    ["tags", tags === undefined ? undefined : sql`${[...new Set(tags)]}::text[]`],
    ["models", models === undefined ? undefined : sql`${models}::text[]`],
    ["may_issue", mayIssue === undefined ? undefined : sql`${mayIssue}`],
    ["expires_at", expiry === undefined ? undefined : sql`${expiry}::timestamptz`],
  ]
  return values.flatMap(([column, value]) =>
    value === undefined ? [] : [{ column: sql.literal(column), value }],
  )
}

const row = Schema.Struct({
  id: KeyId,
  name: Schema.String,
  state: Schema.Literals(KEY_STATES),
  requestsPerMinute: Schema.NullOr(Schema.Int),
  tokensPerMinute: Schema.NullOr(Schema.Int),
  concurrency: Schema.NullOr(Schema.Int),
  team: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  models: Schema.NullOr(Schema.Array(Schema.String)),
  mayIssue: Schema.Boolean,
  createdAt: Schema.DateTimeUtcFromDate,
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  previousSecretUntil: Schema.NullOr(Schema.DateTimeUtcFromDate),
  parentId: Schema.NullOr(KeyId),
})
const decodeKeys = decodeRows(row)

/** `foreign_key_violation`: of a key that operators write, its team is the only one. */
const isNoTeam = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && failureCode(error) === "23503"

/** Bounds the wait for the database, and for it alone: a secret may have waited for bcrypt before. */
function answered<A, E, R>(query: Effect.Effect<A, E | SqlError.SqlError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.catchIf(SqlError.isSqlError, (cause) => Effect.fail(new ApiKeysUnavailable({ cause }))),
  )
}
