/**
 * Measures what it costs a request to have its record survive the process: an append to the journal's segment files,
 * against the same records in `node:sqlite` (WAL, one commit each) and in Effect's PersistedQueue on the embedded
 * PostgreSQL. All in one run, in turns, with the same records; the ratio is what counts.
 *
 * Then the ledger's own path, intent and record with their encoding, at 1, 8 and 64 requests at once that wait for a
 * turn of the event loop between; what the fibers and turns cost by themselves is taken off.
 *
 *   node bench/journal.ts [--rounds 5] [--records 5000] [--bytes 1200] [--queued 200]
 *
 * CPU is that of the whole process while it writes (for the queue the embedded database's too, which is a thread of
 * it); wall time is what the event loop, or for the queue the request, waits. Medians of the rounds.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { parseArgs } from "node:util"
import { Clock, Effect, Layer, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { SqlClient } from "effect/sql"
import { Database } from "../src/database/Database.ts"
import { RequestId } from "../src/domain/Ids.ts"
import { FileJournal } from "../src/journal/FileJournal.ts"
import { MemoryJournal } from "../src/journal/MemoryJournal.ts"
import { realDisk } from "../src/journal/SegmentWriter.ts"
import { BatchShipper } from "../src/ledger/BatchShipper.ts"
import type { LedgerRecord } from "../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../src/ledger/ledger-entry.ts"
import { intentLine } from "../src/ledger/lost-request.ts"
import { RecordIntake } from "../src/ledger/RecordIntake.ts"
import { WriterHealth } from "../src/ledger/WriterHealth.ts"
import { attempt, record } from "../test/ledger/records.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    records: { type: "string", default: "5000" },
    bytes: { type: "string", default: "1200" },
    queued: { type: "string", default: "200" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/journal.ts [--rounds 5] [--records 5000] [--bytes 1200] [--queued 200]")
  process.exit(0)
}
const rounds = Number(values.rounds)
const records = Number(values.records)
const queued = Number(values.queued)
const bytes = Number(values.bytes)

const request = (n: number): LedgerRecord =>
  record({
    id: RequestId.make(`01999999-0000-7000-8000-${String(n).padStart(12, "0")}`),
    decision: { route: "auto", chosen: "openai/gpt-5-mini", why: "x".repeat(Math.max(0, bytes - 900)) },
  })

const intentOf = ({ id, startedAt, keyId, endpoint, route, requestedModel, stream }: LedgerRecord) => ({
  id,
  requestStartedAt: startedAt,
  keyId,
  endpoint,
  route,
  requestedModel,
  stream,
  provider: attempt.provider,
  model: attempt.model,
  startedAt: attempt.startedAt,
})

interface Cost {
  readonly cpuUs: number
  readonly wallUs: number
}

const measure = (count: number, work: () => void): Cost => {
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  work()
  const wallUs = ((performance.now() - startedAt) * 1000) / count
  const { user, system } = process.cpuUsage(cpu)
  return { cpuUs: (user + system) / count, wallUs }
}

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))
const all = Array.from({ length: records }, (_, n) => request(n))
const entries = all.map(ledgerEntry)
const lineBytes = Math.round(entries.reduce((sum, { line }) => sum + Buffer.byteLength(line), 0) / records)

const openJournal = FileJournal.open({ directory: join(folder, "journal"), maxBytes: 1e10 })

const appendFile = Effect.scoped(
  Effect.gen(function* () {
    const journal = yield* openJournal
    const cost = measure(records, () => {
      for (const entry of entries) if (journal.appendNow(entry) !== undefined) throw new Error("refused")
    })
    const withIntent = measure(records, () => {
      for (const record of all) {
        journal.recordIntent(record.id, intentLine(intentOf(record)), () => {})
        if (journal.appendNow(ledgerEntry(record)) !== undefined) throw new Error("refused")
      }
    })
    return { cost, withIntent }
  }),
)

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

interface Shared extends Cost {
  /** Write calls per request. */
  readonly writes: number
}

/** Requests at once, each with an intent and a record, or with neither to know what the rest costs. */
const concurrently = (
  concurrency: number,
  journaled: boolean,
): Effect.Effect<Shared, unknown, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      let writes = 0
      const journal = yield* FileJournal.open({
        directory: join(folder, "shared"),
        maxBytes: 1e10,
        disk: {
          ...realDisk,
          write: (...args) => {
            writes += 1
            return realDisk.write(...args)
          },
        },
      })
      const memory = new MemoryJournal(0)
      const clock = yield* Clock.Clock
      const health = new WriterHealth(clock, () => 0)
      const shipper = new BatchShipper(yield* SqlClient.SqlClient, journal, memory, health)
      const intake = new RecordIntake(journal, memory, shipper, clock, health)
      const serve = Effect.fnUntraced(function* (record: LedgerRecord) {
        if (journaled) yield* intake.recordIntent(intentOf(record))
        yield* turn
        if (journaled) yield* intake.record(record)
        yield* turn
      })
      const cpu = process.cpuUsage()
      const startedAt = performance.now()
      yield* Effect.forEach(all, serve, { concurrency, discard: true })
      const wallUs = ((performance.now() - startedAt) * 1000) / records
      const { user, system } = process.cpuUsage(cpu)
      return { cpuUs: (user + system) / records, wallUs, writes: writes / records }
    }),
  )

