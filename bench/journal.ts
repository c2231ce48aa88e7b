/**
 * What it costs a request to have its record survive the process: an append to the journal's segment files, against
 * the same records in `node:sqlite` (WAL, one commit each) and in Effect's PersistedQueue on the embedded PostgreSQL.
 * All in one run, in turns, with the same records; the ratio is what counts.
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
import { Effect, Layer, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { Database } from "../src/database/Database.ts"
import { RequestId } from "../src/domain/Ids.ts"
import { openFileJournal } from "../src/journal/file-journal.ts"
import type { LedgerRecord } from "../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../src/ledger/ledger-entry.ts"
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

const appendFile = Effect.scoped(
  Effect.gen(function* () {
    const journal = yield* openFileJournal({ directory: join(folder, "journal"), maxBytes: 1e10 })
    const cost = measure(records, () => {
      for (const entry of entries) if (journal.append(entry) !== undefined) throw new Error("refused")
    })
    const withIntent = measure(records, () => {
      for (const record of all) {
        if (journal.attempting(intentOf(record)) !== undefined) throw new Error("refused")
        if (journal.append(ledgerEntry(record)) !== undefined) throw new Error("refused")
      }
    })
    return { cost, withIntent }
  }),
)

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

const pool = Database.layerPool({ applicationName: "bench", maxConnections: 2, statementTimeoutMs: 0 })

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

const program = Effect.gen(function* () {
  const offer = yield* persistedQueue
  const found = new Map<string, Array<Cost>>()
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
})

try {
  await Effect.runPromise(
    program.pipe(
      Effect.provide(
        PersistedQueue.layer.pipe(
          Layer.provide(PersistedQueue.layerStoreSql()),
          Layer.provide(pool),
          Layer.provide(Database.layerEmbedded(join(folder, "data"))),
        ),
      ),
      Effect.scoped,
    ),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
