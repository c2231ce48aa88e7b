import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { inUnits } from "../../src/analytics/time-range.ts"
import { DAY, HOUR_MS } from "../ledger/records.ts"

const UNITS = [168, 24, 6, 1]

const span = fc
  .tuple(fc.integer({ min: -2_000, max: 2_000 }), fc.nat(2_000))
  .map(([from, hours]) => ({ fromMs: DAY + from * HOUR_MS, toMs: DAY + (from + hours) * HOUR_MS }))

describe("inUnits", () => {
  it("cuts a span into whole units without gap or overlap", () => {
    fc.assert(
      fc.property(span, (span) => {
        let at = span.fromMs
        for (const { fromMs, toMs, hours } of inUnits(span, UNITS)) {
          assert.strictEqual(fromMs, at)
          assert.isAbove(toMs, fromMs)
          assert.strictEqual(fromMs % (hours * HOUR_MS), 0)
          assert.strictEqual(toMs % (hours * HOUR_MS), 0)
          at = toMs
        }
        assert.strictEqual(at, span.toMs)
      }),
    )
  })

  it("reads few rows for a long span: the largest units that fit", () => {
    fc.assert(
      fc.property(span, (span) => {
        let units = 0
        for (const { fromMs, toMs, hours } of inUnits(span, UNITS)) units += (toMs - fromMs) / HOUR_MS / hours
        const weeks = (span.toMs - span.fromMs) / HOUR_MS / 168
        // At both ends at most 6 days, 3 quarters and 5 hours.
        assert.isAtMost(units, weeks + 28)
      }),
    )
  })
})
