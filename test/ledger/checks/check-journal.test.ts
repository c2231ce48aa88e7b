import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { FileJournal } from "../../../src/journal/FileJournal.ts"
import { INTENT } from "../../../src/journal/frame.ts"
import { inspectDisk } from "../../../src/journal/inspect-disk.ts"
import { checkJournal, diskFinding } from "../../../src/ledger/checks/check-journal.ts"
import { ledgerEntry } from "../../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../../src/ledger/write-batch.ts"
import { isLocked, tryLock } from "../../../src/platform/file-lock.ts"
import { entry, frame, recordIntent, scratchDirectory, segmentOf } from "../../journal/files.ts"
import { layerPostgres } from "../../support/Databases.ts"
import { HOUR_MS, record } from "../records.ts"

const START = Date.UTC(2026, 9, 20)

const settings = { journal: "file" as const, journalMaxBytes: 16_777_216 }

const recordsOf = (count: number) =>
  Array.from({ length: count }, (_, i) => record({ startedAt: START + i, latencyMs: 10 }))

/** A process directory as a crash leaves it. */
const orphan = (dataDir: string, name: string, bytes: Buffer) => {
  const path = join(dataDir, "journal", name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, "00000001.gwj3"), bytes)
  return path
}

const frames = (records: ReturnType<typeof recordsOf>) =>
  records.map((each) => {
    return frame(ledgerEntry(each))
  })

const listing = (dataDir: string) => readdirSync(dataDir, { recursive: true, encoding: "utf8" }).toSorted()

