import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { ChildKeys } from "../../src/auth/ChildKeys.ts"
import type { ChildRequest } from "../../src/auth/child-key-rules.ts"
import { SecretHasher } from "../../src/auth/SecretHasher.ts"
import { MAX_LIVE_CHILDREN } from "../../src/domain/bounds.ts"
import type { KeyId } from "../../src/domain/Ids.ts"
import { principalOf } from "../support/principal-of.ts"
import { databases } from "./databases.ts"

const asked: ChildRequest = { name: "run", lifetimeSeconds: 60, budgetNanoUsd: 5_000_000 }

/** Hashes at the same time, so that what follows is at the same time too. */
const hasher = Layer.succeed(SecretHasher, {
  hash: () => Effect.delay(Effect.succeed("a hash"), "20 millis"),
  matches: () => Effect.die("no test compares"),
})

/** A key that may issue others, in the table and as the authenticator knows it. */
const makeIssuer = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { key } = yield* (yield* ApiKeys).create({ name: "issuer", models: ["auto", "p/*"] })
  yield* sql`INSERT INTO teams (name) VALUES ('search') ON CONFLICT DO NOTHING`
  yield* sql`UPDATE api_keys SET may_issue = true, team = 'search', tags = '{prod,eu}' WHERE id = ${key.id}`
  return principalOf(key.id, { mayIssue: true })
})

