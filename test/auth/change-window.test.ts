import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ChangeWindow } from "../../src/auth/change-window.ts"
import { type Change, KeyTable } from "./KeyTable.ts"

/** A poller that remembers the versions it was told. */
class Poller {
  readonly window = new ChangeWindow()
  readonly told = new Map<string, bigint>()

  poll(table: KeyTable): void {
    const { after } = this.window
    const snapshot = table.snapshot()
    if (after === undefined) for (const [id, changeSeq] of table.rows) this.told.set(id, changeSeq)
    else if (snapshot.newest !== after) {
      for (const { id, changeSeq } of table.changedAfter(after)) this.told.set(id, changeSeq)
    }
    this.window.advance(snapshot)
  }
}

describe("the window of changes", () => {
  it("waits for a change that was drawn first and commits last", () => {
    const table = new KeyTable()
    const poller = new Poller()
    table.change("other")
    poller.poll(table)
    const early = table.begin("late")
    table.change("other")
    poller.poll(table)
    poller.poll(table)
    table.commit(early)
    poller.poll(table)
    assert.deepStrictEqual(poller.told, table.rows)
  })

  it("is empty once nothing runs, and does not wait for transactions that began later", () => {
    const table = new KeyTable()
    const poller = new Poller()
    const before = table.transaction()
    const last = table.change("key")
    poller.poll(table)
    assert.isUndefined(poller.window.after)
    table.commit({ id: "other", changeSeq: 0n, transaction: before })
    table.transaction()
    poller.poll(table)
    assert.strictEqual(poller.window.after, last)
  })

  it("misses no change in any order of changes, commits and polls", () => {
    const id = fc.constantFrom("a", "b", "c", "d")
    const step = fc.oneof(
      fc.record({ kind: fc.constant("begin" as const), id }),
      fc.record({ kind: fc.constant("commit" as const), which: fc.nat(5) }),
      fc.record({ kind: fc.constant("poll" as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const table = new KeyTable()
        const poller = new Poller()
        let open: Array<Change> = []
        for (const each of steps) {
          // One transaction at a time changes a row: the lock.
          if (each.kind === "begin" && open.every((change) => change.id !== each.id)) {
            open.push(table.begin(each.id))
          }
          const change = each.kind === "commit" ? open[each.which] : undefined
          if (change !== undefined) {
            table.commit(change)
            open = open.filter((other) => other !== change)
          }
          if (each.kind === "poll") {
            poller.poll(table)
            assert.deepStrictEqual([...poller.told].sort(), [...table.rows].sort())
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
