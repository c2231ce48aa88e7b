import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { FileJournal } from "../../src/journal/FileJournal.ts"
import { type Entry, type Journal, sizeOf } from "../../src/journal/Journal.ts"
import { ledgerDropped, ledgerReadFailures } from "../../src/observability/Metrics.ts"
import { logged, quiet } from "../ledger/logged.ts"
import { drain, entry, frame, scratchDirectory, segmentOf, segmentsIn, takeAll } from "./files.ts"

/** Files of the journal that are gone, or cannot be read for a while. */

const KIB = 1024

const entries = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => entry(`id-${from + i}`, `{"x":"${"y".repeat(100)}"}`))

const ids = (given: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> =>
  given.map(({ id }) => id)

const openIn = (directory: string, segmentBytes = 1e6) =>
  FileJournal.open({ directory, maxBytes: 1e9, segmentBytes })

const lost = Effect.map(Metric.value(ledgerDropped("damaged")), ({ count }) => Number(count))
const readFailures = Effect.map(Metric.value(ledgerReadFailures), ({ count }) => Number(count))

/** Puts something that cannot be read in the place of the first process directory's segment, until it is called. */
const withhold = (directory: string, index: number) => {
  const [name = ""] = readdirSync(directory).toSorted()
  const segments = readdirSync(join(directory, name)).filter((file) => file.endsWith(".gwj3"))
  const path = join(directory, name, segments.toSorted()[index] ?? "none")
  const kept = join(directory, name, `kept-${index}`)
  renameSync(path, kept)
  mkdirSync(path)
  return () => {
    rmdirSync(path)
    renameSync(kept, path)
  }
}

/** Everything that can be had, asking a few times more when there is nothing for the moment. */
const takeAllPatiently = Effect.fnUntraced(function* (journal: Journal) {
  const taken: Array<Entry> = []
  for (let nothing = 0; nothing < 6 && sizeOf(journal) > 0; ) {
    const batch = yield* journal.peek(3)
    taken.push(...batch)
    yield* journal.acknowledge
    nothing = batch.length === 0 ? nothing + 1 : 0
  }
  return taken
})

describe("a journal whose files are touched by others", () => {
  it.live("counts what it cannot read any more, and goes on", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, 2 * KIB)
      for (const each of entries(100)) journal.appendNow(each)
      const [name = ""] = readdirSync(directory)
      const [, second = ""] = readdirSync(join(directory, name)).toSorted()
      assert.isTrue(existsSync(join(directory, name, second)))
      rmSync(join(directory, name, second))
      const read = yield* takeAll(journal)
      assert.isAbove(read.length, 70)
      assert.isBelow(read.length, 100)
      assert.strictEqual(sizeOf(journal), 0)
    }).pipe(quiet),
  )

  it.effect("tries again a file that cannot be read at the moment, and goes on with the others", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, 2 * KIB)
      const given = entries(100)
      for (const each of given) journal.appendNow(each)
      const [first, second] = [withhold(directory, 0), withhold(directory, 1)]
      const before = yield* lost
      const failures = yield* readFailures
      const { lines, result: read } = yield* logged(takeAllPatiently(journal))
      assert.isAbove(read.length, 60)
      assert.isBelow(read.length, 100)
      assert.strictEqual(sizeOf(journal), 100 - read.length)
      assert.isAbove((yield* readFailures) - failures, 2)
      assert.deepStrictEqual(
        lines.map((line) => line.includes("cannot be read") && line.includes("EISDIR")),
        [true],
      )
      first()
      const next = yield* takeAllPatiently(journal)
      second()
      const rest = yield* takeAllPatiently(journal)
      assert.sameDeepMembers([...read, ...next, ...rest], given)
      assert.strictEqual(sizeOf(journal), 0)
      assert.strictEqual(yield* lost, before)
      assert.lengthOf(segmentsIn(directory), 1)
    }).pipe(quiet),
  )

  it.effect("tries the growing file again, and takes records meanwhile", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory)
      for (const each of entries(3)) journal.appendNow(each)
      const giveBack = withhold(directory, 0)
      assert.deepStrictEqual(yield* takeAllPatiently(journal), [])
      for (const each of entries(3, 3)) assert.isUndefined(journal.appendNow(each))
      giveBack()
      assert.deepStrictEqual(yield* takeAllPatiently(journal), entries(6))
    }).pipe(quiet),
  )

  it.effect("goes on in a new file when the growing one is gone and an older one cannot be read", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const journal = yield* openIn(directory, KIB)
      for (const each of entries(10)) journal.appendNow(each)
      const [name = ""] = readdirSync(directory)
      const files = readdirSync(join(directory, name)).filter((file) => file.endsWith(".gwj3"))
      const giveBack = withhold(directory, 0)
      rmSync(join(directory, name, files.toSorted().at(-1) ?? ""))
      assert.deepStrictEqual(yield* takeAllPatiently(journal), [])
      giveBack()
      const read = yield* takeAllPatiently(journal)
      assert.isAbove(read.length, 5)
      assert.deepStrictEqual(read, entries(read.length))
      for (const each of entries(2, 10)) assert.isUndefined(journal.appendNow(each))
      assert.deepStrictEqual(yield* takeAllPatiently(journal), entries(2, 10))
      assert.strictEqual(sizeOf(journal), 0)
    }).pipe(quiet),
  )

  it.effect("gives back a dead process's directory that it cannot read, and takes the next one", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const living = yield* openIn(directory)
      const other = yield* openIn(directory)
      for (const name of ["0-dead", "1-dead"]) {
        mkdirSync(join(directory, name))
        writeFileSync(join(directory, name, "00000001.gwj3"), segmentOf([frame(entry(name, "{}"))]))
      }
      const giveBack = withhold(directory, 0)
      const next = yield* living.recoverOrphan
      assert.deepStrictEqual(next && ids(yield* drain(next)), ["1-dead"])
      assert.isUndefined(yield* living.recoverOrphan)
      giveBack()
      const first = yield* other.recoverOrphan
      assert.deepStrictEqual(first && ids(yield* drain(first)), ["0-dead"])
    }).pipe(quiet),
  )

  it.effect("takes a directory that it could not read in a later round", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      const living = yield* openIn(directory)
      mkdirSync(join(directory, "0-dead"))
      writeFileSync(join(directory, "0-dead", "00000001.gwj3"), segmentOf([frame(entry("a", "{}"))]))
      const giveBack = withhold(directory, 0)
      assert.isUndefined(yield* living.recoverOrphan)
      assert.isUndefined(yield* living.recoverOrphan)
      giveBack()
      const found = yield* living.recoverOrphan
      assert.deepStrictEqual(found && ids(yield* drain(found)), ["a"])
    }).pipe(quiet),
  )
})
