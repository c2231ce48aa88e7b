import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { FileJournal } from "../../src/journal/FileJournal.ts"
import { RECORD } from "../../src/journal/frame.ts"
import { idAt } from "../../src/journal/payload.ts"
import { scanSegments } from "../../src/journal/scan-segments.ts"
import { ledgerDropped } from "../../src/observability/Metrics.ts"
import { logged } from "../ledger/logged.ts"
import { entry, recoveredFrom, scratchDirectory, takeAll } from "./files.ts"

/** How many records of a damaged journal are lost, and how many of them are said to be. */

interface History {
  /** Sizes of requests' lines; a request has as many intents before its record as it has calls. */
  readonly requests: ReadonlyArray<{ readonly bytes: number; readonly calls: number }>
  readonly end: "killed" | "stopped"
  readonly segmentBytes: number
}

/** Writes a journal and leaves it in `directory` as the end of its process does. */
const write = Effect.fnUntraced(function* (
  root: string,
  directory: string,
  { requests, end, segmentBytes }: History,
) {
  const scope = yield* Scope.make()
  const journal = yield* Scope.provide(
    FileJournal.open({ directory: root, maxBytes: 1e9, segmentBytes }),
    scope,
  )
  const [name = ""] = readdirSync(root)
  for (const [i, { bytes, calls }] of requests.entries()) {
    for (let call = 0; call < calls; call++) journal.recordIntent(`r${i}`, `call ${call}`, () => {})
    journal.flush()
    assert.isUndefined(journal.appendNow(entry(`r${i}`, `{"x":"${"y".repeat(bytes)}"}`)))
  }
  if (end === "killed") cpSync(join(root, name), directory, { recursive: true })
  yield* Scope.close(scope, Exit.void)
  if (end === "stopped") cpSync(join(root, name), directory, { recursive: true })
})

/** Finds the records in each file. */
const read = (directory: string) =>
  Effect.promise(async () => {
    const records = new Map<string, Array<string>>()
    const scanned = await scanSegments(directory, (frame, window, { path }) => {
      if (frame.kind === RECORD) records.set(path, [...(records.get(path) ?? []), idAt(window, frame)])
    })
    return scanned.map(({ path, bytes, damage }) => ({
      name: basename(path),
      path,
      bytes,
      records: records.get(path) ?? [],
      damage,
    }))
  })

const segmentFiles = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".gwj3"))
    .toSorted()
    .map((name) => join(directory, name))

type Blow =
  | { readonly what: "cut"; readonly at: number }
  | { readonly what: "flip"; readonly at: number }
  | { readonly what: "zero"; readonly at: number; readonly length: number }

const strike = (path: string, blow: Blow) => {
  const bytes = readFileSync(path)
  const at = Math.floor(blow.at * bytes.length)
  if (blow.what === "cut") {
    truncateSync(path, at)
    return
  }
  const until = blow.what === "flip" ? at + 1 : at + Math.ceil(blow.length * bytes.length)
  for (let i = at; i < Math.min(until, bytes.length); i++)
    bytes[i] = blow.what === "flip" ? (bytes[i] ?? 0) ^ 0x55 : 0
  writeFileSync(path, bytes)
}

const fraction = fc.noBias(fc.nat(999_999)).map((n) => n / 1_000_000)
const blows = fc.oneof(
  fc.record({ what: fc.constant("cut" as const), at: fraction }),
  fc.record({ what: fc.constant("flip" as const), at: fraction }),
  fc.record({ what: fc.constant("zero" as const), at: fraction, length: fraction }),
)
const histories = fc.record({
  requests: fc.array(fc.record({ bytes: fc.nat(300), calls: fc.nat(2) }), { minLength: 5, maxLength: 30 }),
  end: fc.constantFrom("killed" as const, "stopped" as const),
  segmentBytes: fc.constantFrom(600, 100_000),
})

const samples = <A>(of: fc.Arbitrary<A>) => fc.sample(of, { numRuns: 150, seed: 20_261 })