const LEVELS = [1, 8, 64]

const encodeOnly = () =>
  measure(records, () => {
    for (const record of all) ledgerEntry(record)
  })

const sqlite = (round: number, synchronous: "OFF" | "NORMAL"): Cost => {
  const db = new DatabaseSync(join(folder, `journal-${round}-${synchronous}.sqlite`))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
    CREATE TABLE journal (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, line TEXT NOT NULL)`)
  const insert = db.prepare("INSERT INTO journal (id, line) VALUES (?, ?)")
  const cost = measure(records, () => {
    for (const { id, line } of entries) insert.run(id, line)
  })
  db.close()
  return cost
}

const persistedQueue = Effect.gen(function* () {
  const queue = yield* PersistedQueue.make({ name: "ledger", schema: Schema.String })
  return (round: number) =>
    Effect.gen(function* () {
      const cpu = process.cpuUsage()
      const startedAt = performance.now()
      for (const { id, line } of entries.slice(0, queued)) yield* queue.offer(line, { id: `${round}-${id}` })
      const wallUs = ((performance.now() - startedAt) * 1000) / queued
      const { user, system } = process.cpuUsage(cpu)
      return { cpuUs: (user + system) / queued, wallUs } satisfies Cost
    })
})

const database = Database.layerPool({
  applicationName: "bench",
  maxConnections: 2,
  statementTimeoutMs: 0,
}).pipe(Layer.provide(Database.layerEmbedded(join(folder, "data"))))

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

const program = Effect.gen(function* () {
  const offer = yield* persistedQueue
  const found = new Map<string, Array<Cost>>()
  const shared = new Map(LEVELS.map((level) => [level, [] as Shared[]]))
  const note = (name: string, cost: Cost) => found.set(name, [...(found.get(name) ?? []), cost])
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const { cost, withIntent } = yield* appendFile
    const costs: ReadonlyArray<readonly [string, Cost]> = [
      ["append to a segment file", cost],
      ["node:sqlite WAL, synchronous=NORMAL", sqlite(round, "NORMAL")],
      ["node:sqlite WAL, synchronous=OFF", sqlite(round, "OFF")],
      ["PersistedQueue, embedded PostgreSQL", yield* offer(round)],
      ["(encoding of the record, in none of these)", encodeOnly()],
      ["whole request: intent, encoding, record", withIntent],
    ]
    if (round > 0) for (const [name, each] of costs) note(name, each)
    for (const [level, results] of shared) {
      const idle = yield* concurrently(level, false)
      const { cpuUs, wallUs, writes } = yield* concurrently(level, true)
      if (round > 0) results.push({ cpuUs: cpuUs - idle.cpuUs, wallUs: wallUs - idle.wallUs, writes })
    }
  }
  const medians = [...found].map(([name, costs]) => ({
    name,
    cpuUs: median(costs.map(({ cpuUs }) => cpuUs)),
    wallUs: median(costs.map(({ wallUs }) => wallUs)),
  }))
  const [base] = medians
  console.log(
    `${records} records of ${lineBytes} bytes (queue: ${queued}), median of ${rounds} rounds, per record`,
  )
  for (const { name, cpuUs, wallUs } of medians) {
    const ratio = (value: number, of = Number.NaN) => `${(value / of).toFixed(1)}x`
    console.log(
      `${name.padEnd(44)} cpu ${cpuUs.toFixed(1).padStart(8)} us ${ratio(cpuUs, base?.cpuUs).padStart(7)}` +
        `   wall ${wallUs.toFixed(1).padStart(8)} us ${ratio(wallUs, base?.wallUs).padStart(7)}`,
    )
  }
  for (const [level, results] of shared) {
    const of = (get: (each: Shared) => number) => median(results.map(get))
    console.log(
      `intent, encoding, record: ${String(level).padStart(2)} at once`.padEnd(44) +
        ` cpu ${of(({ cpuUs }) => cpuUs)
          .toFixed(1)
          .padStart(8)} us` +
        `   wall ${of(({ wallUs }) => wallUs).toFixed(1)} us   writes ${of(({ writes }) => writes).toFixed(2)}`,
    )
  }
})

try {
  await Effect.runPromise(
    program.pipe(
      Effect.provide(
        PersistedQueue.layer.pipe(
          Layer.provide(PersistedQueue.layerStoreSql()),
          Layer.provideMerge(database),
        ),
      ),
      Effect.scoped,
    ),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
