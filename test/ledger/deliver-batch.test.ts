import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, Metric, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { deliverBatch } from "../../src/ledger/deliver-batch.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { WriterHealth } from "../../src/ledger/WriterHealth.ts"
import { ledgerDropped } from "../../src/observability/Metrics.ts"
import { layerPostgres } from "../support/Databases.ts"
import { logged } from "./logged.ts"
import { record } from "./records.ts"
import { assertHoldsExactly } from "./rows.ts"

const refused = Effect.map(Metric.value(ledgerDropped("refused")), ({ count }) => Number(count))

layer(layerPostgres)("a record whose usage block the database cannot read", (it) => {
  it.effect("keeps its row, and the log names it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const before = yield* refused
      const given = [record(), record({ rawUsage: null }), record()]
      const entries = given.map(ledgerEntry).map((entry) => ({
        ...entry,
        // Deeper than PostgreSQL's stack.
        line: entry.line.replace(
          '"raw_usage":null',
          `"raw_usage":${"[".repeat(30_000)}${"]".repeat(30_000)}`,
        ),
      }))
      const { lines } = yield* logged(
        deliverBatch(sql, entries, new WriterHealth(yield* Clock.Clock, () => 0)),
      )
      yield* assertHoldsExactly(given)
      assert.deepStrictEqual(
        yield* sql`SELECT id FROM requests WHERE raw_usage IS NULL AND decision IS NULL`,
        [{ id: given[1]?.id }],
      )
      const told = lines.filter((line) => line.includes("without its usage block"))
      assert.lengthOf(told, 1)
      assert.include(told.join(), `${given[1]?.id}`)
      assert.strictEqual(yield* refused, before)
    }),
  )
})

layer(layerPostgres, { excludeTestServices: true })("a schema that refuses this version", (it) => {
  it.effect("keeps the records of it waiting, whatever it demands of them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const before = yield* refused
      yield* sql`ALTER TABLE requests ADD COLUMN region text NOT NULL DEFAULT ''`
      yield* sql`ALTER TABLE requests ALTER COLUMN region DROP DEFAULT`
      yield* sql`INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'demand_region')`
      yield* sql`UPDATE oldest_gateway SET schema = 9999`
      const given = [record(), record()]
      const health = new WriterHealth(yield* Clock.Clock, () => 0)
      const tries = yield* Queue.unbounded<unknown>()
      const logger = Logger.make(({ message }) => Queue.offerUnsafe(tries, message))
      const delivering = yield* deliverBatch(sql, given.map(ledgerEntry), health).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.forkChild({ startImmediately: true }),
      )
      for (const _ of [1, 2, 3]) {
        assert.deepStrictEqual(yield* Queue.take(tries), [
          "ledger batch not written",
          { reason: "ConstraintError", code: "23502" },
        ])
      }
      yield* sql`ALTER TABLE requests DROP COLUMN region`
      yield* Fiber.join(delivering)
      yield* assertHoldsExactly(given)
      assert.strictEqual(yield* refused, before)
    }),
  )
})
