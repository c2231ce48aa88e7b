import { readdirSync, readlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { KeyId, RequestId } from "../../src/domain/Ids.ts"
import { FileJournal, type FileJournalOptions } from "../../src/journal/FileJournal.ts"
import { sizeOf } from "../../src/journal/Journal.ts"
import type { AttemptIntent } from "../../src/ledger/LedgerRecord.ts"
import { lostRequest } from "../../src/ledger/lost-request.ts"
import { ledgerDropped, ledgerTornBytes } from "../../src/observability/Metrics.ts"
import { quiet } from "../ledger/logged.ts"
import {
  afterCrash,
  drain,
  entry,
  makeDisk,
  recordIntent,
  scratchDirectory,
  segmentsIn,
  takeAll,
} from "./files.ts"

const KIB = 1024

const intent = (id: string, model = "m"): AttemptIntent => ({
  id: RequestId.make(id),
  requestStartedAt: 1_000,
  keyId: KeyId.make("AdaAdaAdaAda"),
  endpoint: "/infer",
  route: "auto",
  requestedModel: "auto",
  stream: true,
  provider: "p",
  model,
  startedAt: 2_000,
})

const entries = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => entry(`id-${from + i}`, `{"x":"${"y".repeat(100)}"}`))

const ids = (given: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> =>
  given.map(({ id }) => id)

/** Bytes and gaps that a reader had to pass over. */
const damage = Effect.map(
  Effect.all([Metric.value(ledgerTornBytes), Metric.value(ledgerDropped("damaged"))]),
  ([torn, damaged]) => Number(torn.count) + Number(damaged.count),
)

const openIn = (directory: string, options: Partial<FileJournalOptions> = {}) =>
  FileJournal.open({ directory, maxBytes: 1e9, ...options })

/** Files of a journal that this process has open. */
const openSegments = (directory: string): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return ""
      }
    })
    .filter((path) => path.startsWith(directory) && path.includes(".gwj"))

describe("the journal in files", () => {
  it.effect("leaves no file open when it ends while it opens one", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      yield* Effect.gen(function* () {
        const journal = yield* openIn(directory)
        for (const each of entries(3)) assert.isUndefined(journal.appendNow(each))
        const reading = yield* Effect.forkChild(journal.peek(10), { startImmediately: true })
        yield* Fiber.interrupt(reading)
      }).pipe(Effect.scoped)
      // What was being opened is closed when it is open, which takes a busy machine a while.
      let open = openSegments(directory)
      for (let tries = 0; open.length > 0 && tries < 200; tries++) {
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
        open = openSegments(directory)
      }
      assert.deepStrictEqual(open, [])
    }),
  )

  it.effect("gives what it took, in order, again until it is acknowledged", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, { segmentBytes: 2 * KIB })
      const given = entries(100)
      for (const each of given) assert.isUndefined(journal.appendNow(each))
      assert.deepStrictEqual(yield* journal.peek(7), given.slice(0, 7))
      assert.deepStrictEqual(yield* journal.peek(7), given.slice(0, 7))
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, given)
      assert.deepStrictEqual(yield* takeAll(journal), given)
      assert.strictEqual(sizeOf(journal), 0)
    }),
  )

  it.effect("deletes a segment when its last record is acknowledged, and empties the one that grows", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, { segmentBytes: 2 * KIB })
      for (const each of entries(100)) journal.appendNow(each)
      const full = segmentsIn(directory)
      assert.isAbove(full.length, 5)
      assert.strictEqual(
        journal.bytes(),
        full.reduce((sum, { length }) => sum + length, 0),
      )
      yield* journal.peek(20)
      yield* journal.acknowledge
      assert.isBelow(segmentsIn(directory).length, full.length)
      // At most a segment is repeated.
      const again = yield* afterCrash(directory)
      assert.isAtMost(again.entries.length, 80 + 20)
      assert.includeMembers([...ids(again.entries)], [...ids(entries(80, 20))])
      yield* takeAll(journal)
      assert.deepStrictEqual(
        segmentsIn(directory).map(({ length }) => length),
        [8],
      )
      assert.strictEqual(journal.bytes(), 8)
      for (const each of entries(3, 100)) journal.appendNow(each)
      assert.deepStrictEqual(yield* takeAll(journal), entries(3, 100))
    }),
  )

  it.effect("leaves nothing behind when it closes empty, and everything when not", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const [first, second] = [yield* Scope.make(), yield* Scope.make()]
      const empty = yield* openIn(directory).pipe(Scope.provide(first))
      empty.appendNow(entry("a"))
      yield* takeAll(empty)
      yield* Scope.close(first, Exit.void)
      assert.deepStrictEqual(readdirSync(directory), [])

      const filled = yield* openIn(directory).pipe(Scope.provide(second))
      filled.appendNow(entry("b"))
      recordIntent(filled, intent("c"))
      yield* Scope.close(second, Exit.void)
      const orphan = yield* (yield* openIn(directory)).recoverOrphan
      assert.deepStrictEqual(orphan && ids(yield* drain(orphan)), ["b"])
      assert.deepStrictEqual(
        orphan?.unfinished.map((intents) => lostRequest(intents)?.id),
        [RequestId.make("c")],
      )
    }),
  )

  it.effect(
    "takes over the directory of the dead, never that of the living, and removes it when it is empty",
    () =>
      Effect.gen(function* () {
        const directory = yield* scratchDirectory
        const dying = yield* Scope.make()
        const one = yield* openIn(directory).pipe(Scope.provide(dying))
        const other = yield* openIn(directory)
        for (const each of entries(10)) one.appendNow(each)
        assert.isUndefined(yield* other.recoverOrphan)
        yield* Scope.close(dying, Exit.void)
        const third = yield* openIn(directory)
        const orphan = yield* other.recoverOrphan
        assert.isUndefined(yield* third.recoverOrphan)
        assert.isAbove(other.bytes(), 1_000)
        assert.deepStrictEqual(orphan && (yield* drain(orphan)), entries(10))
        assert.strictEqual(readdirSync(directory).length, 3)
        if (orphan !== undefined) yield* orphan.remove
        assert.strictEqual(readdirSync(directory).length, 2)
        assert.strictEqual(other.bytes(), 0)
      }),
  )

  it.effect("does not remove what it does not know", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const dying = yield* Scope.make()
      const dead = yield* openIn(directory).pipe(Scope.provide(dying))
      dead.appendNow(entry("a"))
      yield* Scope.close(dying, Exit.void)
      const [name = ""] = readdirSync(directory)
      writeFileSync(join(directory, name, "00000009.gwj4"), "of a later version")
      const orphan = yield* (yield* openIn(directory)).recoverOrphan
      assert.deepStrictEqual(orphan && ids(yield* drain(orphan)), ["a"])
      if (orphan !== undefined) yield* orphan.remove
      assert.deepStrictEqual(readdirSync(join(directory, name)), ["00000009.gwj4"])
    }),
  )

  it.live("says which directory it cannot use", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      writeFileSync(join(directory, "file"), "")
      const error = yield* Effect.flip(openIn(join(directory, "file", "journal")))
      assert.include(error.message, join(directory, "file", "journal"))
      assert.include(error.message, "ENOTDIR")
    }),
  )
})

