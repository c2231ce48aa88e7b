import { assert, describe, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { Teams } from "../../src/auth/Teams.ts"
import { BudgetBook } from "../../src/budgets/BudgetBook.ts"
import { Settings } from "../../src/config/Settings.ts"
import { databases } from "../auth/databases.ts"
import { cheapHashes } from "../support/cheap-hashes.ts"

const USD = 1_000_000_000

const empty = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.andThen(sql`DELETE FROM budgets`, sql`TRUNCATE budget_windows, budget_leases, budget_alerts`),
)

/** What is written for a window by the gateways. */
const spend = Effect.fnUntraced(function* (
  id: number,
  at: string,
  {
    spent = 0,
    held = 0,
    holder = "a",
    seen = "0 seconds",
  }: { readonly spent?: number; readonly held?: number; readonly holder?: string; readonly seen?: string },
) {
  const sql = yield* SqlClient.SqlClient
  const start = sql`(SELECT budget_window_start(period, time_zone, ${at}::timestamptz) FROM budgets WHERE id = ${id})`
  yield* sql`
    INSERT INTO budget_windows (budget_id, starts_at, spent_nano_usd) VALUES (${id}, ${start}, ${spent}::bigint)
    ON CONFLICT (budget_id, starts_at) DO UPDATE SET spent_nano_usd = excluded.spent_nano_usd`
  yield* sql`
    INSERT INTO budget_leases
      (budget_id, starts_at, holder, granted_nano_usd, returned_nano_usd, settled_nano_usd, seen_at)
    VALUES (${id}, ${start}, ${holder}, ${held + 12}::bigint, 5, 7, now() - ${seen}::interval)`
})

