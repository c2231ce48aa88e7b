import { BigDecimal } from "effect"
import { dayOf } from "../../catalog/model.ts"
import { oneLine } from "../../domain/one-line.ts"
import type { TimeRange } from "../../domain/TimeRange.ts"
import type { ReportVendor } from "../../reconciliation/CostReport.ts"
import type { Hint, ReconciledDay, Reconciliation } from "../../reconciliation/reconcile.ts"
import type { SameModel } from "../../reconciliation/same-models.ts"
import { exactDollars } from "../dollars.ts"

interface Reconciled extends TimeRange {
  readonly provider: string
  readonly vendor: ReportVendor
  readonly source: "api" | "file"
  readonly result: Reconciliation
}

/** Returns a part as a share of the whole in percent, to the hundredth; null of nothing. */
const percentOf = (part: BigDecimal.BigDecimal, whole: BigDecimal.BigDecimal): number | null =>
  BigDecimal.isZero(whole)
    ? null
    : Number(((BigDecimal.toNumberUnsafe(part) / BigDecimal.toNumberUnsafe(whole)) * 100).toFixed(2))

const countsOf = (days: ReadonlyArray<ReconciledDay>) => ({
  attempts: days.reduce((sum, { attempts }) => sum + attempts, 0),
  unpriced: days.reduce((sum, { unpriced }) => sum + unpriced, 0),
  uncounted: days.reduce((sum, { uncounted }) => sum + uncounted, 0),
  estimated: days.reduce((sum, { estimated }) => sum + estimated, 0),
})

const attemptsJson = (days: ReadonlyArray<ReconciledDay>) => {
  const { attempts, unpriced, uncounted, estimated } = countsOf(days)
  return {
    attempts,
    unpriced_attempts: unpriced,
    uncounted_attempts: uncounted,
    estimated_attempts: estimated,
  }
}

const amountsJson = ({
  report,
  ledger,
  difference,
}: Pick<Reconciliation, "report" | "ledger" | "difference">) => ({
  report_usd: exactDollars(report),
  ledger_usd: exactDollars(ledger),
  difference_usd: exactDollars(difference),
  difference_percent: percentOf(difference, report),
})

/** Writes all of it for a script. */
export const asJson = ({ provider, vendor, source, fromMs, toMs, result }: Reconciled): string =>
  JSON.stringify({
    provider,
    vendor,
    source,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    ...amountsJson(result),
    ...attemptsJson(result.days),
    days: result.days.map((each) => ({
      day: dayOf(each.dayMs),
      model: each.model,
      ...amountsJson(each),
      ...attemptsJson([each]),
      hints: each.hints,
    })),
    other_items: result.others.map(({ item, lines, usd }) => ({ item, lines, usd: exactDollars(usd) })),
    joined_models: result.joined,
    outside: { lines: result.outside.lines, usd: exactDollars(result.outside.usd) },
  })

/** Rows that a person reads; `--json` has them all. */
const SHOWN = 20

const plural = (count: number, what: string): string =>
  `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`

const unknownText = ({
  unpriced,
  uncounted,
}: {
  readonly unpriced: number
  readonly uncounted: number
}): string =>
  [
    ...(unpriced > 0 ? [`${plural(unpriced, "attempt")} without a price`] : []),
    ...(uncounted > 0 ? [`${plural(uncounted, "attempt")} whose tokens are unknown`] : []),
  ].join(", ")

const estimatedText = ({ estimated }: { readonly estimated: number }): string =>
  `${plural(estimated, "attempt")} with estimated tokens`

const HINTS: Readonly<Record<Hint, (day: ReconciledDay) => string>> = {
  day_not_in_ledger: () => "the ledger has no such day",
  day_not_in_report: () => "the report has no such day",
  day_may_be_incomplete: () => "not over for 24 hours yet: the report may lag",
  only_in_report: () => "not by this gateway, or by another key or project",
  only_in_ledger: () => "not charged, or under another name",
  unknown_costs: unknownText,
  estimated_costs: estimatedText,
  rounded_to_cents: () => "within what the export rounds to cents",
}

const table = (days: ReadonlyArray<ReconciledDay>): ReadonlyArray<string> => {
  const rows = days.map((day) => [
    dayOf(day.dayMs),
    oneLine(day.model),
    exactDollars(day.report),
    exactDollars(day.ledger),
    exactDollars(day.difference),
    day.hints.map((hint) => HINTS[hint](day)).join("; "),
  ])
  const all = [["day", "model", "report", "ledger", "difference", "why, as far as is known"], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) =>
    row
      .map((cell, column) =>
        column < 2
          ? cell.padEnd(widths[column] ?? 0)
          : column < 5
            ? cell.padStart(widths[column] ?? 0)
            : cell,
      )
      .join("  ")
      .trimEnd(),
  )
}

const joinedText = ({ model, report, ledger }: SameModel): string =>
  oneLine(
    `${model}: ${report.join(", ") || "nothing"} in the report, ${ledger.join(", ") || "nothing"} in the ledger`,
  )

/** Writes what matters most for people. */
export const asText = ({ provider, vendor, source, fromMs, toMs, result }: Reconciled): string => {
  const counts = countsOf(result.days)
  const percent = percentOf(result.difference, result.report)
  const differing = result.days.filter(({ difference }) => !BigDecimal.isZero(difference))
  const others = BigDecimal.sumAll(result.others.map(({ usd }) => usd))
  const unknown = unknownText(counts)
  return [
    `provider      ${oneLine(provider)}, from ${dayOf(fromMs)} up to and without ${dayOf(toMs)} (UTC)`,
    `report        ${exactDollars(result.report)} USD, ${vendor}'s ${source === "api" ? "cost API" : "export"}`,
    ...(result.others.length === 0 ? [] : [`  no model's  ${exactDollars(others)} USD of it`]),
    `ledger        ${exactDollars(result.ledger)} USD in ${plural(counts.attempts, "attempt")}`,
    ...(unknown === "" ? [] : [`  unknown     ${unknown}`]),
    ...(counts.estimated === 0 ? [] : [`  estimated   ${estimatedText(counts)}`]),
    `difference    ${exactDollars(result.difference)} USD${percent === null ? "" : `, ${percent.toFixed(2)} % of the report`}`,
    ...(result.outside.lines === 0
      ? []
      : [
          `left out      ${plural(result.outside.lines, "line")} of other days, ${exactDollars(result.outside.usd)} USD`,
        ]),
    "",
    ...(differing.length === 0
      ? ["Report and ledger agree on every model and day."]
      : table(differing.slice(0, SHOWN))),
    ...(differing.length > SHOWN ? [`and ${differing.length - SHOWN} more, all of them with --json`] : []),
    ...(result.others.length === 0 ? [] : ["", "No model's, and not in the ledger:"]),
    ...result.others
      .slice(0, SHOWN)
      .map(
        ({ item, lines, usd }) => `  ${exactDollars(usd)} USD  ${oneLine(item)} (${plural(lines, "line")})`,
      ),
    ...(result.others.length > SHOWN
      ? [`  and ${result.others.length - SHOWN} more, all of them with --json`]
      : []),
    ...(result.joined.length === 0 ? [] : ["", "Taken for one model:"]),
    ...result.joined.map((same) => `  ${joinedText(same)}`),
  ].join("\n")
}
