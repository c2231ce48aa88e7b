import { join } from "node:path"
import { Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { LedgerConfig } from "../../config/GatewayConfig.ts"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, ok, several, warn } from "../../domain/Finding.ts"
import { inspectDisk, type JournalDiskState } from "../../journal/inspect-disk.ts"
import { inspectJournal, type ProcessJournal, type WaitingRecord } from "../../journal/inspect-journal.ts"
import { timesOf } from "../ledger-entry.ts"
import { explainDiskFault } from "../WriterHealth.ts"

/** Checks what waits in `DATA_DIR` for the database, and whether its process lives. */

/** Age of a record that is late: it is shipped within a second, or within a minute of its process's death. */
const LATE_MS = 2 * 60_000

const NEARLY_FULL = 0.8

const LOOK_UP = 1_000

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const decodeIds = decodeRows(Schema.Struct({ id: Schema.String }))

/** Returns the records that the database does not have yet. */
const missingOf = (
  sql: SqlClient.SqlClient,
  records: ReadonlyArray<WaitingRecord>,
): Effect.Effect<ReadonlyArray<WaitingRecord>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const missing: Array<WaitingRecord> = []
    for (let at = 0; at < records.length; at += LOOK_UP) {
      const batch = records.slice(at, at + LOOK_UP).filter(({ id }) => UUID.test(id))
      const found = yield* reading(
        sql,
        decodeIds(sql`
          SELECT wanted.id::text
          FROM jsonb_to_recordset(${JSON.stringify(batch)}::jsonb) AS wanted (id uuid, "startedMs" double precision)
          WHERE EXISTS (
            SELECT FROM requests
            WHERE requests.id = wanted.id AND started_at = to_timestamp("startedMs" / 1000)
          )`),
      )
      const there = new Set(found.map(({ id }) => id))
      missing.push(...batch.filter(({ id }) => !there.has(id.toLowerCase())))
    }
    return missing
  })

interface Inspected extends ProcessJournal {
  /** Those of the first records that the database does not have; undefined when it cannot be asked. */
  readonly waiting: ReadonlyArray<WaitingRecord> | undefined
}

/** Tells what is in the journal's files, and with a database, what of it still has to go there. */
export const checkJournal = (
  dataDir: string,
  ledger: LedgerConfig,
  nowMs: number,
  sql: SqlClient.SqlClient | undefined,
): Effect.Effect<Finding> =>
  Effect.gen(function* () {
    const processes = yield* inspectJournal(join(dataDir, "journal"), timesOf)
    const inspected = yield* Effect.forEach(processes, (process) =>
      Effect.map(
        sql === undefined
          ? Effect.undefined
          : Effect.orElseSucceed(missingOf(sql, process.first), () => undefined),
        (waiting): Inspected => ({ ...process, waiting }),
      ),
    )
    const disk = yield* Effect.promise(() => inspectDisk(dataDir))
    return diskFinding(ledger, disk) ?? journalFinding(inspected, ledger, nowMs)
  })

/** Two of the journal's files. */
const LEAST_FREE_BYTES = 16 * 1024 * 1024

/** Returns what keeps the journal from being written where it is; undefined when nothing does. */
export const diskFinding = (
  ledger: LedgerConfig,
  disk: JournalDiskState | undefined,
): Finding | undefined => {
  if (ledger.journal === "memory" || disk === undefined) return undefined
  const { freeBytes, fault } = disk
  if (fault === undefined && (freeBytes === undefined || freeBytes >= LEAST_FREE_BYTES)) return undefined
  return fail("journal", {
    summary: `cannot be written: ${fault === undefined ? `the disk has ${several(freeBytes ?? 0, "byte")} left` : explainDiskFault(fault)}`,
    numbers: freeBytes === undefined ? {} : { free_bytes: freeBytes },
    next: "Make room for DATA_DIR, or let the gateway's user write there. Until then records wait in memory only.",
  })
}

