import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Latch, Layer, Metric, Redacted, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { migrate } from "../../src/database/migrations.ts"
import { SchemaReady } from "../../src/database/SchemaReady.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import type { JournalUnusable } from "../../src/journal/process-directory.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { ledgerDropped, ledgerQueue, ledgerWritten } from "../../src/observability/Metrics.ts"
import { layerEmbedded, layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { createPostgresServer } from "../support/postgres-server.ts"
import { eventually } from "./eventually.ts"
import { logged, quiet } from "./logged.ts"
import { DAY, HOUR_MS, record } from "./records.ts"
import { assertHoldsExactly, emptyTables, requestCount } from "./rows.ts"

const MINUTE_MS = 60_000

/** Records that spread over some hours, so that every batch touches several rollups. */
const records = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    record({ startedAt: DAY + (i % 3) * HOUR_MS, latencyMs: i % 50, stream: i % 2 === 1 }),
  )

/** A ledger of its own over the database at hand, gone with the scope; a second one is a second replica. */
const openLedger: Effect.Effect<Ledger["Service"], JournalUnusable, SqlClient.SqlClient | Scope.Scope> =
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const layer = Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9 }))
    return Context.get(yield* Layer.build(layer), Ledger)
  })

const count = (metric: Metric.Metric<number, Metric.CounterState<number>>) =>
  Effect.map(Metric.value(metric), (state) => Number(state.count))

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("a ledger in $name", ({ database }) => {
  layer(database)((it) => {
    it.effect("writes what was recorded before a flush", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const ledger = yield* openLedger
        const given = records(1_234)
        yield* Effect.forEach(given, ledger.record, { discard: true })
        assert.isTrue(yield* ledger.flush(MINUTE_MS))
        yield* assertHoldsExactly(given)
        assert.isTrue(yield* ledger.flush(MINUTE_MS))
      }),
    )

    it.effect("writes a lone record within 200 milliseconds and not at once", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const ledger = yield* openLedger
        yield* ledger.record(record())
        yield* TestClock.adjust("199 millis")
        assert.strictEqual(yield* requestCount, 0)
        yield* TestClock.adjust("1 millis")
        yield* eventually(Effect.map(requestCount, (n) => n === 1))
      }),
    )

    it.effect("writes nothing before the schema is known to be right, and leaves it to the next start", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const directory = yield* temporaryDirectory
        const latch = yield* Latch.make(false)
        const open = (scope: Scope.Scope) =>
          Layer.buildWithScope(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9 })), scope).pipe(
            Effect.map(Context.get(Ledger)),
            Effect.provideService(SchemaReady, latch),
          )
        const refused = yield* Scope.make()
        const given = records(3)
        yield* Effect.forEach(given, (yield* open(refused)).record, { discard: true })
        yield* TestClock.adjust("1 minute")
        // At once: there is nothing to wait for.
        yield* quiet(Scope.close(refused, Exit.void))
        assert.strictEqual(yield* requestCount, 0)
        const next = yield* open(yield* Effect.scope)
        yield* latch.open
        assert.isTrue(yield* quiet(next.flush(MINUTE_MS)))
        yield* assertHoldsExactly(given)
      }),
    )

    it.effect("writes a full batch without waiting", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const ledger = yield* openLedger
        yield* Effect.forEach(records(500), ledger.record, { discard: true })
        yield* eventually(Effect.map(requestCount, (n) => n === 500))
      }),
    )

    it.effect("drops the records that the database refuses, says which, and commits the others", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const good = records(100)
        const bad = ["bad-1", "bad-2"].map((id) =>
          record({ id: RequestId.make(id), requestedModel: "secret" }),
        )
        const given = good.toSpliced(17, 0, ...bad.slice(0, 1)).toSpliced(60, 0, ...bad.slice(1))
        const dropped = yield* count(ledgerDropped("refused"))
        const written = yield* count(ledgerWritten)
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const ledger = yield* openLedger
            yield* Effect.forEach(given, ledger.record, { discard: true })
            assert.isTrue(yield* ledger.flush(MINUTE_MS))
          }),
        )
        yield* assertHoldsExactly(good)
        assert.strictEqual(yield* count(ledgerDropped("refused")), dropped + 2)
        assert.strictEqual(yield* count(ledgerWritten), written + 100)
        const refused = lines.filter((line) => line.includes("dropped"))
        assert.deepStrictEqual(
          refused.map((line) => line.match(/bad-\d/)?.[0]),
          ["bad-1", "bad-2"],
        )
        assert.notInclude(lines.join(), "secret")
      }),
    )

    it.effect("writes the rest when its scope closes", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const scope = yield* Scope.make()
        const ledger = yield* Scope.provide(openLedger, scope)
        const given = records(1_003)
        yield* Effect.forEach(given, ledger.record, { discard: true })
        yield* Scope.close(scope, Exit.void)
        yield* assertHoldsExactly(given)
      }),
    )

    it.effect("counts exactly what two replicas write at the same time, records of both included", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const [one, other] = yield* Effect.all([openLedger, openLedger])
        const given = records(4_000)
        const shared = given.slice(1_500, 2_500)
        yield* Effect.forEach(given.slice(0, 2_500), one.record, { discard: true })
        yield* Effect.forEach([...given.slice(2_500), ...shared], other.record, { discard: true })
        const flushed = yield* Effect.all([one.flush(MINUTE_MS), other.flush(MINUTE_MS)], { concurrency: 2 })
        assert.deepStrictEqual(flushed, [true, true])
        yield* assertHoldsExactly(given)
      }),
    )
  })
})