describe("the number of records that a damaged journal lost", () => {
  it.live("is said exactly where the next segment is there, and for gaps in any", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      let [exact, inGaps] = [0, 0]
      const cases = fc.tuple(histories, fc.array(fc.tuple(fraction, blows), { minLength: 1, maxLength: 3 }))
      for (const [i, [history, struck]] of samples(cases).entries()) {
        const directory = join(root, `dead-${i}`)
        yield* write(join(root, `journal-${i}`), directory, history)
        const before = yield* read(directory)
        assert.strictEqual(
          before.reduce((sum, { records }) => sum + records.length, 0),
          history.requests.length,
        )
        assert.isTrue(before.every(({ damage }) => damage.lostRecords === 0))
        const files = segmentFiles(directory)
        for (const [where, blow] of struck) strike(files[Math.floor(where * files.length)] ?? "", blow)
        const after = yield* read(directory)
        for (const [n, file] of after.entries()) {
          const written = before[n]?.records ?? []
          const lost = written.length - file.records.length
          const said = file.damage.lostRecords
          const story = `${file.name} of case ${i}: lost ${lost}, said ${said}`
          if (file.damage.lostIsAll) {
            assert.strictEqual(said, lost, story)
            if (lost > 0) exact += 1
          } else {
            const lostInGaps = written.indexOf(file.records.at(-1) ?? "") + 1 - file.records.length
            assert.isAtLeast(said, lostInGaps, story)
            // A damaged end is one record at least, unless it was a note of a call.
            assert.isAtMost(said, lost + 1, story)
            if (lostInGaps > 0) inGaps += 1
          }
        }
      }
      assert.isAbove(exact, 50)
      assert.isAbove(inGaps, 10)
    }),
  )

  it.live("is known for the last segment of a process that stopped, wherever it was cut", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const requests = Array.from({ length: 30 }, () => ({ bytes: 1, calls: 0 }))
      const written = join(root, "written")
      yield* write(join(root, "journal"), written, { requests, end: "stopped", segmentBytes: 600 })
      const [whole] = (yield* read(written)).toReversed().filter(({ records }) => records.length > 0)
      for (let at = 0; at <= (whole?.bytes ?? 0); at += 7) {
        const directory = join(root, "cut")
        cpSync(written, directory, { recursive: true, force: true })
        truncateSync(join(directory, whole?.name ?? ""), at)
        const file = (yield* read(directory)).find(({ name }) => name === whole?.name)
        assert.isTrue(file?.damage.lostIsAll)
        assert.strictEqual(
          file?.damage.lostRecords,
          (whole?.records.length ?? 0) - (file?.records.length ?? 0),
        )
      }
    }),
  )

  const onLinux = it.effect.skipIf(process.platform !== "linux")
  onLinux("is known for the last segment of a process that was killed, but for its last second", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const journal = yield* FileJournal.open({ directory: join(root, "journal"), maxBytes: 1e9 })
      const [name = ""] = readdirSync(join(root, "journal"))
      const append = (count: number) => {
        for (let i = 0; i < count; i++) assert.isUndefined(journal.appendNow(entry(`r${i}`)))
      }
      /** What is said of the journal of a process that is killed now and whose file is cut then. */
      const killed = Effect.fnUntraced(function* (cutTo?: (bytes: number) => number, boot?: string) {
        const directory = join(root, "dead")
        rmSync(directory, { recursive: true, force: true })
        cpSync(join(root, "journal", name), directory, { recursive: true })
        const [path = ""] = segmentFiles(directory)
        const { length } = readFileSync(path)
        truncateSync(path, cutTo?.(length) ?? length)
        const note = join(directory, "written")
        if (boot !== undefined) writeFileSync(note, readFileSync(note, "latin1").replace(/^\S+/, boot))
        const [file] = yield* read(directory)
        return { found: file?.records.length ?? 0, said: file?.damage.lostRecords }
      })
      const half = (bytes: number) => Math.floor(bytes / 2)
      append(30)
      yield* TestClock.adjust("1 second")
      for (let at = 0; at < 1; at += 0.01) {
        const { found, said } = yield* killed((bytes) => Math.floor(bytes * at))
        assert.strictEqual(said, 30 - found)
      }
      append(5)
      assert.deepStrictEqual(yield* killed(), { found: 35, said: 0 })
      const { found, said } = yield* killed(half)
      assert.strictEqual(said, 30 - found)
      // After the machine's start it may be older than what is on the disk.
      assert.strictEqual((yield* killed(half, "another-boot")).said, 0)
      // Emptied, since all of it was shipped.
      yield* takeAll(journal)
      assert.deepStrictEqual(yield* killed(), { found: 0, said: 0 })
      append(3)
      assert.deepStrictEqual(yield* killed(), { found: 3, said: 0 })
    }),
  )

  it.live("is counted and logged by whoever takes the journal over", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const directory = join(root, "dead")
      const requests = Array.from({ length: 30 }, () => ({ bytes: 100, calls: 0 }))
      yield* write(join(root, "journal"), directory, { requests, end: "stopped", segmentBytes: 600 })
      const [first = "", second = ""] = segmentFiles(directory)
      strike(first, { what: "cut", at: 0.4 })
      strike(second, { what: "flip", at: 0.3 })
      const damaged = Effect.map(Metric.value(ledgerDropped("damaged")), ({ count }) => Number(count))
      const before = yield* damaged
      const { result, lines } = yield* logged(recoveredFrom(directory))
      const lost = 30 - result.entries.length
      assert.isAbove(lost, 1)
      assert.strictEqual((yield* damaged) - before, lost)
      const said = lines.flatMap((line) => Number(/damaged, (\d+) records lost/.exec(line)?.[1] ?? 0))
      assert.strictEqual(
        said.reduce((sum, each) => sum + each, 0),
        lost,
      )
    }),
  )
})