for (const { name, database } of databases) {
  const services = Layer.mergeAll(
    ApiKeys.layer.pipe(Layer.provide(cheapHashes)),
    Teams.layer,
    BudgetBook.layer.pipe(Layer.provide(Settings.layerTest())),
  )
  layer(services.pipe(Layer.provideMerge(database)), { excludeTestServices: true })(
    `budgets in ${name}`,
    (it) => {
      it.effect("are created once for each subject and window, and replaced as a whole", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          const said = { scope: "user", subject: "Ada'; DROP TABLE budgets; --", period: "day" } as const
          const created = yield* book.set({
            ...said,
            limitNanoUsd: 50 * USD,
            alertPercents: [80, 50, 80],
            timeZone: "Europe/Berlin",
          })
          assert.deepInclude(created, { ...said, limitNanoUsd: 50 * USD, timeZone: "Europe/Berlin" })
          assert.deepStrictEqual(created.alertPercents, [50, 80])
          assert.deepStrictEqual(yield* book.show(String(created.id)), created)
          const replaced = yield* book.set({ ...said, limitNanoUsd: 9_000_000 * USD })
          assert.deepInclude(replaced, {
            id: created.id,
            limitNanoUsd: 9_000_000 * USD,
            alertPercents: [],
            timeZone: "UTC",
          })
          const other = yield* book.set({ ...said, period: "total", limitNanoUsd: 0 })
          assert.notStrictEqual(other.id, created.id)
          assert.isNull(other.resetsAt)
          assert.strictEqual(other.remainingNanoUsd, 0n)
        }),
      )

      it.effect("tell what is spent, reserved and left in the window that runs", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          for (const period of ["hour", "day", "week", "month", "total"] as const) {
            const { id } = yield* book.set({ scope: "gateway", subject: "", period, limitNanoUsd: 10 * USD })
            yield* spend(id, "2020-01-01T00:00:00Z", { spent: 9 * USD, holder: "past" })
            yield* spend(id, "now", { spent: 2 * USD, held: USD })
            yield* spend(id, "now", { spent: 2 * USD, held: 3, holder: "b" })
            // A process that could settle more than it was granted holds nothing, and nobody else's part.
            yield* spend(id, "now", { spent: 2 * USD, held: -9, holder: "c" })
            const shown = yield* book.show(String(id))
            assert.deepInclude(
              shown,
              {
                spentNanoUsd: 2_000_000_000n,
                reservedNanoUsd: 1_000_000_003n,
                remainingNanoUsd: 6_999_999_997n,
              },
              period,
            )
            if (period !== "total") {
              assert.isTrue(
                shown.resetsAt !== null && DateTime.isGreaterThan(shown.resetsAt, yield* DateTime.now),
              )
            }
            // A limit that was lowered below what is spent leaves nothing, and not less.
            const lowered = yield* book.set({ scope: "gateway", subject: "", period, limitNanoUsd: USD })
            assert.deepInclude(lowered, { spentNanoUsd: 2_000_000_000n, remainingNanoUsd: 0n })
          }
        }),
      )

      it.effect("are reset without what gateways hold that are alive", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          const sql = yield* SqlClient.SqlClient
          const { id } = yield* book.set({
            scope: "tag",
            subject: "eu",
            period: "day",
            limitNanoUsd: 9 * USD,
          })
          const { id: other } = yield* book.set({
            scope: "tag",
            subject: "us",
            period: "day",
            limitNanoUsd: 9 * USD,
          })
          yield* spend(other, "now", { spent: 4, held: 4, seen: "1 hour" })
          yield* spend(id, "2020-01-01", { spent: 3, held: 3, holder: "past", seen: "1 hour" })
          yield* spend(id, "now", { spent: 5, held: 7, holder: "alive", seen: "9 minutes" })
          yield* spend(id, "now", { spent: 5, held: 11, holder: "dead", seen: "11 minutes" })
          const reset = yield* book.reset(String(id))
          assert.deepInclude(reset, { spentNanoUsd: 0n, reservedNanoUsd: 7n })
          assert.deepInclude(yield* book.show(String(other)), { spentNanoUsd: 4n, reservedNanoUsd: 4n })
          const leases = yield* sql`
            SELECT holder FROM budget_leases
            WHERE budget_id = ${id} AND granted_nano_usd - returned_nano_usd - settled_nano_usd > 0 ORDER BY holder`
          assert.deepStrictEqual(leases, [{ holder: "alive" }, { holder: "past" }])
        }),
      )

      it.effect("that were reset alert anew, but for what is still to be told", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          const sql = yield* SqlClient.SqlClient
          const said = { scope: "gateway", subject: "", limitNanoUsd: 10, alertPercents: [50, 80] } as const
          const { id } = yield* book.set({ ...said, period: "total" })
          const alerts = sql`
            SELECT percent::int, sent_at IS NOT NULL AS sent FROM budget_alerts WHERE budget_id = ${id} ORDER BY percent`
          yield* spend(id, "now", { spent: 9 })
          yield* sql`UPDATE budget_alerts SET sent_at = now() WHERE percent = 50`
          yield* book.reset(String(id))
          assert.deepStrictEqual(yield* alerts, [{ percent: 80, sent: false }])
          yield* spend(id, "now", { spent: 6, holder: "b" })
          assert.deepStrictEqual(yield* alerts, [
            { percent: 50, sent: false },
            { percent: 80, sent: false },
          ])
        }),
      )

      it.effect("are deleted with all that is known of their windows", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          const sql = yield* SqlClient.SqlClient
          const said = { scope: "tag", period: "day", limitNanoUsd: 1, alertPercents: [50] } as const
          const { id } = yield* book.set({ ...said, subject: "eu" })
          const { id: other } = yield* book.set({ ...said, subject: "us" })
          yield* spend(id, "now", { spent: 5 })
          yield* spend(other, "now", { spent: 5 })
          assert.deepInclude(yield* book.delete(String(id)), { id, spentNanoUsd: 5n })
          for (const table of ["budgets", "budget_windows", "budget_leases", "budget_alerts"]) {
            const column = sql(table === "budgets" ? "id" : "budget_id")
            assert.deepStrictEqual(yield* sql`SELECT ${column}::int AS id FROM ${sql(table)}`, [
              { id: other },
            ])
          }
          for (const method of ["show", "reset", "delete"] as const) {
            for (const gone of [String(id), "", "x", "-1", "1e3", "9".repeat(40), "\0"]) {
              assert.strictEqual((yield* Effect.flip(book[method](gone)))._tag, "BudgetNotFound")
            }
          }
        }),
      )

      it.effect("page through all, newest first, and those of a scope and a subject", () =>
        Effect.gen(function* () {
          yield* empty
          const book = yield* BudgetBook
          for (const subject of ["a", "b", "c", "d", "e"]) {
            for (const period of ["day", "month"] as const) {
              yield* book.set({ scope: "user", subject, period, limitNanoUsd: USD })
            }
          }
          yield* book.set({ scope: "tag", subject: "a", period: "day", limitNanoUsd: USD })
          const seen: Array<number> = []
          let cursor: string | null = null
          do {
            const page: Effect.Success<ReturnType<BudgetBook["Service"]["list"]>> = yield* book.list({
              limit: 4,
              ...(cursor === null ? {} : { cursor }),
            })
            seen.push(...page.budgets.map(({ id }) => id))
            cursor = page.nextCursor
          } while (cursor !== null)
          assert.lengthOf(seen, 11)
          assert.deepStrictEqual(
            seen,
            [...new Set(seen)].toSorted((a, b) => b - a),
          )
          const users = yield* book.list({ limit: 10, scope: "user" })
          assert.lengthOf(users.budgets, 10)
          assert.isNull(users.nextCursor)
          assert.lengthOf((yield* book.list({ limit: 10, subject: "a" })).budgets, 3)
          const both = yield* book.list({ limit: 10, scope: "tag", subject: "a" })
          assert.deepStrictEqual(
            both.budgets.map(({ scope }) => scope),
            ["tag"],
          )
          for (const cursor of ["", "x", "' OR 1=1 --", "\0"]) {
            assert.deepStrictEqual(yield* book.list({ limit: 5, cursor }), { budgets: [], nextCursor: null })
          }
        }),
      )

      describe("of a key or a team", () => {
        it.effect("are refused when that is not there", () =>
          Effect.gen(function* () {
            const book = yield* BudgetBook
            const keys = yield* ApiKeys
            yield* Effect.ignore((yield* Teams).create({ name: "search" }))
            const { key } = yield* keys.create({ name: "revoked" })
            yield* keys.revoke(key.id)
            const said = { period: "day", limitNanoUsd: USD } as const
            for (const [scope, subject, text] of [
              ["key", "zzzzzzzzzzzz", "No API key has this id."],
              ["key", key.id, "The API key is revoked for good."],
              ["team", "serach", "No team has this name. Did you mean search?"],
              ["team", "x", "No team has this name."],
            ] as const) {
              const error = yield* Effect.flip(book.set({ scope, subject, ...said }))
              assert.deepInclude(error, { _tag: "NoSuchSubject", text })
            }
            yield* book.set({ scope: "team", subject: "search", ...said })
          }),
        )

        it.effect("are a change of each key that they hold for", () =>
          Effect.gen(function* () {
            const book = yield* BudgetBook
            const sql = yield* SqlClient.SqlClient
            yield* (yield* Teams).create({ name: "sales" })
            const { key } = yield* (yield* ApiKeys).create({ name: "seller", team: "sales" })
            const version = Effect.map(
              sql<{ seq: number }>`SELECT change_seq::float8 AS seq FROM api_keys WHERE id = ${key.id}`,
              ([row]) => row?.seq ?? 0,
            )
            let before = yield* version
            const budget = yield* book.set({
              scope: "team",
              subject: "sales",
              period: "day",
              limitNanoUsd: USD,
            })
            for (const change of [
              book.set({ scope: "key", subject: key.id, period: "day", limitNanoUsd: USD }),
              book.set({ scope: "team", subject: "sales", period: "day", limitNanoUsd: 2 * USD }),
              book.delete(String(budget.id)),
            ]) {
              assert.isAbove(yield* version, before)
              before = yield* version
              yield* change
            }
            assert.isAbove(yield* version, before)
          }),
        )
      })

      it.effect("of a time zone that the database does not have are refused", () =>
        Effect.gen(function* () {
          const book = yield* BudgetBook
          const said = { scope: "gateway", subject: "", period: "week", limitNanoUsd: USD } as const
          const error = yield* Effect.flip(book.set({ ...said, timeZone: "Mars/Olympus" }))
          assert.strictEqual(error._tag, "UnknownTimeZone")
        }),
      )
    },
  )
}
