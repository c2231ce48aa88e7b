import { assert, describe, it } from "@effect/vitest"
import { BigDecimal } from "effect"
import fc from "fast-check"
import { DAY_MS } from "../../src/domain/TimeRange.ts"
import type { CostReport, ReportLine } from "../../src/reconciliation/CostReport.ts"
import type { LedgerDay } from "../../src/reconciliation/ledger-costs.ts"
import { reconcile } from "../../src/reconciliation/reconcile.ts"

const DAY = Date.UTC(2026, 10, 1)
const span = { fromMs: DAY, toMs: DAY + 3 * DAY_MS }
const LONG_AFTER = DAY + 30 * DAY_MS

const usd = (text: string) => BigDecimal.fromStringUnsafe(text)

const line = (
  day: number,
  model: string | null,
  amount: string,
  item = model ?? "web search",
): ReportLine => ({
  dayMs: DAY + day * DAY_MS,
  model,
  item,
  usd: usd(amount),
})

const report = (lines: ReadonlyArray<ReportLine>, days = [0, 1, 2]): CostReport => ({
  vendor: "openai",
  lines,
  days: new Set(days.map((day) => DAY + day * DAY_MS)),
  inCents: false,
})

const spent = (day: number, model: string, nanoUsd: bigint, counts: Partial<LedgerDay> = {}): LedgerDay => ({
  dayMs: DAY + day * DAY_MS,
  model,
  nanoUsd,
  attempts: 1,
  unpriced: 0,
  uncounted: 0,
  estimated: 0,
  ...counts,
})

const ledger = (costs: ReadonlyArray<LedgerDay>, hasDay = (_: number) => true) => ({ costs, hasDay })

const hintsOf = (...args: Parameters<typeof reconcile>) =>
  Object.fromEntries(reconcile(...args).days.map(({ model, hints }) => [model, hints]))

const anyUsd = fc
  .tuple(fc.bigInt(-(10n ** 15n), 10n ** 15n), fc.constantFrom(0, 2, 9, 17))
  .map(([value, scale]) => BigDecimal.make(value, scale))
const model = fc.constantFrom(
  "gpt-4o",
  "gpt-4o-2024-08-06",
  "gpt-4o-2024-11-20",
  "GPT-4o",
  "o3",
  "Claude 3.5 Sonnet",
)
const day = fc.integer({ min: -1, max: 4 })
const anyLine: fc.Arbitrary<ReportLine> = fc
  .tuple(day, fc.option(model), fc.constantFrom("a", "b"), anyUsd)
  .map(([at, name, item, amount]) => ({ dayMs: DAY + at * DAY_MS, model: name, item, usd: amount }))
const anySpent = fc
  .tuple(fc.integer({ min: 0, max: 2 }), model, fc.bigInt(0n, 10n ** 15n), fc.nat(9), fc.nat(9))
  .map(([at, name, nanoUsd, attempts, unpriced]) => spent(at, name, nanoUsd, { attempts, unpriced }))

describe("a reconciliation", () => {
  it("keeps every sum of both sides, whatever the names", () => {
    fc.assert(
      fc.property(fc.array(anyLine), fc.array(anySpent), (lines, costs) => {
        const result = reconcile(report(lines), ledger(costs), span, LONG_AFTER)
        const same = (a: BigDecimal.BigDecimal, b: BigDecimal.BigDecimal) =>
          assert.isTrue(BigDecimal.equals(a, b), `${BigDecimal.format(a)} and ${BigDecimal.format(b)}`)
        const sum = BigDecimal.sumAll
        const others = sum(result.others.map((each) => each.usd))
        same(sum(lines.map((each) => each.usd)), BigDecimal.sum(result.report, result.outside.usd))
        same(result.report, BigDecimal.sum(sum(result.days.map((each) => each.report)), others))
        same(result.ledger, sum(result.days.map((each) => each.ledger)))
        same(
          result.ledger,
          BigDecimal.make(
            costs.reduce((total, each) => total + each.nanoUsd, 0n),
            9,
          ),
        )
        same(result.difference, BigDecimal.sum(sum(result.days.map((each) => each.difference)), others))
        for (const count of ["attempts", "unpriced"] as const) {
          assert.strictEqual(
            result.days.reduce((total, each) => total + each[count], 0),
            costs.reduce((total, each) => total + each[count], 0),
          )
        }
        assert.strictEqual(
          result.others.reduce((total, each) => total + each.lines, result.outside.lines),
          lines.filter((each) => each.model === null || each.dayMs < span.fromMs || each.dayMs >= span.toMs)
            .length,
        )
        assert.strictEqual(
          new Set(result.days.map((each) => `${each.dayMs} ${each.model}`)).size,
          result.days.length,
        )
        const sizes = result.days.map(({ difference }) => BigDecimal.abs(difference))
        for (const [index, size] of sizes.entries()) {
          assert.isFalse(index > 0 && BigDecimal.isGreaterThan(size, sizes[index - 1] ?? size))
        }
      }),
    )
  })

  it("joins an alias with its snapshots over all days, and says so", () => {
    const { days, joined } = reconcile(
      report([line(0, "gpt-4o-2024-08-06", "0.5"), line(0, "gpt-4o-2024-11-20", "0.25"), line(1, "o3", "1")]),
      ledger([spent(0, "gpt-4o", 750_000_000n), spent(1, "o3", 1_000_000_000n)]),
      span,
      LONG_AFTER,
    )
    assert.deepStrictEqual(
      days.map(({ model, difference }) => [model, BigDecimal.format(difference)]),
      [
        ["gpt-4o", "0"],
        ["o3", "0"],
      ],
    )
    assert.deepStrictEqual(joined, [
      { model: "gpt-4o", report: ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], ledger: ["gpt-4o"] },
    ])
  })

  it("says what is known of why the sides differ", () => {
    const both = line(0, "both", "1")
    assert.deepStrictEqual(
      hintsOf(
        report([both, line(0, "elsewhere", "1"), line(1, "gone", "1")], [0, 1]),
        ledger(
          [
            spent(0, "both", 1n),
            spent(0, "uncharged", 1n),
            spent(0, "free", 0n),
            spent(0, "unpriced", 0n, { unpriced: 1 }),
            spent(0, "broken", 1n, { uncounted: 1, estimated: 1 }),
            spent(2, "unreported", 1n),
          ],
          (dayMs) => dayMs !== DAY + DAY_MS,
        ),
        span,
        LONG_AFTER,
      ),
      {
        both: [],
        elsewhere: ["only_in_report"],
        gone: ["day_not_in_ledger"],
        uncharged: ["only_in_ledger"],
        free: [],
        unpriced: ["unknown_costs"],
        broken: ["only_in_ledger", "unknown_costs", "estimated_costs"],
        unreported: ["day_not_in_report"],
      },
    )
    const rounded = (nanoUsd: bigint) =>
      hintsOf(
        { ...report([both, both]), inCents: true },
        ledger([spent(0, "both", nanoUsd)]),
        span,
        LONG_AFTER,
      ).both
    assert.deepStrictEqual(rounded(1_990_000_000n), ["rounded_to_cents"])
    assert.deepStrictEqual(rounded(2_000_000_000n), [])
    assert.deepStrictEqual(rounded(1_989_999_999n), [])
    const during = (nowMs: number) =>
      hintsOf(report([both]), ledger([spent(0, "both", 1n)]), span, nowMs).both
    assert.deepStrictEqual(during(DAY + 2 * DAY_MS - 1), ["day_may_be_incomplete"])
    assert.deepStrictEqual(during(DAY + 2 * DAY_MS), [])
  })
})
