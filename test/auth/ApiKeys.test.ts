import { assert, describe, layer } from "@effect/vitest"
import { compareSync } from "bcrypt"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { Teams } from "../../src/auth/Teams.ts"
import { parseApiKey } from "../../src/domain/ApiKeyFormat.ts"
import { cheapHashes } from "../support/cheap-hashes.ts"
import { databases } from "./databases.ts"

const secretOf = (token: Redacted.Redacted) => parseApiKey(Redacted.value(token))?.secret ?? ""

/** Returns what the table holds of the secrets. */
const hashes = Effect.fnUntraced(function* (id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ hash: string; previous: string | null; left: number | null }>`
    SELECT secret_hash AS hash, previous_secret_hash AS previous,
      extract(epoch FROM previous_secret_until - now())::float8 AS left
    FROM api_keys WHERE id = ${id}`
  if (row === undefined) return yield* Effect.die(`no row ${id}`)
  return row
})

for (const { name, database } of databases) {
  const services = Layer.merge(ApiKeys.layer.pipe(Layer.provide(cheapHashes)), Teams.layer)
  layer(services.pipe(Layer.provideMerge(database)), {
    excludeTestServices: true,
  })(`API keys in ${name}`, (it) => {
    describe("create", () => {
      it.effect("stores a bcrypt hash of the secret alone and shows the key once", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key, secret } = yield* keys.create({ name: "plain" })
          assert.strictEqual(parseApiKey(Redacted.value(secret))?.id, key.id)
          assert.strictEqual(String(secret), "<redacted>")
          const { hash } = yield* hashes(key.id)
          assert.match(hash, /^\$2b\$\d\d\$/)
          assert.isTrue(compareSync(secretOf(secret), hash))
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql`SELECT * FROM api_keys WHERE id = ${key.id}`
          assert.notInclude(
            JSON.stringify(rows, (_, value) => (typeof value === "bigint" ? String(value) : value)),
            secretOf(secret),
          )
        }),
      )

      it.effect("keeps every option, and none that was not given", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          yield* (yield* Teams).create({ name: "search" })
          const expiresAt = DateTime.makeUnsafe("2100-01-02T03:04:05.678Z")
          const name = "Ünïcode '; DROP TABLE api_keys; -- \u001b[31m"
          const { key } = yield* keys.create({
            name,
            requestsPerMinute: 5,
            tokensPerMinute: 3_000_000_000,
            concurrency: 8,
            team: "search",
            tags: ["prod", 'quote " {brace}', "prod"],
            models: ["auto", "a/b", 'quote " comma , {brace}'],
            mayIssue: true,
            expiresAt,
            budget: { limitNanoUsd: 9_000_000_000_000_000, timeZone: "Europe/Berlin" },
          })
          const shown = yield* keys.show(key.id)
          assert.deepStrictEqual(shown, key)
          assert.strictEqual(shown.name, name)
          assert.deepInclude(shown, {
            requestsPerMinute: 5,
            tokensPerMinute: 3_000_000_000,
            concurrency: 8,
            team: "search",
            mayIssue: true,
          })
          assert.deepStrictEqual(shown.tags, ["prod", 'quote " {brace}'])
          assert.lengthOf(shown.budgets, 1)
          assert.deepInclude(shown.budgets[0], {
            scope: "key",
            subject: key.id,
            period: "month",
            limitNanoUsd: 9_000_000_000_000_000,
            timeZone: "Europe/Berlin",
          })
          assert.deepStrictEqual(shown.models, ["auto", "a/b", 'quote " comma , {brace}'])
          assert.strictEqual(
            shown.expiresAt && DateTime.formatIso(shown.expiresAt),
            DateTime.formatIso(expiresAt),
          )
          const { key: plain } = yield* keys.create({ name: "plain" })
          assert.deepStrictEqual(
            [
              plain.requestsPerMinute,
              plain.tokensPerMinute,
              plain.concurrency,
              plain.team,
              plain.models,
              plain.expiresAt,
              plain.revokedAt,
              plain.previousSecretUntil,
            ],
            Array.from({ length: 8 }, () => null),
          )
          assert.deepStrictEqual([plain.tags, plain.budgets, plain.mayIssue], [[], [], false])
          const { key: nothing } = yield* keys.create({ name: "no model", models: [] })
          assert.deepStrictEqual(nothing.models, [])
        }),
      )
    })

    describe("a team that is not there", () => {
      it.effect("gets no key, nor a key's budget", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const sql = yield* SqlClient.SqlClient
          yield* Effect.ignore((yield* Teams).create({ name: "search" }))
          const { key } = yield* keys.create({ name: "stays" })
          const count = sql`SELECT (SELECT count(*) FROM api_keys) AS keys, (SELECT count(*) FROM budgets) AS budgets`
          const before = yield* count
          const said = { team: "serach", budget: { limitNanoUsd: 5, timeZone: "UTC" } }
          for (const refused of [
            yield* Effect.flip(keys.create({ name: "x", ...said })),
            yield* Effect.flip(keys.set(key.id, { name: "y", ...said })),
          ]) {
            assert.deepInclude(refused, {
              _tag: "TeamNotFound",
              text: "No team has this name. Did you mean search?",
            })
          }
          assert.deepStrictEqual(yield* count, before)
          assert.deepStrictEqual(yield* keys.show(key.id), key)
        }),
      )
    })

    describe("set", () => {
      it.effect("changes what is said, takes away what is null and leaves the rest", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          yield* Effect.ignore((yield* Teams).create({ name: "search" }))
          const { key, secret } = yield* keys.create({
            name: "first",
            requestsPerMinute: 1,
            tokensPerMinute: 2,
            concurrency: 3,
            team: "search",
            tags: ["a"],
            models: ["auto"],
            mayIssue: true,
            expiresAt: DateTime.makeUnsafe("2100-01-01"),
          })
          assert.deepStrictEqual(yield* keys.set(key.id, {}), key)
          const renamed = yield* keys.set(key.id, { name: "second", tags: ["b", "b"], requestsPerMinute: 9 })
          assert.deepStrictEqual(renamed, { ...key, name: "second", tags: ["b"], requestsPerMinute: 9 })
          const bare = yield* keys.set(key.id, {
            requestsPerMinute: null,
            tokensPerMinute: null,
            concurrency: null,
            team: null,
            tags: [],
            models: null,
            mayIssue: false,
            expiresAt: null,
          })
          const { key: plain } = yield* keys.create({ name: "second" })
          assert.deepStrictEqual(bare, { ...plain, id: key.id, createdAt: key.createdAt })
          assert.deepStrictEqual(yield* keys.show(key.id), bare)
          assert.isTrue(compareSync(secretOf(secret), (yield* hashes(key.id)).hash))
        }),
      )

      it.effect("keeps a budget's alerts and time zone, and takes the named or every budget away", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const sql = yield* SqlClient.SqlClient
          const timeZone = "UTC"
          const { key } = yield* keys.create({ name: "spender", budget: { limitNanoUsd: 5, timeZone } })
          yield* sql`
            UPDATE budgets SET alert_percents = '{50}', time_zone = 'Asia/Tokyo' WHERE subject = ${key.id}`
          const more = yield* keys.set(key.id, { budget: { limitNanoUsd: 7, timeZone } })
          const said = { period: "month", limitNanoUsd: 7, timeZone: "Asia/Tokyo", alertPercents: [50] }
          assert.lengthOf(more.budgets, 1)
          assert.containsSubset(more.budgets, [said])
          const daily = { limitNanoUsd: 1, period: "day", timeZone } as const
          assert.lengthOf((yield* keys.set(key.id, { budget: daily })).budgets, 2)
          const { key: other } = yield* keys.create({ name: "other", budget: { limitNanoUsd: 5, timeZone } })
          const left = yield* keys.set(key.id, { budget: { limitNanoUsd: null, period: "day" } })
          assert.deepStrictEqual(
            left.budgets.map(({ period }) => period),
            ["month"],
          )
          yield* keys.set(key.id, { budget: daily })
          assert.isEmpty((yield* keys.set(key.id, { budget: { limitNanoUsd: null } })).budgets)
          assert.deepStrictEqual(yield* keys.show(other.id), other)
        }),
      )

      it.effect("is refused for a revoked and for no key", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key } = yield* keys.create({ name: "revoked" })
          const revoked = yield* keys.revoke(key.id)
          for (const changes of [{}, { name: "x" }, { budget: { limitNanoUsd: 5, timeZone: "UTC" } }]) {
            assert.strictEqual((yield* Effect.flip(keys.set(key.id, changes)))._tag, "ApiKeyRevoked")
          }
          assert.deepStrictEqual(yield* keys.show(key.id), revoked)
          for (const id of ["zzzzzzzzzzzz", "", "\0", "' OR 1=1 --"]) {
            assert.strictEqual((yield* Effect.flip(keys.set(id, { name: "x" })))._tag, "ApiKeyNotFound")
          }
        }),
      )
    })

    describe("list", () => {
      it.effect("pages through every key once, newest first", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const sql = yield* SqlClient.SqlClient
          // Ids decide between keys of the same instant.
          yield* sql`
              INSERT INTO api_keys (id, name, secret_hash, created_at)
              SELECT lpad(n::text, 12, '0'), 'bulk', 'x', now() - (n / 3) * interval '1 minute'
              FROM generate_series(1, 25) n`
          const seen: Array<string> = []
          let cursor: string | null = null
          do {
            const page: Effect.Success<ReturnType<ApiKeys["Service"]["list"]>> = yield* keys.list({
              limit: 7,
              ...(cursor === null ? {} : { cursor }),
            })
            assert.isAtMost(page.keys.length, 7)
            seen.push(...page.keys.map(({ id }) => id))
            cursor = page.nextCursor
          } while (cursor !== null)
          // PostgreSQL tells microseconds apart, which an answer does not.
          const all = yield* sql<{ id: string }>`SELECT id FROM api_keys ORDER BY created_at DESC, id DESC`
          assert.isAtLeast(all.length, 25)
          assert.deepStrictEqual(
            seen,
            all.map(({ id }) => id),
          )
        }),
      )

      it.effect("finds keys by a part of what they are called and belong to, and by whether they work", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const sql = yield* SqlClient.SqlClient
          yield* sql`
            INSERT INTO teams (name) VALUES ('Suche')`
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash, team, tags, models, may_issue, revoked_at, expires_at, created_at)
            VALUES
              ('FindFindFin1', 'Billing Service', 'x', 'Suche', '{prod,eu}', NULL, true, NULL, NULL, now()),
              ('FindFindFin2', 'billing_100%', 'x', NULL, '{}', '{openai/gpt-5.4}', true, now(), NULL, now() - interval '1 s'),
              ('FindFindFin3', 'nightly', 'x', NULL, '{prod}', NULL, true, NULL, now(), now() - interval '2 s')`
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash, parent_id, expires_at, created_at)
            VALUES
              ('FindFindFin4', 'of one', 'x', 'FindFindFin1', now() + interval '1 h', now() - interval '3 s'),
              ('FindFindFin5', 'of two', 'x', 'FindFindFin2', now() + interval '1 h', now() - interval '4 s'),
              ('FindFindFin6', 'of three', 'x', 'FindFindFin3', now() + interval '1 h', now() - interval '5 s')`
          const found = (options: Omit<Parameters<ApiKeys["Service"]["list"]>[0], "limit">) =>
            Effect.map(keys.list({ limit: 500, ...options }), ({ keys }) =>
              keys.flatMap(({ id }) => (id.startsWith("FindFindFin") ? [Number(id.at(-1))] : [])),
            )
          for (const [search, ids] of [
            ["", [1, 2, 3, 4, 5, 6]],
            ["BILLING", [1, 2]],
            ["findfindfin1", [1, 4]],
            ["suche", [1]],
            ["rod", [1, 3]],
            ["eu", [1]],
            ["gpt-5.4", [2]],
            ["_100%", [2]],
            // Neither patterns nor what stands side by side by chance.
            ["bill%", []],
            ["b_lling", []],
            ["prod eu", []],
            ["'", []],
          ] as const) {
            assert.deepStrictEqual(yield* found({ search }), [...ids], search)
          }
          assert.deepStrictEqual(yield* found({ active: true }), [1, 4])
          assert.deepStrictEqual(yield* found({ active: false }), [2, 3, 5, 6])
          assert.deepStrictEqual(yield* found({ active: true, search: "billing" }), [1])
          assert.deepStrictEqual(yield* found({ active: false, cursor: "FindFindFin3" }), [5, 6])
          const states = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => keys.show(`FindFindFin${n}`))
          assert.deepStrictEqual(
            states.map(({ state }) => state),
            ["active", "revoked", "expired", "active", "issuer_ended", "issuer_ended"],
          )
        }),
      )

      it.effect("ends with a page that is exactly full, and takes any cursor", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          yield* keys.create({ name: "one" })
          const all = yield* keys.list({ limit: 500 })
          assert.isNull(all.nextCursor)
          assert.isNull((yield* keys.list({ limit: all.keys.length })).nextCursor)
          assert.lengthOf((yield* keys.list({ limit: 0 })).keys, 1)
          for (const cursor of ["", "zzzzzzzzzzzz", "' OR 1=1 --", "\0"]) {
            assert.deepStrictEqual(yield* keys.list({ limit: 5, cursor }), { keys: [], nextCursor: null })
          }
        }),
      )
    })

    describe("rotate", () => {
      it.effect("keeps the old secret for the grace period on the database's clock", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key, secret: old } = yield* keys.create({ name: "rotated", requestsPerMinute: 3 })
          const { key: rotated, secret } = yield* keys.rotate(key.id, { graceMs: 90_000 })
          assert.strictEqual(rotated.id, key.id)
          assert.strictEqual(rotated.requestsPerMinute, 3)
          assert.notStrictEqual(Redacted.value(secret), Redacted.value(old))
          assert.strictEqual(parseApiKey(Redacted.value(secret))?.id, key.id)
          const { hash, previous, left } = yield* hashes(key.id)
          assert.isTrue(compareSync(secretOf(secret), hash))
          assert.isTrue(compareSync(secretOf(old), previous ?? ""))
          assert.approximately(left ?? 0, 90, 10)
          assert.isNotNull((yield* keys.show(key.id)).previousSecretUntil)
        }),
      )

      it.effect("without a grace period keeps nothing", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key } = yield* keys.create({ name: "rotated" })
          yield* keys.rotate(key.id, { graceMs: 60_000 })
          const { key: rotated } = yield* keys.rotate(key.id, { graceMs: 0 })
          assert.isNull(rotated.previousSecretUntil)
          assert.isNull((yield* hashes(key.id)).previous)
        }),
      )

      it.effect("of an absurd grace period still works", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key } = yield* keys.create({ name: "rotated" })
          yield* keys.rotate(key.id, { graceMs: Number.MAX_SAFE_INTEGER })
          yield* keys.rotate(key.id, { graceMs: -1 })
          assert.isNull((yield* hashes(key.id)).previous)
        }),
      )

      it.effect("is refused for a revoked and for no key", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key } = yield* keys.create({ name: "revoked" })
          yield* keys.revoke(key.id)
          assert.strictEqual((yield* Effect.flip(keys.rotate(key.id, { graceMs: 0 })))._tag, "ApiKeyRevoked")
          assert.strictEqual(
            (yield* Effect.flip(keys.rotate("zzzzzzzzzzzz", { graceMs: 0 })))._tag,
            "ApiKeyNotFound",
          )
        }),
      )
    })

    describe("revoke", () => {
      it.effect("is final and keeps its first instant", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          const { key } = yield* keys.create({ name: "revoked" })
          const first = yield* keys.revoke(key.id)
          assert.isNotNull(first.revokedAt)
          assert.deepStrictEqual(yield* keys.revoke(key.id), first)
          assert.deepStrictEqual(yield* keys.show(key.id), first)
        }),
      )

      it.effect("of what is no key finds nothing", () =>
        Effect.gen(function* () {
          const keys = yield* ApiKeys
          for (const id of ["zzzzzzzzzzzz", "", "\0", "' OR 1=1 --", "a".repeat(100_000)]) {
            assert.strictEqual((yield* Effect.flip(keys.revoke(id)))._tag, "ApiKeyNotFound")
            assert.strictEqual((yield* Effect.flip(keys.show(id)))._tag, "ApiKeyNotFound")
          }
        }),
      )
    })
  })
}