describe("calls that are under way", () => {
  it.effect("are lost with the process unless their request has its record", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory)
      for (const id of ["a", "b", "c"]) assert.isUndefined(recordIntent(journal, intent(id)))
      recordIntent(journal, intent("b", "other"))
      journal.appendNow(entry("a"))
      const { entries, lost } = yield* afterCrash(directory)
      assert.deepStrictEqual(ids(entries), ["a"])
      assert.deepStrictEqual(
        lost.map(({ id, attempts }) => `${id} ${attempts.map(({ model }) => model)}`),
        ["b m,other", "c m"],
      )
    }),
  )

  it.effect("outlive the segment they began in, which is deleted", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, { segmentBytes: 2 * KIB })
      recordIntent(journal, intent("long"))
      for (let round = 0; round < 20; round++) {
        recordIntent(journal, intent(`short-${round}`))
        for (const each of entries(10, round * 10)) journal.appendNow(each)
        journal.appendNow(entry(`short-${round}`))
        yield* takeAll(journal)
      }
      assert.isAtMost(segmentsIn(directory).length, 2)
      assert.deepStrictEqual(ids((yield* afterCrash(directory)).lost), ["long"])
      journal.appendNow(entry("long"))
      yield* takeAll(journal)
      assert.deepStrictEqual((yield* afterCrash(directory)).lost, [])
    }),
  )

  it.effect("stay noted while their record is nowhere but in memory", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const { disk, state } = makeDisk({ room: 4 * KIB, piece: 50 })
      const journal = yield* openIn(directory, { disk })
      recordIntent(journal, intent("a"))
      state.room = 0
      assert.strictEqual(journal.appendNow(entry("a")), "disk")
      state.room = 4 * KIB
      yield* TestClock.adjust("1 second")
      for (const each of entries(5)) journal.appendNow(each)
      yield* takeAll(journal)
      assert.deepStrictEqual(ids((yield* afterCrash(directory)).lost), ["a"])
      journal.release("a")
      journal.appendNow(entry("b"))
      yield* takeAll(journal)
      assert.deepStrictEqual((yield* afterCrash(directory)).lost, [])
    }),
  )
})

