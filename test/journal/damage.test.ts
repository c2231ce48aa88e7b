import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import fc from "fast-check"
import { RequestId } from "../../src/domain/Ids.ts"
import { INTENT } from "../../src/journal/frame.ts"
import { SEGMENT_HEADER } from "../../src/journal/payload.ts"
import { ledgerDropped, ledgerTornBytes } from "../../src/observability/Metrics.ts"
import { quiet } from "../ledger/logged.ts"
import { entry, frame, recoverSegments, scratchDirectory, segmentOf } from "./files.ts"

/** What is read back from segments that were cut off or changed on the disk. */

const given = Array.from({ length: 5 }, (_, i) =>
  entry(`id-${i}`, JSON.stringify({ text: "x".repeat(7 * i) })),
)
const frames = given.map((each) => frame(each))
/** Where each frame starts, and where the last one ends. */
const bounds = [SEGMENT_HEADER.length]
for (const { length } of frames) bounds.push((bounds.at(-1) ?? 0) + length)
const whole = segmentOf(frames)

const tornBytes = Effect.map(Metric.value(ledgerTornBytes), ({ count }) => Number(count))
const damaged = Effect.map(Metric.value(ledgerDropped("damaged")), ({ count }) => Number(count))

const flipped = (bytes: Buffer, at: number, mask: number) => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ mask
  return copy
}

describe("a journal that a crash cut off", () => {
  it.live("keeps exactly the whole records before any byte, and counts the rest", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const damagedBefore = yield* damaged
      for (let length = 0; length <= whole.length; length++) {
        const before = yield* tornBytes
        const { entries } = yield* recoverSegments(root, [whole.subarray(0, length)])
        const kept = bounds.filter((end) => end <= length).length - 1
        assert.deepStrictEqual(entries, given.slice(0, Math.max(0, kept)))
        const end = bounds[Math.max(0, kept)] ?? 0
        assert.strictEqual((yield* tornBytes) - before, Math.max(0, length - end), `cut at ${length}`)
      }
      assert.strictEqual((yield* damaged) - damagedBefore, 0)
    }).pipe(quiet),
  )
})

describe("a journal with a changed byte", () => {
  it.live("loses at most the record that the byte is in and never gives a wrong one", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      for (let at = 0; at < whole.length; at++) {
        for (const mask of [1, 0x80, 0xff]) {
          const before = (yield* damaged) + (yield* tornBytes)
          const { entries } = yield* recoverSegments(root, [flipped(whole, at, mask)])
          const hit = bounds.findLastIndex((start) => start <= at)
          assert.deepStrictEqual(
            entries,
            given.toSpliced(hit === -1 ? given.length : hit, 1),
            `byte ${at} ^ ${mask}`,
          )
          // A changed header is in nobody's way.
          if (hit >= 0) assert.isAbove((yield* damaged) + (yield* tornBytes), before)
        }
      }
    }).pipe(quiet),
  )

  it.live("finds the next whole record, whatever the damaged one says", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const forged = frame(entry("forged", '{"forged":true}')).toString("latin1")
      const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.constant(forged))
      const cases = fc.sample(fc.tuple(fc.array(text, { minLength: 2, maxLength: 6 }), fc.nat(8)), {
        numRuns: 200,
        seed: 4711,
      })
      for (const [texts, at] of cases) {
        const records = texts.map((said, i) => entry(`r${i}`, JSON.stringify({ said })))
        const bytes = segmentOf(records.map((each) => frame(each)))
        const { entries } = yield* recoverSegments(root, [flipped(bytes, SEGMENT_HEADER.length + at, 0x41)])
        assert.deepStrictEqual(entries, records.slice(1))
      }
    }).pipe(quiet),
  )

  it.live("reads the segments after a damaged one, and past records larger than what is read at once", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const large = Array.from({ length: 12 }, (_, i) => entry(`large-${i}`, `{"x":"${"é".repeat(60_000)}"}`))
      const first = segmentOf(large.map((each) => frame(each)))
      const zeros = Buffer.concat([first, Buffer.alloc(700_000)])
      const { entries } = yield* recoverSegments(root, [flipped(zeros, 300_000, 1), whole])
      assert.deepStrictEqual(entries, [...large.toSpliced(2, 1), ...given])
    }).pipe(quiet),
  )
})

describe("what a dead process was doing", () => {
  it.live("is recorded as lost unless the request has its record", () =>
    Effect.gen(function* () {
      const root = yield* scratchDirectory
      const intent = (id: string, model: string) =>
        frame(
          entry(
            id,
            JSON.stringify({
              id,
              requestStartedAt: 1_000,
              keyId: "AdaAdaAdaAda",
              endpoint: "/infer",
              route: null,
              requestedModel: "auto",
              stream: false,
              provider: "p",
              model,
              startedAt: 2_000,
            }),
          ),
          INTENT,
        )
      const { entries, lost } = yield* recoverSegments(root, [
        segmentOf([intent("a", "one"), intent("b", "one"), frame(entry("a", "{}")), intent("b", "two")]),
        // Carried over from the segment before.
        segmentOf([intent("b", "one"), intent("b", "two"), intent("c", "one"), frame(entry("c", "{}"))]),
      ])
      assert.deepStrictEqual(
        entries.map(({ id }): string => id),
        ["a", "c"],
      )
      assert.deepInclude(lost[0], {
        id: RequestId.make("b"),
        startedAt: 1_000,
        status: 500,
        errorCode: "gateway_crashed",
      })
      assert.deepStrictEqual(
        lost.map(({ attempts }) => attempts.map(({ model, outcome }) => `${model} ${outcome}`)),
        [["one lost", "two lost"]],
      )
    }),
  )
})
