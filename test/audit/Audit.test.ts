import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { CurrentActor } from "../../src/audit/Actor.ts"
import { Audit } from "../../src/audit/Audit.ts"
import { audited } from "../../src/audit/audited.ts"
import { forgetKeyEntries } from "../../src/audit/forget-key-entries.ts"
import { databases } from "../auth/databases.ts"

/** Inserts a team as the change of a test. */
const createTeam = (name: string, end: Effect.Effect<unknown, string> = Effect.void) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const change = sql`INSERT INTO teams (name) VALUES (${name})`.pipe(
      Effect.andThen(end),
      Effect.as({ before: null, after: { name } }),
    )
    return yield* audited(sql, { action: "team.create", subject: name }, change)
  })

const rows = Effect.fnUntraced(function* (subject: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ teams: number; entries: number }>`
    SELECT
      (SELECT count(*)::int FROM teams WHERE name = ${subject}) AS teams,
      (SELECT count(*)::int FROM audit_log WHERE subject = ${subject}) AS entries`
  return [row?.teams, row?.entries]
})

const everything = { limit: 1_000 }

for (const { name, database } of databases) {
  layer(Layer.provideMerge(Audit.layer, database), { excludeTestServices: true })(
    `audit in ${name}`,
    (it) => {
      describe("a change and its row", () => {
        it.effect("are there together, with who made it", () =>
          Effect.gen(function* () {
            yield* Effect.provideService(createTeam("both"), CurrentActor, {
              name: "Ada",
              via: "api",
              requestId: "r-1",
            })
            assert.deepStrictEqual(yield* rows("both"), [1, 1])
            const { entries } = yield* (yield* Audit).list({ ...everything, subject: "both" })
            const [{ at, id, ...entry } = { at: "", id: 0 }] = entries
            assert.deepStrictEqual(entry, {
              actor: "Ada",
              via: "api",
              action: "team.create",
              subject: "both",
              before: null,
              after: { name: "both" },
              request_id: "r-1",
            })
            assert.isAbove(id, 0)
            assert.approximately(Date.parse(at), Date.now(), 60_000)
          }),
        )

        it.effect("are neither there when the change fails", () =>
          Effect.gen(function* () {
            assert.isTrue(Exit.isFailure(yield* Effect.exit(createTeam("failed", Effect.fail("no")))))
            assert.deepStrictEqual(yield* rows("failed"), [0, 0])
          }),
        )

        it.effect("are neither there when the row cannot be written", () =>
          Effect.gen(function* () {
            const unknownWay = { name: "Ada", via: "elsewhere" as "api" }
            const exit = yield* Effect.exit(
              Effect.provideService(createTeam("unwritten"), CurrentActor, unknownWay),
            )
            assert.isTrue(Exit.isFailure(exit))
            assert.deepStrictEqual(yield* rows("unwritten"), [0, 0])
          }),
        )

        it.effect("are no row where nothing changed", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const what = { action: "team.set", subject: "same" }
            yield* audited(sql, what, Effect.succeed({ before: { a: 1 }, after: { a: 1 } }))
            assert.isUndefined(yield* audited(sql, what, Effect.undefined))
            assert.deepStrictEqual(yield* rows("same"), [0, 0])
            yield* audited(sql, what, Effect.succeed({ before: { a: 1 }, after: { a: 2 } }))
            assert.deepStrictEqual(yield* rows("same"), [0, 1])
          }),
        )
      })

      describe("the listing", () => {
        it.effect("has every row once over its pages, newest first, also of one instant", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const audit = yield* Audit
            yield* sql`
            INSERT INTO audit_log (at, actor, via, action, subject)
            SELECT now() - (n / 3) * interval '1 microsecond', 'bulk', 'cli', 'x.y', 's' || n % 2
            FROM generate_series(1, 25) AS n`
            const seen: Array<number> = []
            let cursor: string | null = null
            do {
              const page: Effect.Success<ReturnType<Audit["Service"]["list"]>> = yield* audit.list({
                limit: 4,
                action: "x.y",
                ...(cursor === null ? {} : { cursor }),
              })
              seen.push(...page.entries.map(({ id }) => id))
              cursor = page.nextCursor
            } while (cursor !== null)
            const all = yield* sql<{ id: number }>`
            SELECT id::int AS id FROM audit_log WHERE action = 'x.y' ORDER BY at DESC, id DESC`
            assert.deepStrictEqual(
              seen,
              all.map(({ id }) => id),
            )
            assert.lengthOf(seen, 25)
            const one = yield* audit.list({ ...everything, action: "x.y", subject: "s1" })
            assert.lengthOf(one.entries, 13)
            assert.isNull(one.nextCursor)
          }),
        )

        it.effect("holds to its span", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const audit = yield* Audit
            yield* sql`
            INSERT INTO audit_log (at, actor, via, action, subject) VALUES
              ('2026-01-01T00:00:00Z', 'a', 'cli', 'span', '1'), ('2026-01-02T00:00:00Z', 'a', 'cli', 'span', '2')`
            const subjects = (span: { readonly fromMs?: number; readonly toMs?: number }) =>
              Effect.map(audit.list({ ...everything, ...span, action: "span" }), ({ entries }) =>
                entries.map(({ subject }) => subject),
              )
            const second = Date.UTC(2026, 0, 2)
            assert.deepStrictEqual(yield* subjects({}), ["2", "1"])
            assert.deepStrictEqual(yield* subjects({ fromMs: second }), ["2"])
            assert.deepStrictEqual(yield* subjects({ toMs: second }), ["1"])
          }),
        )

        it.effect("refuses what is no cursor, and takes any text as a filter", () =>
          Effect.gen(function* () {
            const audit = yield* Audit
            for (const cursor of ["", "x", Buffer.from('{"micros":"x","id":"1"}').toString("base64url")]) {
              const error = yield* Effect.flip(audit.list({ ...everything, cursor }))
              assert.strictEqual(error._tag, "InvalidAuditCursor")
            }
            for (const text of ["", "\0", "\ud800", "' OR true --"]) {
              const page = yield* audit.list({ ...everything, subject: text, action: text })
              assert.deepStrictEqual(page, { entries: [], nextCursor: null })
            }
          }),
        )
      })

      it.effect("forgets what keys did after 90 days, and nothing else", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`
          INSERT INTO audit_log (at, actor, via, action, subject)
          SELECT now() - interval '91 days', 'old', CASE WHEN n <= 1200 THEN 'key' ELSE 'cli' END, 'old', 'old'
          FROM generate_series(1, 1201) AS n`
          yield* sql`
          INSERT INTO audit_log (at, actor, via, action, subject)
          VALUES (now() - interval '89 days', 'young', 'key', 'old', 'old')`
          yield* forgetKeyEntries(sql)
          const left = yield* sql`SELECT actor, via FROM audit_log WHERE action = 'old' ORDER BY at`
          assert.deepStrictEqual(left, [
            { actor: "old", via: "cli" },
            { actor: "young", via: "key" },
          ])
        }),
      )
    },
  )
}
