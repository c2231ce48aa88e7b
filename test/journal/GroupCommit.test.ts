import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { FileJournal, type FileJournalOptions } from "../../src/journal/FileJournal.ts"
import { type Entry, type Journal, type Refusal, sizeOf } from "../../src/journal/Journal.ts"
import { afterCrash, entry, makeDisk, scratchDirectory, segmentsIn, takeAll } from "./files.ts"

/** One write for everything that a turn of the event loop brings. */

const open = (directory: string, options: Partial<FileJournalOptions> = {}) =>
  FileJournal.open({ directory, maxBytes: 1e9, ...options })

const entries = (count: number, prefix = "id", bytes = 20) =>
  Array.from({ length: count }, (_, i) => entry(`${prefix}-${i}`, `{"x":"${"y".repeat(bytes + i)}"}`))

const nothing = () => {}

/** Two requests are under way, so that none is alone; the writes that this takes are not the test's. */
const keepBusy = (journal: Journal) => {
  for (const id of ["busy-1", "busy-2"]) journal.recordIntent(id, "{}", nothing)
  journal.flush()
}

/** Appends in one turn, and gives the outcome of each as it comes. */
const appendAll = (journal: Journal, given: ReadonlyArray<Entry>) => {
  const outcomes = new Map<string, Refusal | "written">()
  for (const each of given)
    journal.append(each, (refusal) => {
      assert.isFalse(outcomes.has(each.id), "told twice")
      outcomes.set(each.id, refusal ?? "written")
    })
  return outcomes
}

const endOfTurn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const writtenOf = (given: ReadonlyArray<Entry>, outcomes: ReadonlyMap<string, string>) =>
  given.filter(({ id }) => outcomes.get(id) === "written")

describe("what one turn of the event loop brings", () => {
  it.live("is written with one call at its end, and nobody goes on before", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const { disk, state } = makeDisk()
      const journal = yield* open(directory, { disk })
      keepBusy(journal)
      const before = state.writes
      const given = entries(50)
      const outcomes = appendAll(journal, given)
      let noted = false
      journal.recordIntent("call", '{"call":1}', () => {
        noted = true
      })
      assert.strictEqual(state.writes, before)
      assert.strictEqual(outcomes.size, 0)
      assert.strictEqual(sizeOf(journal), 0)
      yield* endOfTurn
      assert.strictEqual(state.writes, before + 1)
      assert.deepStrictEqual(writtenOf(given, outcomes), given)
      assert.isTrue(noted)
      const { entries: found, orphan } = yield* afterCrash(directory)
      assert.deepStrictEqual(found, given)
      assert.deepStrictEqual(orphan.unfinished, [["{}"], ["{}"], ['{"call":1}']])
    }),
  )

  it.live("is with the kernel before anybody is told", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const { disk, state } = makeDisk()
      const journal = yield* open(directory, { disk })
      keepBusy(journal)
      const before = state.writes
      const seen: Array<number> = []
      for (const each of entries(3)) journal.append(each, () => seen.push(state.writes))
      yield* endOfTurn
      assert.deepStrictEqual(seen, [before + 1, before + 1, before + 1])
    }),
  )

  it.live("keeps the order of a request's intent and record", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* open(directory)
      keepBusy(journal)
      journal.recordIntent("a", "{}", nothing)
      journal.append(entry("a"), nothing)
      yield* endOfTurn
      const { orphan } = yield* afterCrash(directory)
      assert.strictEqual(orphan.unfinished.length, 2)
    }),
  )

  it.live("is not waited for by a request that is alone", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* open(directory)
      const told: Array<string> = []
      journal.recordIntent("a", "{}", () => told.push("intent"))
      journal.append(entry("a"), () => told.push("record"))
      assert.deepStrictEqual(told, ["intent", "record"])
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, [entry("a")])
    }),
  )

  it.live("may be more than the buffer holds", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const { disk, state } = makeDisk()
      const journal = yield* open(directory, { disk, segmentBytes: 1e6 })
      keepBusy(journal)
      const before = state.writes
      const given = entries(60, "large", 60_000)
      const outcomes = appendAll(journal, given)
      assert.strictEqual(outcomes.size, 0)
      yield* endOfTurn
      assert.deepStrictEqual(writtenOf(given, outcomes), given)
      // Bounded, and not one for each.
      assert.isBelow(state.writes - before, 20)
      assert.isAbove(segmentsIn(directory).length, 1)
      assert.deepStrictEqual(yield* takeAll(journal), given)
    }),
  )

  it.live("goes before what cannot wait, and is let go on with a flush", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* open(directory)
      keepBusy(journal)
      const first = entries(2, "first")
      const outcomes = appendAll(journal, first)
      assert.isUndefined(journal.forceAppend(entry("forced")))
      assert.strictEqual(outcomes.size, 0)
      const last = entries(2, "last")
      const after = appendAll(journal, last)
      journal.flush()
      assert.strictEqual(outcomes.size + after.size, 4)
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, [...first, entry("forced"), ...last])
      yield* endOfTurn
      assert.strictEqual(journal.appended(), 5)
    }),
  )

  it.live("is counted towards the cap before it is written", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* open(directory, { maxBytes: 4_000 })
      keepBusy(journal)
      const given = entries(100)
      const outcomes = appendAll(journal, given)
      assert.isAbove([...outcomes.values()].filter((outcome) => outcome === "journal_full").length, 40)
      yield* endOfTurn
      assert.isAbove(writtenOf(given, outcomes).length, 10)
      assert.isAtMost(journal.bytes(), 4_100)
    }),
  )

  it.live("is written when the journal is closed", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const scope = yield* Scope.make()
      const journal = yield* open(directory).pipe(Scope.provide(scope))
      keepBusy(journal)
      const given = entries(3)
      const outcomes = appendAll(journal, given)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(writtenOf(given, outcomes), given)
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, given)
    }),
  )
})

