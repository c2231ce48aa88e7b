import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { deleteBudgets } from "../../src/budgets/budget-rows.ts"
import { type LeaseAsk, LeaseStore } from "../../src/budgets/LeaseStore.ts"
import type { BudgetWindow, Charge } from "../../src/domain/Budget.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { endLeases, forgetLeases } from "../../src/ledger/tables/leases.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { record } from "../ledger/records.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"
import { ModelStore } from "./ModelStore.ts"

const amount = fc.integer({ min: 0, max: 4_000 })

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("exchange" as const),
      holder: fc.constantFrom("a", "b"),
      asks: fc.uniqueArray(
        fc.record({
          budget: fc.constantFrom(0, 1, 2),
          returned: amount,
          charged: fc.option(amount),
          least: amount,
          need: amount,
          want: amount,
        }),
        { selector: ({ budget }) => budget, minLength: 1 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("settle" as const),
      records: fc.array(
        fc.array(
          fc.record({
            holder: fc.constantFrom("a", "b", "c"),
            nano_usd: amount,
            windows: fc.array(fc.tuple(fc.constantFrom(0, 1), fc.constant(null)), { maxLength: 3 }),
          }),
          { maxLength: 2 },
        ),
        { maxLength: 3 },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("end" as const), holder: fc.constantFrom("a", "b") }),
  },
)

