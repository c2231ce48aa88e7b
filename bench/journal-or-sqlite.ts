/**
 * Weighs the journal against `node:sqlite` (WAL, synchronous=NORMAL) for the same work: per request an intent and a
 * record, as many as share a turn in one write or transaction, and everything taken out again 500 at a time.
 *
 *   node bench/journal-or-sqlite.ts [--rounds 6] [--requests 4992]
 *
 * CPU is that of the whole process per request; the longest wait is what the event loop stood still for one group.
 * Medians of the rounds, taken in turns; the first round warms up.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { FileJournal } from "../src/journal/FileJournal.ts"
import { sizeOf } from "../src/journal/Journal.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "6" },
    requests: { type: "string", default: "4992" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/journal-or-sqlite.ts [--rounds 6] [--requests 4992]")
  process.exit(0)
}
const rounds = Number(values.rounds)
const requests = Number(values.requests)
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"))

const line = JSON.stringify({ x: "y".repeat(1_150) })
const intent = JSON.stringify({ x: "y".repeat(280) })
const idOf = (n: number) => `01999999-0000-7000-8000-${String(n).padStart(12, "0")}`
const nothing = () => {}

interface Store {
  readonly intents: (ids: ReadonlyArray<string>) => void
  readonly records: (ids: ReadonlyArray<string>) => void
  readonly takeOut: Effect.Effect<void>
}

interface Cost {
  readonly cpuUs: number
  readonly longestMs: number
}

const measure = Effect.fnUntraced(function* (store: Store, group: number) {
  let longestMs = 0
  const timed = (write: () => void) => {
    const startedAt = performance.now()
    write()
    longestMs = Math.max(longestMs, performance.now() - startedAt)
  }
  const cpu = process.cpuUsage()
  let waiting = 0
  for (let n = 0; n < requests; n += group) {
    const ids = Array.from({ length: group }, (_, i) => idOf(n + i))
    timed(() => store.intents(ids))
    timed(() => store.records(ids))
    waiting += group
    if (waiting < 500) continue
    waiting = 0
    yield* store.takeOut
  }
  const { user, system } = process.cpuUsage(cpu)
  return { cpuUs: (user + system) / requests, longestMs } satisfies Cost
})

const journal = (group: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const journal = yield* FileJournal.open({ directory: join(folder, "journal"), maxBytes: 1e10 })
      return yield* measure(
        {
          intents: (ids) => {
            for (const id of ids) journal.recordIntent(id, intent, nothing)
            journal.flush()
          },
          records: (ids) => {
            for (const id of ids) journal.append({ id, endedMs: 1_795_395_600_000, line }, nothing)
            journal.flush()
          },
          takeOut: Effect.gen(function* () {
            while (sizeOf(journal) > 0) {
              yield* journal.peek(500)
              yield* journal.acknowledge
            }
          }),
        },
        group,
      )
    }),
  )

const sqlite = (group: number) =>
  Effect.suspend(() => {
    const path = join(folder, "journal.sqlite")
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true })
    const db = new DatabaseSync(path)
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE journal (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, line TEXT NOT NULL)`)
    const insert = db.prepare("INSERT INTO journal (id, line) VALUES (?, ?)")
    const [begin, commit] = [db.prepare("BEGIN"), db.prepare("COMMIT")]
    const oldest = db.prepare("SELECT id, line FROM journal ORDER BY seq")
    const remove = db.prepare("DELETE FROM journal")
    const write = (ids: ReadonlyArray<string>, text: string) => {
      if (group > 1) begin.run()
      for (const id of ids) insert.run(id, text)
      if (group > 1) commit.run()
    }
    return measure(
      {
        intents: (ids) => write(ids, intent),
        records: (ids) => write(ids, line),
        takeOut: Effect.sync(() => {
          oldest.all()
          remove.run()
        }),
      },
      group,
    ).pipe(Effect.ensuring(Effect.sync(() => db.close())))
  })

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

const program = Effect.gen(function* () {
  const found = new Map<string, Array<Cost>>()
  for (let round = 0; round <= rounds; round++) {
    for (const group of [1, 8, 64]) {
      for (const [name, run] of Object.entries({ journal, sqlite })) {
        const cost = yield* run(group)
        const key = `${name}, ${String(group).padStart(2)} in one write`
        if (round > 0) found.set(key, [...(found.get(key) ?? []), cost])
      }
    }
  }
  for (const [name, costs] of found) {
    const cpuUs = median(costs.map((cost) => cost.cpuUs)).toFixed(1)
    const longestMs = median(costs.map((cost) => cost.longestMs)).toFixed(1)
    console.log(`${name.padEnd(28)} cpu ${cpuUs.padStart(6)} us   longest wait ${longestMs.padStart(6)} ms`)
  }
})

try {
  await Effect.runPromise(program)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
