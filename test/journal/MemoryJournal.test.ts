import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sizeOf } from "../../src/journal/Journal.ts"
import { MemoryJournal } from "../../src/journal/MemoryJournal.ts"

const entry = (id: string) => ({ id, endedMs: 1_000, line: "0123456789" })

describe("the journal in memory", () => {
  it.effect("gives the oldest entries again until they are acknowledged", () =>
    Effect.gen(function* () {
      const journal = new MemoryJournal(1_000)
      const entries = ["a", "b", "c"].map(entry)
      for (const entry of entries) assert.isUndefined(journal.appendNow(entry))
      assert.deepStrictEqual(yield* journal.peek(2), entries.slice(0, 2))
      assert.deepStrictEqual(yield* journal.peek(2), entries.slice(0, 2))
      yield* journal.acknowledge
      assert.deepStrictEqual(yield* journal.peek(2), entries.slice(2))
      assert.strictEqual(sizeOf(journal), 1)
    }),
  )

  it.effect("is full at its limit and takes entries again once there is room", () =>
    Effect.gen(function* () {
      const journal = new MemoryJournal(25)
      assert.deepStrictEqual(["a", "b", "c"].map(entry).map(journal.appendNow), [
        undefined,
        undefined,
        "journal_full",
      ])
      yield* journal.peek(1)
      yield* journal.acknowledge
      assert.deepStrictEqual(["d", "e"].map(entry).map(journal.appendNow), [undefined, "journal_full"])
      assert.deepStrictEqual(
        (yield* journal.peek(9)).map(({ id }): string => id),
        ["b", "d"],
      )
    }),
  )

  it.effect("moves its oldest entries away, also those of a batch that is being written", () =>
    Effect.gen(function* () {
      const journal = new MemoryJournal(50)
      const entries = ["a", "b", "c", "d", "e"].map(entry)
      for (const entry of entries) journal.appendNow(entry)
      yield* journal.peek(3)
      const moved: Array<string> = []
      const take = ({ id }: { readonly id: string }) => id !== "c" && moved.push(id) > 0
      assert.strictEqual(journal.moveTo(take, 1), 1)
      assert.strictEqual(journal.moveTo(take, 9), 1)
      assert.strictEqual(journal.moveTo(take, 9), 0)
      assert.deepStrictEqual(moved, ["a", "b"])
      yield* journal.acknowledge
      assert.deepStrictEqual(yield* journal.peek(9), entries.slice(3))
      assert.deepStrictEqual([journal.appended(), journal.acknowledged()], [5, 3])
      assert.deepStrictEqual(["f", "g", "h", "i"].map(entry).map(journal.appendNow), [
        ...[undefined, undefined, undefined],
        "journal_full",
      ])
      assert.strictEqual(
        journal.moveTo(() => true, 2),
        2,
      )
      yield* journal.acknowledge
      assert.strictEqual(sizeOf(journal), 3)
    }),
  )
})