const makeBudgets = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE budgets, budget_windows, budget_leases, budget_alerts`
  const rows = yield* sql<{ id: number }>`
    INSERT INTO budgets (scope, subject, period, limit_nano_usd, alert_percents) VALUES
      ('tag', 'one', 'total', 10000, '{50,100}'), ('tag', 'two', 'total', 3000, '{}')
    RETURNING id::float8`
  return rows.map(({ id }) => id)
})

let requests = 0

/** Settles as requests do, each with a row of its own in the ledger, in one batch. */
const settle = (records: ReadonlyArray<ReadonlyArray<Charge>>, given?: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    writeBatch(
      sql,
      records.map((charges) => {
        const id = given ?? requests++
        return ledgerEntry(
          record({
            id: RequestId.make(`00000000-0000-7000-9000-${String(id).padStart(12, "0")}`),
            charges,
          }),
        )
      }),
    ),
  )

describe.each([
  { name: "PostgreSQL", database: layerPostgres, numRuns: 40 },
  { name: "the embedded database", database: layerEmbedded, numRuns: 5 },
])("leases in $name", ({ database, numRuns }) => {
  layer(database)((it) => {
    const exchange = (holder: string, asks: ReadonlyArray<LeaseAsk>) =>
      Effect.flatMap(LeaseStore, (store) => store.exchange(asks)).pipe(
        Effect.provide(Layer.fresh(LeaseStore.layerPostgres(holder))),
      )

    it.effect("are what the model says, whatever is asked, settled and ended in whatever order", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        const sql = yield* SqlClient.SqlClient
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.array(step, { maxLength: 20 }), (steps) =>
              Effect.gen(function* () {
                const ids = [...(yield* makeBudgets), -1]
                const model = new ModelStore()
                model.limits.set(ids[0] ?? 0, 10_000).set(ids[1] ?? 0, 3_000)
                for (const step of steps) {
                  if (step._tag === "exchange") {
                    const asks = step.asks.map(({ budget, ...ask }) => ({
                      ...ask,
                      budgetId: ids[budget] ?? 0,
                      startsAtMs: null,
                    }))
                    assert.deepStrictEqual(
                      yield* exchange(step.holder, asks),
                      model.exchange(step.holder, asks, 0),
                    )
                  } else if (step._tag === "settle") {
                    const records = step.records.map((charges) =>
                      charges.map((charge) => ({
                        ...charge,
                        windows: charge.windows.map(
                          ([budget, start]): BudgetWindow => [ids[budget] ?? 0, start],
                        ),
                      })),
                    )
                    yield* settle(records)
                    for (const charges of records) model.settle(charges)
                  } else {
                    yield* endLeases(sql, step.holder)
                    model.release(step.holder)
                  }
                }
              }).pipe(Effect.runPromiseWith(context)),
            ),
            { numRuns },
          ),
        )
      }),
    )

    const ask = (budgetId: number, changes: Partial<LeaseAsk> = {}): LeaseAsk => ({
      budgetId,
      startsAtMs: null,
      returned: 0,
      charged: 0,
      least: 100,
      need: 100,
      want: 100,
      ...changes,
    })

    it.effect("are settled once by a record that is written twice", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [id = 0] = yield* makeBudgets
        yield* exchange("a", [ask(id)])
        const charge = { holder: "a", nano_usd: 60 }
        yield* settle(
          [
            [
              {
                ...charge,
                windows: [
                  [id, null],
                  [-5, null],
                ],
              },
            ],
          ],
          900_001,
        )
        yield* settle([[{ ...charge, windows: [[id, null]] }]], 900_001)
        const rows = yield* sql`
          SELECT spent_nano_usd::float8 AS spent, settled_nano_usd::float8 AS settled, granted_nano_usd::float8 AS granted
          FROM budget_windows JOIN budget_leases USING (budget_id, starts_at) WHERE budget_id = ${id}`
        assert.deepStrictEqual(rows, [{ spent: 60, settled: 60, granted: 100 }])
      }),
    )

    it.effect("of many processes at once never exceed a budget together", () =>
      Effect.gen(function* () {
        const [id = 0, other = 0] = yield* makeBudgets
        const answers = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n),
          (n) =>
            exchange(`holder ${n}`, [
              ask(id, { need: 400, least: 400, want: 900 }),
              ask(other, { need: 100, want: 500 }),
            ]),
          { concurrency: 8 },
        )
        const granted = (budgetId: number) =>
          answers.flat().reduce((sum, answer) => sum + (answer.budgetId === budgetId ? answer.granted : 0), 0)
        assert.isAtMost(granted(id), 10_000)
        assert.isAbove(granted(id), 9_600)
        assert.isAtMost(granted(other), 3_000)
        assert.isAbove(granted(other), 2_900)
      }),
    )

    it.effect("are exchanged, settled and deleted at the same time without a deadlock", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const ids = yield* makeBudgets
        const charges = (budgets: ReadonlyArray<number>): ReadonlyArray<Charge> => [
          { holder: "h 1", nano_usd: 1, windows: budgets.map((budget): BudgetWindow => [budget, null]) },
        ]
        const exchanging = (n: number) =>
          exchange(
            `h ${n}`,
            ids.map((id) => ask(id, { least: 0, need: 1, want: 2 })),
          )
        const settling = settle([charges(ids.toReversed())])
        const deleting = sql.withTransaction(deleteBudgets(sql, sql`true`))
        const adding = sql`
          INSERT INTO budgets (id, scope, subject, period, limit_nano_usd) OVERRIDING SYSTEM VALUE
          SELECT id, 'tag', 'again ' || id, 'total', 10000 FROM unnest(${ids}::bigint[]) AS id ON CONFLICT DO NOTHING`
        for (let round = 0; round < 30; round++) {
          yield* Effect.all(
            [exchanging(1), settle([charges(ids)]), exchanging(2), deleting, exchanging(3), settling, adding],
            { concurrency: "unbounded" },
          )
        }
      }),
    )

    it.effect("belong to the window that the database is in, which never goes back", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* makeBudgets
        const [{ id }] = (yield* sql<{ id: number }>`
          INSERT INTO budgets (scope, subject, period, limit_nano_usd) VALUES ('gateway', '', 'hour', 1000)
          RETURNING id::float8`) as unknown as [{ id: number }]
        const [first] = yield* exchange("a", [ask(id)])
        assert(first !== undefined && first.startsAtMs !== null && first.endsInMs !== null)
        assert.isAtMost(first.endsInMs, 3_600_000)
        const later = first.startsAtMs + 3_600_000
        const [next] = yield* exchange("a", [ask(id, { startsAtMs: later, charged: 40, returned: 10 })])
        assert.deepInclude(next, { startsAtMs: later, charged: 40, returned: 10, granted: 150 })
        const [known] = yield* exchange("b", [
          ask(id, { startsAtMs: first.startsAtMs - 3_600_000, charged: 999 }),
        ])
        assert.deepInclude(known, { startsAtMs: first.startsAtMs, charged: 0, granted: 100 })
      }),
    )

    it.effect("are forgotten a day after their process was heard of, unless they hold something", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [id = 0, other = 0] = yield* makeBudgets
        yield* exchange("holds", [ask(id)])
        yield* exchange("returned", [ask(id, { returned: 100, least: 0, need: 0, want: 0 })])
        yield* exchange("fresh", [ask(other, { returned: 100, least: 0, need: 0, want: 0 })])
        yield* sql`UPDATE budget_leases SET seen_at = now() - interval '25 hours' WHERE holder <> 'fresh'`
        yield* forgetLeases(sql)
        const rows = yield* sql`SELECT holder FROM budget_leases ORDER BY holder`
        assert.deepStrictEqual(rows, [{ holder: "fresh" }, { holder: "holds" }])
      }),
    )

    it.effect("raise an alert once for each share of a budget that is spent", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [id = 0] = yield* makeBudgets
        const spend = (nanoUsd: number) =>
          settle([[{ holder: "a", nano_usd: nanoUsd, windows: [[id, null]] }]])
        const raised = sql`SELECT percent, spent_nano_usd::float8 AS spent FROM budget_alerts ORDER BY percent`
        yield* spend(3_000)
        assert.deepStrictEqual(yield* raised, [])
        yield* spend(3_000)
        yield* spend(1)
        assert.deepStrictEqual(yield* raised, [{ percent: 50, spent: 6_000 }])
        yield* spend(3_999)
        assert.deepStrictEqual(yield* raised, [
          { percent: 50, spent: 6_000 },
          { percent: 100, spent: 10_000 },
        ])
      }),
    )
  })
})
