import { BigDecimal, Order } from "effect"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import type { CostReport, ReportLine } from "./CostReport.ts"
import type { LedgerCosts } from "./ledger-costs.ts"
import { type SameModel, sameModels } from "./same-models.ts"

type Usd = BigDecimal.BigDecimal

/** What is known of why two amounts differ. */
export type Hint =
  | "day_not_in_ledger"
  | "day_not_in_report"
  | "day_may_be_incomplete"
  | "only_in_report"
  | "only_in_ledger"
  | "unknown_costs"
  | "estimated_costs"
  | "rounded_to_cents"

/** One model on one UTC day, on both sides. */
interface DaySums {
  readonly dayMs: number
  readonly model: string
  report: Usd
  /** Lines of the report. */
  lines: number
  ledger: Usd
  attempts: number
  unpriced: number
  uncounted: number
  estimated: number
}

export interface ReconciledDay extends Readonly<DaySums> {
  /** Report less ledger: what the vendor charged and the ledger does not know. */
  readonly difference: Usd
  readonly hints: ReadonlyArray<Hint>
}

/** Lines of a report that are about one thing. */
interface ItemSum {
  readonly item: string
  readonly lines: number
  readonly usd: Usd
}

export interface Reconciliation {
  /** All of the report in the span, what is no model's among it. */
  readonly report: Usd
  readonly ledger: Usd
  readonly difference: Usd
  /** Largest difference first, whichever way. */
  readonly days: ReadonlyArray<ReconciledDay>
  /** What is no model's, largest first. */
  readonly others: ReadonlyArray<ItemSum>
  /** Models that go by several names. */
  readonly joined: ReadonlyArray<SameModel>
  /** Lines of other days than were asked for. */
  readonly outside: { readonly lines: number; readonly usd: Usd }
}

/** Longer than a vendor takes to charge what ended with a day. */
const SETTLED_AFTER_MS = DAY_MS

const NOTHING = BigDecimal.make(0n, 0)

/** Compares the two sides by model and day. Every line of the report is in exactly one sum of what is returned. */
export const reconcile = (
  report: CostReport,
  ledger: LedgerCosts,
  { fromMs, toMs }: TimeRange,
  nowMs: number,
): Reconciliation => {
  const [outside, inside] = split(report.lines, ({ dayMs }) => dayMs >= fromMs && dayMs < toMs)
  const [others, ofModels] = split(inside, ({ model }) => model !== null)
  const models = sameModels(
    ofModels.map(({ model }) => model ?? ""),
    ledger.costs.map(({ model }) => model),
  )
  const days = sumByDay(ofModels, ledger, models).map((sums): ReconciledDay => {
    const difference = BigDecimal.subtract(sums.report, sums.ledger)
    return { ...sums, difference, hints: hintsFor(sums, difference, { report, ledger, nowMs }) }
  })
  const charged = BigDecimal.sumAll(inside.map(({ usd }) => usd))
  const spent = BigDecimal.sumAll(days.map((day) => day.ledger))
  return {
    report: charged,
    ledger: spent,
    difference: BigDecimal.subtract(charged, spent),
    days: days.toSorted(largestDifferenceFirst),
    others: itemSums(others),
    joined: [...new Set(models.values())].filter(
      (same) => new Set([...same.report, ...same.ledger]).size > 1,
    ),
    outside: { lines: outside.length, usd: BigDecimal.sumAll(outside.map(({ usd }) => usd)) },
  }
}

/** Returns what does not pass, and what does. */
const split = <A>(all: ReadonlyArray<A>, passes: (each: A) => boolean): [Array<A>, Array<A>] => {
  const sides: [Array<A>, Array<A>] = [[], []]
  for (const each of all) sides[passes(each) ? 1 : 0].push(each)
  return sides
}

const sumByDay = (
  lines: ReadonlyArray<ReportLine>,
  { costs }: LedgerCosts,
  models: ReadonlyMap<string, SameModel>,
): ReadonlyArray<DaySums> => {
  const days = new Map<string, DaySums>()
  const sumsFor = (dayMs: number, name: string): DaySums => {
    const model = models.get(name)?.model ?? name
    const key = `${dayMs} ${model}`
    const sums = days.get(key) ?? { dayMs, model, ...NO_SUMS }
    days.set(key, sums)
    return sums
  }
  for (const { dayMs, model, usd } of lines) {
    const sums = sumsFor(dayMs, model ?? "")
    sums.lines += 1
    sums.report = BigDecimal.sum(sums.report, usd)
  }
  for (const { dayMs, model, nanoUsd, attempts, unpriced, uncounted, estimated } of costs) {
    const sums = sumsFor(dayMs, model)
    sums.ledger = BigDecimal.sum(sums.ledger, BigDecimal.make(nanoUsd, 9))
    sums.attempts += attempts
    sums.unpriced += unpriced
    sums.uncounted += uncounted
    sums.estimated += estimated
  }
  return [...days.values()]
}

const NO_SUMS = {
  report: NOTHING,
  lines: 0,
  ledger: NOTHING,
  attempts: 0,
  unpriced: 0,
  uncounted: 0,
  estimated: 0,
}

const hintsFor = (
  { dayMs, lines, ledger: spent, attempts, unpriced, uncounted, estimated }: DaySums,
  difference: Usd,
  known: { readonly report: CostReport; readonly ledger: LedgerCosts; readonly nowMs: number },
): ReadonlyArray<Hint> => {
  const { report, ledger, nowMs } = known
  const hints: Array<Hint> = []
  if (!ledger.hasDay(dayMs)) hints.push("day_not_in_ledger")
  else if (attempts === 0) hints.push("only_in_report")
  if (!report.days.has(dayMs)) hints.push("day_not_in_report")
  else if (lines === 0 && !BigDecimal.isZero(spent)) hints.push("only_in_ledger")
  if (nowMs < dayMs + DAY_MS + SETTLED_AFTER_MS) hints.push("day_may_be_incomplete")
  if (unpriced + uncounted > 0) hints.push("unknown_costs")
  if (estimated > 0) hints.push("estimated_costs")
  if (report.inCents && lines > 0 && isWithinRounding(difference, lines)) hints.push("rounded_to_cents")
  return hints
}

/** Tells a difference that rounding each line to the cent can make, half a cent a line at most. */
const isWithinRounding = (difference: Usd, lines: number): boolean =>
  !BigDecimal.isZero(difference) &&
  BigDecimal.isLessThanOrEqualTo(BigDecimal.abs(difference), BigDecimal.make(BigInt(lines) * 5n, 3))

const bySize = Order.mapInput(Order.flip(BigDecimal.Order), BigDecimal.abs)

const largestDifferenceFirst = Order.combineAll<ReconciledDay>([
  Order.mapInput(bySize, ({ difference }) => difference),
  Order.mapInput(Order.Number, ({ dayMs }) => dayMs),
  Order.mapInput(Order.String, ({ model }) => model),
])

const itemSums = (lines: ReadonlyArray<ReportLine>): ReadonlyArray<ItemSum> =>
  [...Map.groupBy(lines, ({ item }) => item)]
    .map(([item, same]) => ({ item, lines: same.length, usd: BigDecimal.sumAll(same.map(({ usd }) => usd)) }))
    .toSorted(Order.mapInput(bySize, ({ usd }: ItemSum) => usd))