describe("a journal without room", () => {
  it.effect(
    "takes no more at its cap, other processes' leftovers included, and again when there is room",
    () =>
      Effect.gen(function* () {
        const directory = yield* scratchDirectory
        const dying = yield* Scope.make()
        const dead = yield* openIn(directory).pipe(Scope.provide(dying))
        for (const each of entries(20)) dead.appendNow(each)
        yield* Scope.close(dying, Exit.void)
        const journal = yield* openIn(directory, { segmentBytes: KIB, maxBytes: 8 * KIB })
        const orphan = yield* journal.recoverOrphan
        const refusals = entries(100).map(journal.appendNow)
        const taken = refusals.indexOf("journal_full")
        assert.isAbove(taken, 20)
        // 58 would fit without what the dead left.
        assert.isBelow(taken, 50)
        assert.isAtMost(journal.bytes(), 8 * KIB + 200)
        assert.strictEqual(recordIntent(journal, intent("a")), "journal_full")
        if (orphan !== undefined) yield* drain(orphan)
        assert.isUndefined(journal.appendNow(entry("b")))
      }),
  )

  it.effect("has only whole records on a disk that filled up in the middle of one", () =>
    Effect.gen(function* () {
      const given = entries(40)
      for (let room = 900; room < 1_100; room += 7) {
        const directory = yield* scratchDirectory
        const before = yield* damage
        const { disk, state } = makeDisk({ room, piece: 50 })
        const journal = yield* openIn(directory, { disk, segmentBytes: 600 })
        const taken = given.filter((each) => journal.appendNow(each) === undefined)
        assert.isBelow(taken.length, 10)
        assert.strictEqual(journal.fault(), "ENOSPC")
        const crashed = yield* afterCrash(directory)
        assert.deepStrictEqual(crashed.entries, taken)

        state.room = 1e6
        yield* TestClock.adjust("1 second")
        const more = entries(10, 40)
        for (const each of more) assert.isUndefined(journal.appendNow(each))
        assert.deepStrictEqual((yield* afterCrash(directory)).entries, [...taken, ...more])
        assert.deepStrictEqual(yield* takeAll(journal), [...taken, ...more])
        assert.strictEqual(yield* damage, before)
      }
    }),
  )

  it.effect("goes on in a new segment when the old one cannot be mended", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const { disk, state } = makeDisk({ room: 700, piece: 50 })
      const journal = yield* openIn(directory, { disk })
      state.stuck = true
      const taken = entries(10).filter((each) => journal.appendNow(each) === undefined)
      state.room = 1e6
      yield* TestClock.adjust("1 second")
      const more = entries(10, 10)
      for (const each of more) assert.isUndefined(journal.appendNow(each))
      assert.strictEqual(segmentsIn(directory).length, 2)
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, [...taken, ...more])
      assert.deepStrictEqual(yield* takeAll(journal), [...taken, ...more])
    }).pipe(quiet),
  )

  it.effect("leaves a failing disk alone for a second", () =>
    Effect.gen(function* () {
      const { disk, state } = makeDisk({ room: 100, piece: 50 })
      const journal = yield* openIn(yield* scratchDirectory, { disk })
      for (const each of entries(10)) assert.strictEqual(journal.appendNow(each), "disk")
      assert.isBelow(state.writes, 8)
      yield* TestClock.setTime(-3_600_000)
      state.room = 1e6
      assert.isUndefined(journal.appendNow(entry("clock set back")))
    }),
  )
})

describe("the age of what is in the journal", () => {
  const ended = (id: string, ms: number) => entry(id, `{"id":"${id}","x":"${"y".repeat(140)}"}`, ms)

  it.effect("is that of its first record that is not acknowledged", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const dying = yield* Scope.make()
      const journal = yield* openIn(directory, { segmentBytes: KIB }).pipe(Scope.provide(dying))
      // Keeps the segment from being emptied.
      recordIntent(journal, intent("long"))
      assert.isUndefined(journal.oldestMs())
      journal.appendNow(ended("a", 1_000))
      assert.strictEqual(journal.oldestMs(), 1_000)
      yield* takeAll(journal)
      assert.isUndefined(journal.oldestMs())
      for (let n = 1; n <= 40; n++) journal.appendNow(ended(`b-${n}`, 5_000 + n))
      assert.strictEqual(journal.oldestMs(), 5_001)
      yield* journal.peek(3)
      assert.strictEqual(journal.oldestMs(), 5_001)
      yield* journal.acknowledge
      // The last one that was acknowledged, until the next is read.
      assert.strictEqual(journal.oldestMs(), 5_003)
      yield* Scope.close(dying, Exit.void)
      const orphan = yield* (yield* openIn(directory)).recoverOrphan
      assert.strictEqual(orphan?.queue.oldestMs(), 1_000)
      if (orphan !== undefined) yield* drain(orphan)
      assert.isUndefined(orphan?.queue.oldestMs())
    }),
  )
})