/** Puts live children of a key into the table. */
const bulk = Effect.fnUntraced(function* (issuer: KeyId, count: number, prefix: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO api_keys (id, name, secret_hash, parent_id, expires_at)
    SELECT ${prefix} || lpad(n::text, 8, '0'), 'bulk', 'x', ${issuer}, now() + interval '1 hour'
    FROM generate_series(1, ${count}::int) AS n`
})

for (const { name, database } of databases) {
  layer(
    Layer.merge(ApiKeys.layerNoDeps, ChildKeys.layerNoDeps).pipe(
      Layer.provide(hasher),
      Layer.provideMerge(database),
    ),
    { excludeTestServices: true },
  )(`child keys in ${name}`, (it) => {
    describe("a child", () => {
      it.effect("has what its issuer has, and a budget of its own", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const issuer = yield* makeIssuer
          const { key } = yield* (yield* ChildKeys).create(issuer, { ...asked, tags: ["eu", "run-1"] })
          const { createdAt, expiresAt, ...rest } = key
          assert.deepStrictEqual(rest, {
            id: key.id,
            name: "run",
            parentId: issuer.keyId,
            team: "search",
            tags: ["eu", "prod", "run-1"],
            models: ["auto", "p/*"],
            requestsPerMinute: null,
            tokensPerMinute: null,
            concurrency: null,
            budgetNanoUsd: 5_000_000,
          })
          assert.strictEqual(expiresAt.epochMilliseconds - createdAt.epochMilliseconds, 60_000)
          const budgets = yield* sql`
            SELECT scope, period, limit_nano_usd::int AS limit FROM budgets WHERE subject = ${key.id}`
          assert.deepStrictEqual(budgets, [{ scope: "key", period: "total", limit: 5_000_000 }])
          assert.strictEqual((yield* (yield* ApiKeys).show(key.id)).parentId, issuer.keyId)
          const mayIssue = yield* sql`SELECT may_issue FROM api_keys WHERE id = ${key.id}`
          assert.deepStrictEqual(mayIssue, [{ may_issue: false }])
        }),
      )

      it.effect("keeps what it asked for, and outlives its issuer by nothing", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const issuer = yield* makeIssuer
          yield* sql`UPDATE api_keys SET expires_at = now() + interval '10 seconds' WHERE id = ${issuer.keyId}`
          const own = {
            requestsPerMinute: 5,
            tokensPerMinute: 3_000_000_000,
            concurrency: 2,
            models: ["auto"],
          }
          const { key } = yield* (yield* ChildKeys).create(issuer, { ...asked, ...own })
          assert.deepInclude(key, own)
          assert.isBelow(key.expiresAt.epochMilliseconds - key.createdAt.epochMilliseconds, 10_001)
        }),
      )

      it.effect("is refused to a key that may not issue, or may not any more, or was issued itself", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const children = yield* ChildKeys
          const issuer = yield* makeIssuer
          const refused = Effect.map(Effect.flip(children.create(issuer, asked)), ({ _tag }) => _tag)
          const { keyId } = issuer
          assert.strictEqual(
            (yield* Effect.flip(children.create({ ...issuer, mayIssue: false }, asked)))._tag,
            "MayNotIssue",
          )
          const { key } = yield* children.create(issuer, asked)
          for (const [spoil, mend] of [
            [
              sql`UPDATE api_keys SET may_issue = false WHERE id = ${keyId}`,
              sql`UPDATE api_keys SET may_issue = true WHERE id = ${keyId}`,
            ],
            [
              sql`UPDATE api_keys SET revoked_at = now() WHERE id = ${keyId}`,
              sql`UPDATE api_keys SET revoked_at = NULL WHERE id = ${keyId}`,
            ],
            [
              sql`UPDATE api_keys SET expires_at = now() WHERE id = ${keyId}`,
              sql`UPDATE api_keys SET expires_at = NULL WHERE id = ${keyId}`,
            ],
          ] as const) {
            yield* spoil
            assert.strictEqual(yield* refused, "MayNotIssue")
            yield* mend
          }
          yield* sql`UPDATE api_keys SET may_issue = true WHERE id = ${key.id}`
          const grandchild = children.create(principalOf(key.id, { mayIssue: true }), asked)
          assert.strictEqual((yield* Effect.flip(grandchild))._tag, "MayNotIssue")
          const beyond = children.create(
            { ...issuer, models: new Set(["auto"]) },
            { ...asked, models: ["x"] },
          )
          assert.strictEqual((yield* Effect.flip(beyond))._tag, "BeyondIssuer")
        }),
      )

      it.effect("is one of so many, however many are asked for at once; those that ended do not count", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const children = yield* ChildKeys
          const issuer = yield* makeIssuer
          yield* bulk(issuer.keyId, MAX_LIVE_CHILDREN - 1, "live")
          yield* bulk(issuer.keyId, 5, "gone")
          yield* sql`UPDATE api_keys SET revoked_at = now() WHERE id IN ('gone00000001', 'gone00000002')`
          yield* sql`
            UPDATE api_keys SET expires_at = now() - interval '1 second'
            WHERE id IN ('gone00000003', 'gone00000004', 'gone00000005')`
          // Connections for both, so that they are at the same place at the same time.
          yield* Effect.all([sql`SELECT pg_sleep(0.05)`, sql`SELECT pg_sleep(0.05)`], { concurrency: 2 })
          const tags = yield* Effect.all(
            [1, 2].map(() =>
              Effect.match(children.create(issuer, asked), {
                onSuccess: () => "issued",
                onFailure: ({ _tag }) => _tag,
              }),
            ),
            { concurrency: "unbounded" },
          )
          assert.sameMembers(tags, ["issued", "TooManyChildren"])
          const error = yield* Effect.flip(children.create(issuer, asked))
          assert.strictEqual(error._tag, "TooManyChildren")
          if (error._tag === "TooManyChildren") assert.approximately(error.retryAfterMs, 60_000, 30_000)
        }),
      )

      it.effect("is made beside one more of the same issuer at most", () =>
        Effect.gen(function* () {
          const children = yield* ChildKeys
          const [issuer, other] = [yield* makeIssuer, yield* makeIssuer]
          const fibers = yield* Effect.forEach([issuer, issuer, issuer, other], (each) =>
            Effect.forkChild(
              Effect.flip(Effect.flip(children.create(each, asked)).pipe(Effect.map(({ _tag }) => _tag))),
              {
                startImmediately: true,
              },
            ),
          )
          const ends = yield* Effect.forEach(fibers, (fiber) => Effect.exit(Fiber.join(fiber)))
          assert.deepStrictEqual(
            ends.map(({ _tag }) => _tag),
            ["Success", "Success", "Failure", "Success"],
          )
        }),
      )
    })

    describe("the end of a child", () => {
      it.effect("comes from its issuer alone, and stays", () =>
        Effect.gen(function* () {
          const children = yield* ChildKeys
          const [issuer, other] = [yield* makeIssuer, yield* makeIssuer]
          const { key } = yield* children.create(issuer, asked)
          for (const [of, id] of [
            [other.keyId, key.id],
            [issuer.keyId, issuer.keyId],
            [issuer.keyId, "nobody"],
          ] as const) {
            assert.strictEqual((yield* Effect.flip(children.revoke(of, id)))._tag, "ApiKeyNotFound")
          }
          const first = yield* children.revoke(issuer.keyId, key.id)
          assert.deepStrictEqual(yield* children.revoke(issuer.keyId, key.id), first)
        }),
      )

      it.effect("is followed by that of its row and its budget after 30 days, and of nothing else", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const children = yield* ChildKeys
          const issuer = yield* makeIssuer
          yield* sql`UPDATE api_keys SET expires_at = now() - interval '90 days' WHERE id = ${issuer.keyId}`
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash, parent_id, expires_at)
            SELECT 'end' || lpad(n::text, 9, '0'), 'ended', 'x', ${issuer.keyId}, now() - interval '31 days'
            FROM generate_series(1, 501) AS n`
          yield* sql`
            INSERT INTO api_keys (id, name, secret_hash, parent_id, expires_at)
            VALUES ('endedlately1', 'ended', 'x', ${issuer.keyId}, now() - interval '29 days')`
          yield* sql`
            INSERT INTO budgets (scope, subject, period, limit_nano_usd)
            VALUES ('key', 'end000000001', 'total', 1), ('tag', 'end000000001', 'total', 1),
              ('key', 'endedlately1', 'total', 1)`
          yield* sql`
            INSERT INTO budget_windows (budget_id, starts_at)
            SELECT id, '-infinity' FROM budgets WHERE subject LIKE 'end%'`
          const upkeep = yield* Effect.forkChild(children.upkeep, { startImmediately: true })
          const left = sql<{ id: string }>`SELECT id FROM api_keys WHERE parent_id = ${issuer.keyId}`
          while ((yield* left).length > 1) yield* Effect.sleep("5 millis")
          yield* Fiber.interrupt(upkeep)
          assert.deepStrictEqual(yield* left, [{ id: "endedlately1" }])
          const budgets = yield* sql`
            SELECT scope, subject FROM budgets WHERE subject LIKE 'end%' ORDER BY scope`
          assert.deepStrictEqual(budgets, [
            { scope: "key", subject: "endedlately1" },
            { scope: "tag", subject: "end000000001" },
          ])
          const windows = yield* sql`
            SELECT subject FROM budget_windows LEFT JOIN budgets ON id = budget_id ORDER BY subject`
          assert.deepStrictEqual(windows, [{ subject: "end000000001" }, { subject: "endedlately1" }])
          assert.strictEqual((yield* (yield* ApiKeys).show(issuer.keyId)).name, "issuer")
        }),
      )
    })
  })
}
