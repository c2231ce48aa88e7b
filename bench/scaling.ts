/**
 * What PostgreSQL pays for a fleet of gateways, in CPU and in time: rows of the ledger by the size of their batch, exchanges of
 * limits and of budgets by the number of replicas that share one, notifications by those who listen, and what a write to disk
 * takes. docs/scaling.md is made of it.
 *
 *   node bench/scaling.ts [--rounds 3] [--seconds 3] [--replicas 100]
 *
 * A PostgreSQL of its own is started and removed. Its fsync is off: a commit that must be on disk waits as long again as the
 * last line says, and holds its locks meanwhile. CPU is that of all its processes; medians of the rounds.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { LeaseStore } from "../src/budgets/LeaseStore.ts"
import { Database } from "../src/database/Database.ts"
import { migrateDatabase } from "../src/database/migrations.ts"
import type { Charge } from "../src/domain/Budget.ts"
import { ledgerEntry } from "../src/ledger/ledger-entry.ts"
import { writeBatch } from "../src/ledger/write-batch.ts"
import type { Ask } from "../src/limits/limit-store.ts"
import { makePostgresStore } from "../src/limits/postgres-store.ts"
import { record } from "../test/ledger/records.ts"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { postmasterOf } from "../test/support/postgres-signals.ts"
import { postgresMeter } from "./proc.ts"
import { shown, spread } from "./statistics.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    replicas: { type: "string", default: "100" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/scaling.ts [--rounds 3] [--seconds 3] [--replicas 100]")
  process.exit(0)
}
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const replicas = Number(values.replicas)

const postgres = await createPostgresServer()
await postgres.start()
const postmaster = await postmasterOf(postgres.url)
const pool = (maxConnections: number) =>
  Layer.fresh(Database.layerPool({ applicationName: "bench", maxConnections, statementTimeoutMs: 60_000 }))

interface Measured {
  readonly perSecond: ReadonlyArray<number>
  readonly cpuUs: ReadonlyArray<number>
}

/** Repeats `work`, which says how much it has done, in so many fibers at once, and returns what a second and a piece of it come to. */
const measure = Effect.fnUntraced(function* <E, R>(
  fibers: number,
  work: (fiber: number) => Effect.Effect<number, E, R>,
) {
  const [perSecond, cpuUs]: [Array<number>, Array<number>] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    const [usedSeconds, fromMs] = [postgresMeter(postmaster), performance.now()]
    let done = 0
    yield* Effect.forEach(
      Array.from({ length: fibers }, (_, fiber) => fiber),
      (fiber) =>
        Effect.whileLoop({
          while: () => performance.now() - fromMs < seconds * 1_000,
          body: () => work(fiber),
          step: (more) => {
            done += more
          },
        }),
      { concurrency: "unbounded" },
    )
    // The first round warms caches and plans.
    if (round === 0) continue
    perSecond.push((done * 1_000) / (performance.now() - fromMs))
    cpuUs.push((usedSeconds() * 1e6) / done)
  }
  return { perSecond, cpuUs } satisfies Measured
})

const print = (what: string, { cpuUs, perSecond }: Measured, unit: string) =>
  console.log(
    `${what.padEnd(58)} ${shown(spread(perSecond), 0).padStart(26)} ${unit}/s ${shown(spread(cpuUs), 0).padStart(24)} us CPU each`,
  )

/** Rows written by as many connections, in batches. */
const ledger = (writers: number, size: number, charges: ReadonlyArray<Charge> | undefined) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* measure(writers, () => {
      const entries = Array.from({ length: size }, () =>
        ledgerEntry(record(charges === undefined ? {} : { charges })),
      )
      return Effect.as(writeBatch(sql, entries), size)
    })
  }).pipe(Effect.provide(pool(writers)))

const tokens = (name: string): Ask => ({
  ...{
    name,
    limit: 1e9,
    permits: false,
    back: 0,
    least: 1,
    need: 1,
    want: 2,
    asked: 1,
    usedAtLeast: 0,
    epoch: 0,
  },
})

/** Exchanges of one limit that so many replicas share, over as many connections. */
const limits = (holders: number, connections: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`TRUNCATE limit_buckets, limit_holders, limit_permits`
    const { exchange } = yield* makePostgresStore(10_000)
    const asked = (holder: number) =>
      exchange({
        ...{ holder: `holder ${holder}`, expectedMs: 0, replicas: holders, sweeps: false },
        asks: [tokens("one")],
      })
    yield* Effect.forEach(Array.from({ length: holders }), (_, holder) => asked(holder))
    return yield* measure(connections, (fiber) =>
      Effect.as(asked(Math.floor((Math.random() * holders) / connections) * connections + fiber), 1),
    )
  }).pipe(Effect.provide(pool(connections)))