describe("the check of the journal", () => {
  it.effect("finds none where there is none, and makes none", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      assert.strictEqual((yield* checkJournal(dataDir, settings, START, undefined)).status, "ok")
      assert.deepStrictEqual(listing(dataDir), [])
    }),
  )

  it("fails on a disk that takes nothing, unless the journal is in memory", () => {
    assert.match(
      diskFinding(settings, { freeBytes: 4_096, fault: undefined })?.summary ?? "",
      /cannot be written: the disk has 4,096 bytes left/,
    )
    assert.match(
      diskFinding(settings, { freeBytes: undefined, fault: "EROFS" })?.summary ?? "",
      /cannot be written: the file system is read-only \(EROFS\)/,
    )
    assert.isUndefined(diskFinding(settings, { freeBytes: 1e9, fault: undefined }))
    assert.isUndefined(diskFinding(settings, undefined))
    assert.isUndefined(diskFinding({ ...settings, journal: "memory" }, { freeBytes: 0, fault: undefined }))
  })

  it.effect("looks at the disk that DATA_DIR is on", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      const [disk, nowhere] = yield* Effect.promise(() =>
        Promise.all([inspectDisk(dataDir), inspectDisk(join(dataDir, "nowhere"))]),
      )
      assert.isAbove(disk?.freeBytes ?? 0, 0)
      assert.isUndefined(disk?.fault)
      assert.isUndefined(nowhere)
      writeFileSync(join(dataDir, "file"), "")
      const { fault } = (yield* Effect.promise(() => inspectDisk(join(dataDir, "file/journal")))) ?? {}
      assert.strictEqual(fault, "ENOTDIR")
    }),
  )

  it.effect("tells what a dead process left, with its unfinished requests, and touches nothing", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      const records = recordsOf(3)
      const torn = frame(entry("x", "{}")).subarray(0, 6)
      orphan(
        dataDir,
        "dead",
        segmentOf([...frames(records), frame(entry("call", '{"id":"call"}'), INTENT), torn]),
      )
      const before = listing(dataDir)
      const found = yield* checkJournal(dataDir, settings, START + HOUR_MS, undefined)
      assert.strictEqual(found.status, "warn")
      assert.deepInclude(found.numbers, {
        ...{ living: 0, orphaned: 1, records: 3, waiting_orphaned: 3, unfinished_orphaned: 1, gaps: 0 },
        oldest_age_seconds: 3_600,
      })
      assert.match(
        found.examples[0] ?? "",
        /^dead \(orphaned\): 3 records, 3 of them not in the database, 1 unfinished/,
      )
      assert.deepStrictEqual(listing(dataDir), before)
    }),
  )

  it.effect("fails on damage, also of a file whose end is no record cut off", () =>
    Effect.gen(function* () {
      for (const [place, noise, lost] of [
        // The frame behind it says that nothing is missing; an end that is damaged was one record at least.
        [1, 40, 0],
        [3, 40, 1],
      ] as const) {
        const dataDir = yield* scratchDirectory
        const parts = frames(recordsOf(3))
        parts.splice(place, 0, Buffer.alloc(noise, 0xff))
        orphan(dataDir, "dead", segmentOf(parts))
        const found = yield* checkJournal(dataDir, settings, START, undefined)
        assert.strictEqual(found.status, "fail")
        assert.deepInclude(found.numbers, { gaps: 1, damaged_bytes: noise, records: 3, records_lost: lost })
      }
    }),
  )

  it.effect("knows a living process by its lock, and its requests under way are nothing to take over", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      const journal = yield* FileJournal.open({ directory: join(dataDir, "journal"), maxBytes: 1e9 })
      const [first] = recordsOf(1)
      assert.isDefined(first)
      journal.appendNow(ledgerEntry(first))
      recordIntent(journal, {
        ...{ id: record().id, requestStartedAt: START, keyId: first.keyId, endpoint: "/infer", route: null },
        ...{ requestedModel: "auto", stream: false, provider: "openai", model: "gpt-5", startedAt: START },
      })
      const soon = yield* checkJournal(dataDir, settings, START + 1_000, undefined)
      assert.strictEqual(soon.status, "ok")
      assert.deepInclude(soon.numbers, { living: 1, orphaned: 0, records: 1, waiting: 1 })
      const late = yield* checkJournal(dataDir, settings, START + HOUR_MS, undefined)
      assert.strictEqual(late.status, "warn")
      assert.match(late.summary, /^1 record wait, the oldest for 3,600 s/)
    }),
  )

  it.effect("fails before the journal is full", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      orphan(dataDir, "dead", segmentOf(frames(recordsOf(10))))
      const full = yield* checkJournal(dataDir, { ...settings, journalMaxBytes: 9_000 }, START, undefined)
      assert.deepInclude(full, { status: "fail" })
      assert.match(full.summary, /soon records wait in memory only/)
    }),
  )

  it.effect("fails on files that cannot be read", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      mkdirSync(join(dataDir, "journal", "dead", "00000001.gwj3"), { recursive: true })
      const found = yield* checkJournal(dataDir, settings, START, undefined)
      assert.deepInclude(found, { status: "fail", summary: "1 directory of it cannot be read" })
      assert.match(found.examples[0] ?? "", /unreadable \(EISDIR\)$/)
      assert.notInclude(found.next ?? "", "is shipped all the same")
    }),
  )

  it.effect("warns of a journal in memory", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchDirectory
      const found = yield* checkJournal(dataDir, { ...settings, journal: "memory" }, START, undefined)
      assert.deepInclude(found, { status: "warn" })
    }),
  )

  layer(layerPostgres)((it) => {
    it.effect("counts as waiting only what the database does not have", () =>
      Effect.gen(function* () {
        const dataDir = yield* scratchDirectory
        const sql = yield* SqlClient.SqlClient
        const records = recordsOf(1_200)
        yield* writeBatch(sql, records.slice(0, 1_150).map(ledgerEntry))
        orphan(dataDir, "dead", segmentOf(frames(records)))
        const found = yield* checkJournal(dataDir, settings, START + HOUR_MS, sql)
        assert.deepInclude(found.numbers, { records: 1_200, waiting: 50, oldest_age_seconds: 3_599 })
        yield* writeBatch(sql, records.map(ledgerEntry))
        const after = yield* checkJournal(dataDir, settings, START + HOUR_MS, sql)
        assert.deepInclude(after.numbers, { records: 1_200, waiting: 0 })
        assert.strictEqual(after.status, "ok")
      }),
    )
  })
})

describe("a look at a lock", () => {
  it.effect("tells whether it is held, and leaves it to be had and to be missing", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const path = join(directory, "lock")
      assert.isFalse(yield* isLocked(path))
      assert.deepStrictEqual(listing(directory), [])
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.isTrue(yield* tryLock(path))
          assert.isTrue(yield* isLocked(path))
        }),
      )
      assert.isFalse(yield* isLocked(path))
      assert.isTrue(yield* tryLock(path))
    }),
  )
})
