import { assert, describe, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { Teams } from "../../src/auth/Teams.ts"
import { BudgetBook } from "../../src/budgets/BudgetBook.ts"
import { Settings } from "../../src/config/Settings.ts"
import { cheapHashes } from "../support/cheap-hashes.ts"
import { databases } from "./databases.ts"

for (const { name, database } of databases) {
  const services = Layer.mergeAll(
    ApiKeys.layer.pipe(Layer.provide(cheapHashes)),
    Teams.layer,
    BudgetBook.layer.pipe(Layer.provide(Settings.layerTest())),
  )
  layer(services.pipe(Layer.provideMerge(database)), { excludeTestServices: true })(
    `teams in ${name}`,
    (it) => {
      it.effect("keep their limits, and have none that was not given", () =>
        Effect.gen(function* () {
          const teams = yield* Teams
          const limits = { requestsPerMinute: 600, tokensPerMinute: 3_000_000_000, concurrency: 8 }
          const created = yield* teams.create({ name: "search", ...limits })
          assert.deepInclude(created, { name: "search", ...limits, activeKeys: 0, budgets: [] })
          assert.deepStrictEqual(yield* teams.show("search"), created)
          const none = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null }
          assert.deepInclude(yield* teams.create({ name: "Search" }), none)
          assert.strictEqual((yield* Effect.flip(teams.create({ name: "search" })))._tag, "TeamExists")
          assert.deepStrictEqual(yield* teams.show("search"), created)
        }),
      )

      it.effect("are changed in what is said alone, which their keys hear of", () =>
        Effect.gen(function* () {
          const teams = yield* Teams
          const sql = yield* SqlClient.SqlClient
          yield* teams.create({ name: "sales", requestsPerMinute: 1, tokensPerMinute: 2, concurrency: 3 })
          const { key } = yield* (yield* ApiKeys).create({ name: "seller", team: "sales" })
          const version = sql`SELECT change_seq FROM api_keys WHERE id = ${key.id}`
          const before = yield* version
          const changed = yield* teams.set("sales", { requestsPerMinute: 9, tokensPerMinute: null })
          assert.deepInclude(changed, { requestsPerMinute: 9, tokensPerMinute: null, concurrency: 3 })
          assert.deepStrictEqual(yield* teams.show("sales"), changed)
          assert.notDeepEqual(yield* version, before)
          assert.deepStrictEqual(yield* teams.set("sales", {}), changed)
        }),
      )

      it.effect("are listed by name, a page at a time", () =>
        Effect.gen(function* () {
          const teams = yield* Teams
          const sql = yield* SqlClient.SqlClient
          for (const name of ["b", "a-1", "B", "a.1", "a_1", "10", "9"]) yield* teams.create({ name })
          const seen: Array<string> = []
          let cursor: string | null = null
          do {
            const page: Effect.Success<ReturnType<Teams["Service"]["list"]>> = yield* teams.list({
              limit: 2,
              ...(cursor === null ? {} : { cursor }),
            })
            seen.push(...page.teams.map(({ name }) => name))
            cursor = page.nextCursor
          } while (cursor !== null)
          const all = yield* sql<{ name: string }>`SELECT name FROM teams`
          assert.deepStrictEqual(
            seen,
            all.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1)),
          )
        }),
      )

      it.effect("that are not there are said to be nowhere, with the nearest", () =>
        Effect.gen(function* () {
          const teams = yield* Teams
          yield* Effect.ignore(teams.create({ name: "search" }))
          for (const method of [teams.show, (name: string) => teams.set(name, {}), teams.delete]) {
            const error = yield* Effect.flip(method("serach"))
            assert.deepInclude(error, {
              _tag: "TeamNotFound",
              text: "No team has this name. Did you mean search?",
            })
            for (const name of ["", "\0", "' OR 1=1 --", "x".repeat(100_000)]) {
              assert.strictEqual((yield* Effect.flip(method(name)))._tag, "TeamNotFound")
            }
          }
        }),
      )

      describe("deletion", () => {
        it.effect("is refused while a usable key or a budget belongs to the team, and says which", () =>
          Effect.gen(function* () {
            const teams = yield* Teams
            const keys = yield* ApiKeys
            const book = yield* BudgetBook
            yield* teams.create({ name: "busy" })
            const ids: Array<string> = []
            for (let i = 0; i < 7; i++) ids.unshift((yield* keys.create({ name: "k", team: "busy" })).key.id)
            const budget = yield* book.set({ scope: "team", subject: "busy", period: "day", limitNanoUsd: 5 })
            const refused = yield* Effect.flip(teams.delete("busy"))
            assert.deepInclude(refused, {
              _tag: "TeamInUse",
              text:
                `Keys belong to the team: ${ids.slice(0, 5).join(", ")} and 2 more. Revoke them or give them another team. ` +
                `Budgets belong to the team: ${budget.id}. Delete them first.`,
            })
            for (const id of ids) yield* keys.set(id, { team: null })
            assert.deepInclude(yield* Effect.flip(teams.delete("busy")), {
              text: `Budgets belong to the team: ${budget.id}. Delete them first.`,
            })
            yield* book.delete(String(budget.id))
            assert.deepInclude(yield* teams.delete("busy"), { name: "busy", activeKeys: 0 })
            assert.strictEqual((yield* Effect.flip(teams.show("busy")))._tag, "TeamNotFound")
          }),
        )

        it.effect("leaves no budget and no key of a team that is gone, whoever comes first", () =>
          Effect.gen(function* () {
            const teams = yield* Teams
            const keys = yield* ApiKeys
            const book = yield* BudgetBook
            const sql = yield* SqlClient.SqlClient
            const seen = new Set<string>()
            const noting = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
              Effect.match(effect, {
                onSuccess: () => seen.add("done"),
                onFailure: ({ _tag }) => seen.add(_tag),
              })
            for (let round = 0; round < 40; round++) {
              const name = `race-${round}`
              yield* teams.create({ name })
              yield* Effect.all(
                [
                  noting(teams.delete(name)),
                  noting(book.set({ scope: "team", subject: name, period: "day", limitNanoUsd: 1 })),
                  noting(keys.create({ name, team: name })),
                ],
                { concurrency: "unbounded" },
              )
              const orphans = yield* sql`
                SELECT subject FROM budgets WHERE scope = 'team' AND subject NOT IN (SELECT name FROM teams)`
              assert.isEmpty(orphans)
            }
            assert.include([...seen], "done")
            assert.isEmpty([...seen].filter((tag) => tag.endsWith("Unavailable")))
          }),
        )

        it.effect("takes the name from keys that nobody can use", () =>
          Effect.gen(function* () {
            const teams = yield* Teams
            const keys = yield* ApiKeys
            yield* teams.create({ name: "gone" })
            const revoked = yield* keys.create({ name: "revoked", team: "gone" })
            yield* keys.revoke(revoked.key.id)
            const expired = yield* keys.create({
              name: "expired",
              team: "gone",
              expiresAt: DateTime.makeUnsafe("2020-01-01"),
            })
            assert.strictEqual((yield* teams.show("gone")).activeKeys, 0)
            yield* teams.delete("gone")
            for (const { key } of [revoked, expired]) assert.isNull((yield* keys.show(key.id)).team)
          }),
        )
      })
    },
  )
}