/** Exchanges of one budget that so many replicas spend, over as many connections. */
const budgets = (budgetId: number, holders: number, connections: number) =>
  Effect.gen(function* () {
    const stores = yield* Effect.forEach(Array.from({ length: holders }), (_, holder) =>
      Effect.map(
        Layer.build(Layer.fresh(LeaseStore.layerPostgres(`${holders} holder ${holder}`))),
        (context) => Context.get(context, LeaseStore),
      ),
    )
    const ask = { budgetId, startsAtMs: null, returned: 0, charged: 0, least: 0, need: 0, want: 10 }
    for (const { exchange } of stores) yield* exchange([ask])
    return yield* measure(connections, (fiber) => {
      const store = stores[Math.floor(Math.random() * (holders / connections)) * connections + fiber]
      return store === undefined ? Effect.succeed(0) : Effect.as(store.exchange([ask]), 1)
    })
  }).pipe(Effect.scoped, Effect.provide(pool(connections)))

/** Notifications that so many sessions hear. */
const notifications = (listeners: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < listeners; i++) {
      const pg = Context.get(yield* Layer.build(pool(1)), PgClient.PgClient)
      yield* pg.listen("bench")
    }
    const pg = Context.get(yield* Layer.build(pool(1)), PgClient.PgClient)
    return yield* measure(1, () => Effect.as(pg.notify("bench", "x".repeat(150)), 1))
  }).pipe(Effect.scoped)

/** Milliseconds that a write of a page of the write-ahead log takes to be on disk. */
const syncMs = (): ReadonlyArray<number> => {
  const folder = mkdtempSync(join(tmpdir(), "gateway-scaling-"))
  const file = openSync(join(folder, "wal"), "w")
  const page = Buffer.alloc(8_192, 1)
  const times = Array.from({ length: 200 }, () => {
    const fromMs = performance.now()
    writeSync(file, page)
    fdatasyncSync(file)
    return performance.now() - fromMs
  })
  closeSync(file)
  rmSync(folder, { recursive: true })
  return times
}

await Effect.gen(function* () {
  yield* migrateDatabase
  const sql = Context.get(yield* Layer.build(pool(1)), SqlClient.SqlClient)
  const [{ id } = { id: 0 }] = yield* sql<{ id: number }>`
    INSERT INTO budgets (scope, subject, period, limit_nano_usd, alert_percents, time_zone)
    VALUES ('gateway', '', 'total', 9000000000000000, '{}', 'UTC') RETURNING id::int`
  const charged: ReadonlyArray<Charge> = [{ holder: "holder", nano_usd: 1, windows: [[id, null]] }]

  for (const size of [1, 50, 500])
    print(`ledger, one writer, batches of ${size}`, yield* ledger(1, size, undefined), "rows")
  print("ledger, four writers, batches of 500", yield* ledger(4, 500, undefined), "rows")
  print("the same, all of one budget", yield* ledger(4, 500, charged), "rows")
  const [{ bytes, rows } = { bytes: 0, rows: 0 }] = yield* sql<{ bytes: number; rows: number }>`
    SELECT (SELECT count(*) FROM requests)::float8 AS rows, sum(pg_total_relation_size(oid))::float8 AS bytes
    FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^(requests|attempts|request_kinds|usage|latency|attributed)'`
  console.log(`ledger: ${(bytes / rows).toFixed(0)} bytes a request of ${rows.toLocaleString("en")}`)

  for (const holders of [1, 10, replicas])
    print(`a limit of ${holders} replicas`, yield* limits(holders, 1), "exchanges")
  print(`a limit of ${replicas} replicas, ten at a time`, yield* limits(replicas, 10), "exchanges")
  for (const holders of [1, 10, replicas])
    print(`a budget of ${holders} replicas`, yield* budgets(id, holders, 1), "exchanges")
  print(`a budget of ${replicas} replicas, ten at a time`, yield* budgets(id, replicas, 10), "exchanges")
  for (const listeners of [1, replicas])
    print(`a notification to ${listeners} replicas`, yield* notifications(listeners), "sent")
  console.log(`a page on disk: ${shown(spread(syncMs()), 2)} ms`)
}).pipe(
  Effect.provide(Database.layerServer(Redacted.make(postgres.url))),
  Effect.scoped,
  Effect.ensuring(Effect.promise(() => postgres.remove())),
  Effect.runPromise,
)
process.exit(0)
