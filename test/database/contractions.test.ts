import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../src/database/Database.ts"
import { applyMigrations, migrations } from "../../src/database/migrations.ts"
import { freshPostgresUrl, layerPostgres } from "../support/Databases.ts"
import { contractions, readShape, type Shape } from "./schema-shape.ts"

/** The first migration after which a schema says which gateways it takes. */
const FIRST_SAYS = 21

const numberOf = (name: string) => Number.parseInt(name, 10)

/** What the schema says, once the migrations up to that one are applied; 0 is put there before, so that each says its own. */
const saidBy = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ schema: number }>`SELECT schema FROM oldest_gateway`
  yield* sql`UPDATE oldest_gateway SET schema = 0`
  return row?.schema ?? 0
})

interface Step {
  readonly name: string
  readonly contractions: ReadonlyArray<string>
  /** Number of the latest migration that the oldest gateway knows which may start; 0: it says nothing. */
  readonly oldest: number
}

/** Applies the migrations one by one. */
const steps = Effect.gen(function* () {
  const taken: Array<Step> = []
  let before: Shape = { offers: new Map(), demands: new Map() }
  const names = Object.keys(migrations)
  for (const name of names) {
    yield* applyMigrations(
      Object.fromEntries(Object.entries(migrations).filter(([other]) => numberOf(other) <= numberOf(name))),
    )
    const after = yield* readShape
    const oldest = numberOf(name) < FIRST_SAYS ? 0 : yield* saidBy
    taken.push({ name, contractions: contractions(before, after), oldest })
    before = after
  }
  return taken
})

const fresh = Database.layerPool({
  applicationName: "test",
  maxConnections: 1,
  statementTimeoutMs: 30_000,
}).pipe(Layer.provide(Layer.unwrap(Effect.map(freshPostgresUrl, Database.layerServer))))

describe("migrations", () => {
  it.live("take nothing from older gateways without saying which of them may still start", () =>
    Effect.gen(function* () {
      const taken = yield* steps
      for (const { name, contractions, oldest } of taken) {
        const number = numberOf(name)
        if (number < FIRST_SAYS) continue
        assert.isAtMost(oldest, number, `${name} refuses the version that it is of`)
        assert.isTrue(
          contractions.length === 0 || oldest > 0,
          `${name} takes something from gateways that do not know it: ${contractions.join("; ")}. Rather add what is new ` +
            "beside it, and take the old away in a later version. The migration that does writes to oldest_gateway the " +
            "number of the first migration whose version does without",
        )
      }
      // Of before there was this rule, to see that it is looked at.
      const found = new Map(taken.map((step) => [numberOf(step.name), step.contractions]))
      assert.includeMembers([...(found.get(5) ?? [])], ["table usage_rollups was a table, is a view"])
      assert.deepStrictEqual(found.get(8), [])
    }).pipe(Effect.provide(fresh)),
  )
})

describe("what a migration takes from older gateways", () => {
  layer(layerPostgres)((it) => {
    const changesOf = Effect.fnUntraced(function* (statements: string) {
      const sql = yield* SqlClient.SqlClient
      return yield* sql
        .withTransaction(
          Effect.gen(function* () {
            const before = yield* readShape
            for (const statement of statements.split(";")) yield* sql.unsafe(statement)
            const found = contractions(before, yield* readShape)
            return yield* Effect.fail(found)
          }),
        )
        .pipe(Effect.flip)
    })

    it.effect.each([
      ["ALTER TABLE api_keys DROP COLUMN tags", ["column api_keys.tags is gone"]],
      ["ALTER TABLE api_keys RENAME COLUMN tags TO labels", ["column api_keys.tags is gone"]],
      [
        "ALTER TABLE attempts ALTER COLUMN latency_ms TYPE bigint",
        ["column attempts.latency_ms was integer, is bigint"],
      ],
      ["ALTER TABLE api_keys ADD COLUMN owner text NOT NULL", ["api_keys.owner must be given"]],
      ["ALTER TABLE requests ALTER COLUMN route SET NOT NULL", ["requests.route must be given"]],
      ["ALTER TABLE requests ALTER COLUMN requests DROP DEFAULT", ["requests.requests must be given"]],
      ["ALTER TABLE budgets ADD CHECK (time_zone <> '')", ["budgets: CHECK ((time_zone <> ''::text))"]],
      [
        "CREATE UNIQUE INDEX one_name ON api_keys (name)",
        ["api_keys: unique CREATE UNIQUE INDEX one_name ON public.api_keys USING btree (name)"],
      ],
      [
        "ALTER TABLE budgets DROP CONSTRAINT budgets_scope_subject_period_key",
        ["unique budgets scope, subject, period is gone"],
      ],
      ["DROP FUNCTION sweep_limits", ["function sweep_limits() is gone"]],
      [
        "ALTER TABLE budget_alerts RENAME TO alerts; CREATE VIEW budget_alerts AS SELECT * FROM alerts",
        ["table budget_alerts was a table, is a view"],
      ],
    ] as const)("is seen: %s", ([statements, expected]) =>
      Effect.gen(function* () {
        assert.includeMembers([...(yield* changesOf(statements))], [...expected])
      }),
    )

    it.effect.each([
      "CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL, CHECK (id > 0))",
      "ALTER TABLE api_keys ADD COLUMN owner text NOT NULL DEFAULT '', ADD COLUMN floor int CHECK (floor > 0)",
      "ALTER TABLE api_keys ADD COLUMN owner text REFERENCES teams",
      "ALTER TABLE requests ALTER COLUMN endpoint DROP NOT NULL",
      "CREATE INDEX ON api_keys (name)",
      "CREATE FUNCTION sweep_limits(before timestamptz) RETURNS void LANGUAGE sql AS ''",
    ])("is nothing: %s", (statements) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* changesOf(statements), [])
      }),
    )
  })
})