describe("a group that the disk takes a part of", () => {
  /** Fills the disk at every byte of a group of three; tells what came of it before and after there is room. */
  const atEveryByte = Effect.fnUntraced(function* (stuck: boolean, piece: number) {
    const given = entries(3)
    const probe = yield* open(yield* scratchDirectory)
    keepBusy(probe)
    const empty = probe.bytes()
    appendAll(probe, given)
    const total = probe.bytes() - empty
    for (let room = 0; room <= total; room++) {
      yield* Effect.gen(function* () {
        const directory = yield* scratchDirectory
        const { disk, state } = makeDisk()
        const journal = yield* open(directory, { disk })
        keepBusy(journal)
        Object.assign(state, { room, piece, stuck })
        const outcomes = appendAll(journal, given)
        journal.flush()
        const taken = writtenOf(given, outcomes)
        assert.strictEqual(outcomes.size, 3)
        assert.deepStrictEqual(taken, given.slice(0, taken.length))
        assert.strictEqual(taken.length === 3, room === total)
        assert.strictEqual(sizeOf(journal), taken.length)
        assert.deepStrictEqual((yield* afterCrash(directory)).entries, taken, `room for ${room}`)
        state.room = 1e9
        yield* TestClock.adjust("1 second")
        const more = entries(2, "more")
        const next = appendAll(journal, more)
        journal.flush()
        assert.deepStrictEqual(writtenOf(more, next), more)
        const crashed = yield* afterCrash(directory)
        assert.deepStrictEqual(crashed.entries, [...taken, ...more])
        assert.strictEqual(crashed.orphan.unfinished.length, 2)
        assert.deepStrictEqual(yield* takeAll(journal), [...taken, ...more])
      }).pipe(Effect.scoped)
    }
  })

  it.effect("has its whole frames there, and told, and the others refused", () => atEveryByte(false, 1e9))
  it.effect("does so when the disk takes a few bytes at a time", () => atEveryByte(false, 7))
  it.effect("does so when the file cannot be cut back", () => atEveryByte(true, 1e9))
})
