import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { outage } from "./breakers.ts"
import { spendTogether } from "./budgets.ts"
import { enterTogether, limitTogether } from "./limits.ts"
import { cellsOf, PAGE } from "./page.ts"
import { tables } from "./tables.ts"

/** What docs/scaling.md says of fleets. `npm run fleet` writes its tables. */

const REPLICAS = 100
/** Fleets that the page tells of and that are only compared when they are written: what they show, ten replicas show. */
const LATER = [1, 3, 30, 100]

describe("docs/scaling.md", () => {
  for (const table of tables)
    for (const size of table.sizes.filter((size) => !LATER.includes(size)))
      it(`has what the code says of ${size} in the table of ${table.name}`, async () => {
        const page = readFileSync(PAGE, "utf8")
        assert.deepStrictEqual(cellsOf(page, table, size), await Effect.runPromise(table.row(size)))
      })
})

describe("a hundred replicas", () => {
  it("keep a limit, use it, and ask the store no more often than they are asked", () => {
    for (const isHot of [false, true]) {
      const full = limitTogether({ replicas: REPLICAS, limit: 6_000, times: 5, isHot })
      assert.isAtMost(full.beyond, REPLICAS)
      assert.isAtLeast(full.share, 0.95)
      assert.isAtMost(full.perSecond, 500)
      assert.isAtMost(full.longestWaitMs, 20)
    }
    assert.isAtMost(limitTogether({ replicas: REPLICAS, limit: 60_000, times: 1 }).perSecond, 2 * REPLICAS)
  })

  it("keep a limit of requests in flight", () => {
    const { most, share } = enterTogether(REPLICAS, 500)
    assert.isAtMost(most, 500)
    assert.isAtLeast(share, 0.9)
  })

  it("never overspend a budget, use it up, and exchange about once a second each", async () => {
    const plenty = { replicas: REPLICAS, room: 1e6, perSecond: 500, seconds: 4 }
    assert.isAtMost((await Effect.runPromise(spendTogether(plenty))).perSecond, 1.5 * REPLICAS)
    const end = { replicas: REPLICAS, room: 600, perSecond: 200, seconds: 15 }
    const { most, used, usedWhenRefused } = await Effect.runPromise(spendTogether(end))
    assert.isAtMost(most, 1)
    assert.isAtLeast(used, 0.95)
    assert.isAtLeast(usedWhenRefused, 0.8)
  })

  it("lose no more to a provider that hangs for hearing of each other, and are told of it a few times", async () => {
    const failure = { kind: "timeout", afterMs: 10_000 } as const
    const { backMs, probes, told } = await Effect.runPromise(
      outage({ replicas: REPLICAS, failure, lostNews: 0.01 }),
    )
    assert.isAtMost(probes, 3 * REPLICAS)
    assert.isAtMost(told, REPLICAS)
    assert.isAtMost(backMs, 12_000)
  })
})