layer(layerPostgres, { excludeTestServices: true })("a ledger whose connections are cut", (it) => {
  it.effect("loses and repeats nothing when the outcome of a batch is unknown", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* openLedger
      const given = records(6_000)
      const cutting = yield* sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'`.pipe(
        Effect.ignore,
        Effect.repeat(Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 40 }))),
        Effect.forkChild({ startImmediately: true }),
      )
      yield* Effect.forEach(given, ledger.record, { discard: true })
      yield* Fiber.join(cutting)
      assert.isTrue(yield* ledger.flush(MINUTE_MS))
      yield* assertHoldsExactly(given)
    }).pipe(logged),
  )
})

const client = (url: string) => PgClient.layer({ url: Redacted.make(url), maxConnections: 2 })

describe("a ledger without its database", () => {
  it.live("keeps what is recorded while PostgreSQL is dead and writes it when it is back", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(Effect.promise(createPostgresServer), ({ remove }) =>
        Effect.promise(remove),
      )
      yield* Effect.promise(server.start)
      yield* Effect.gen(function* () {
        yield* migrate
        const ledger = yield* openLedger
        const given = records(3_000)
        yield* Effect.forEach(given.slice(0, 1_000), ledger.record, { discard: true })
        yield* Effect.promise(server.kill)
        yield* Effect.forEach(given.slice(1_000), ledger.record, { discard: true })
        assert.isFalse(yield* ledger.flush(300))
        yield* Effect.promise(server.start)
        assert.isTrue(yield* ledger.flush(20_000))
        yield* assertHoldsExactly(given)
      }).pipe(Effect.provide(client(server.url)))
    }).pipe(logged),
  )

  // Nothing listens on port 1.
  const unreachable = client("postgres://nobody@127.0.0.1:1/nothing").pipe(
    Layer.provide(Layer.succeed(Clock.Clock, Clock.Clock.defaultValue())),
  )

  layer(unreachable)((it) => {
    it.effect("drops and counts what does not fit, in one log line per interval", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const layerSmall = Layer.fresh(Ledger.layerMemory(20_000))
        const large = () => record({ rawUsage: "x".repeat(1_200) })
        const dropped = yield* count(ledgerDropped("journal_full"))
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const ledger = Context.get(yield* Layer.buildWithScope(layerSmall, scope), Ledger)
            for (let i = 0; i < 100; i++) yield* ledger.record(large())
            const waiting = (yield* Metric.value(ledgerQueue)).value
            assert.isAbove(waiting, 5)
            assert.isBelow(waiting, 15)
            assert.strictEqual(yield* count(ledgerDropped("journal_full")), dropped + 100 - waiting)
            yield* TestClock.adjust("10 seconds")
            yield* ledger.record(large())
          }),
        )
        const told = lines.filter((line) => line.includes("records dropped"))
        assert.strictEqual(told.length, 2)
        yield* closeWithoutDatabase(scope)
      }),
    )

    it.effect("lets the process stop after five seconds and says how much is not in the database", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const ledger = yield* Scope.provide(openLedger, scope)
            yield* Effect.forEach(records(7), ledger.record, { discard: true })
            yield* closeWithoutDatabase(scope)
          }),
        )
        assert.include(lines.join(), '"records":7')
      }),
    )
  })
})

/** The drain takes all of its time, and no more. */
const closeWithoutDatabase = Effect.fnUntraced(function* (scope: Scope.Closeable) {
  const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  yield* TestClock.adjust("4999 millis")
  assert.isUndefined(closing.pollUnsafe())
  yield* TestClock.adjust("1 millis")
  yield* Fiber.join(closing)
})