const journalFinding = (
  processes: ReadonlyArray<Inspected>,
  ledger: LedgerConfig,
  nowMs: number,
): Finding => {
  const sum = (of: (process: Inspected) => number, among = processes) =>
    among.reduce((total, process) => total + of(process), 0)
  const ageMs = ({ waiting, first }: Inspected) =>
    (waiting ?? first).reduce((oldest, { endedMs }) => Math.max(oldest, nowMs - endedMs), 0)
  const waitingIn = (process: Inspected) =>
    process.waiting === undefined
      ? process.records
      : process.waiting.length + process.records - process.first.length
  const dead = processes.filter(({ alive }) => !alive)
  const bytes = sum((process) => process.bytes)
  const oldestMs = Math.max(0, ...processes.map(ageMs))
  const numbers = {
    living: processes.length - dead.length,
    orphaned: dead.length,
    bytes,
    records: sum((process) => process.records),
    waiting: sum(waitingIn),
    waiting_orphaned: sum(waitingIn, dead),
    unfinished_orphaned: sum((process) => process.unfinished, dead),
    oldest_age_seconds: Math.round(oldestMs / 1000),
    gaps: sum((process) => process.gaps),
    damaged_bytes: sum((process) => process.damagedBytes),
    records_lost: sum((process) => process.lost),
  }
  const lines = processes
    .filter(
      (process) =>
        process.records + process.unfinished + process.gaps + process.lost > 0 || process.unreadable,
    )
    .map(
      (process) =>
        `${process.name} (${process.alive ? "living" : "orphaned"}): ${several(process.records, "record")}, ` +
        `${waitingIn(process)} of them not in the database, ${several(process.unfinished, "unfinished request")}, ` +
        `${several(process.bytes, "byte")}${process.gaps > 0 ? `, ${process.damagedBytes} of them damaged` : ""}` +
        `${process.lost > 0 ? `, ${several(process.lost, "record")} lost` : ""}` +
        `${process.unreadable === undefined ? "" : `, unreadable (${process.unreadable})`}`,
    )
  const full = bytes >= ledger.journalMaxBytes * NEARLY_FULL
  const unreadable = processes.filter((process) => process.unreadable !== undefined).length

  if (numbers.gaps + numbers.records_lost > 0 || unreadable > 0) {
    return fail("journal", {
      summary:
        numbers.gaps + numbers.records_lost > 0
          ? `${several(numbers.records_lost, "record")} lost for certain; damaged in ${several(numbers.gaps, "place")}, ${several(numbers.damaged_bytes, "byte")}`
          : `${several(unreadable, "directory of it", "directories of it")} cannot be read`,
      numbers,
      examples: lines,
      next:
        unreadable > 0
          ? "Check the disk and who owns the files: a gateway takes a dead process's directory over when all of it can be read."
          : "Check the disk. What is whole is shipped all the same; keep copies of these files.",
    })
  }
  if (full) {
    return fail("journal", {
      summary: `${several(bytes, "byte")} of ${ledger.journalMaxBytes.toLocaleString("en")} are taken: soon records wait in memory only`,
      numbers,
      examples: lines,
      next: "Bring the database back, or raise ledger.journal_max_bytes.",
    })
  }
  if (numbers.waiting_orphaned + numbers.unfinished_orphaned > 0) {
    return warn("journal", {
      summary:
        `${several(numbers.waiting_orphaned, "record")} and ${several(numbers.unfinished_orphaned, "unfinished request")} ` +
        "of processes that died wait to be taken over",
      numbers,
      examples: lines,
      next: "Run a gateway with this DATA_DIR: it takes over within a minute.",
    })
  }
  if (numbers.waiting > 0 && oldestMs > LATE_MS) {
    return warn("journal", {
      summary: `${several(numbers.waiting, "record")} wait, the oldest for ${Math.round(oldestMs / 1000).toLocaleString("en")} s`,
      numbers,
      examples: lines,
      next: "See the gateway's log for `ledger batch not written`.",
    })
  }
  if (ledger.journal === "memory") {
    return warn("journal", {
      summary: "kept in memory: what waits there is lost with its process",
      numbers,
      next: "Set ledger.journal to file in the file that GATEWAY_CONFIG names.",
    })
  }
  return ok("journal", {
    summary: `${several(numbers.living, "living process", "living processes")}, ${several(numbers.waiting, "record")} on the way to the database`,
    numbers,
  })
}
