import { Result, Schema } from "effect"
import type { ReportForm, ReportLine, ReportRow } from "./CostReport.ts"
import {
  Dollars,
  isWithinOneDay,
  ONE_DAY_RULE,
  reader,
  startOfDay,
  UnixSeconds,
  UsDollar,
} from "./report-fields.ts"

/**
 * OpenAI's costs: pages of `GET /v1/organization/costs`, where an amount is a number by the documentation and a text on
 * the wire, and the costs that its usage dashboard exports, with the same names in columns.
 */

const UNGROUPED = "(no line item: have the costs grouped by line item)"

const span = { start_time: UnixSeconds, end_time: UnixSeconds }
const withinOneDay = Schema.makeFilter(
  ({ start_time, end_time }: { readonly start_time: number; readonly end_time: number }) =>
    isWithinOneDay(start_time, end_time),
  { message: ONE_DAY_RULE },
)

const readPage = reader(
  Schema.Struct({
    data: Schema.Array(
      Schema.Struct({
        ...span,
        results: Schema.Array(
          Schema.Struct({
            amount: Schema.Struct({ value: Dollars, currency: UsDollar }),
            line_item: Schema.optional(Schema.NullOr(Schema.String)),
          }),
        ),
      }).check(withinOneDay),
    ),
    has_more: Schema.Boolean,
    next_page: Schema.optional(Schema.NullOr(Schema.String)),
  }),
)

const readSpan = reader(Schema.Struct(span).check(withinOneDay))
const readCharge = reader(
  Schema.Struct({
    amount_value: Dollars,
    amount_currency: UsDollar,
    line_item: Schema.optional(Schema.String),
  }),
)

/**
 * Returns the model of a line item such as `gpt-4o-2024-08-06, cached input`; null for others, such as
 * `assistants api | file search` or `evals | gpt-4o-mini, input`. A name that stands alone is a model's if it has a digit.
 */
const modelOf = (item: string): string | null => {
  const [name = "", kind] = item.split(/,\s+/)
  return /^[\w.:-]+$/.test(name) && (kind !== undefined || /\d/.test(name)) ? name : null
}

const lineOf = (startMs: number, lineItem: string, usd: ReportLine["usd"]): ReportLine => {
  const item = lineItem.trim()
  return { dayMs: startOfDay(startMs), model: modelOf(item), item: item === "" ? UNGROUPED : item, usd }
}

export const openAiReport: ReportForm = {
  dayField: "start_time",
  readPage: (json) =>
    Result.map(readPage(json), ({ data, has_more, next_page }) => ({
      lines: data.flatMap(({ start_time, results }) =>
        results.map(({ amount, line_item }) => lineOf(start_time, line_item ?? "", amount.value)),
      ),
      days: new Set(data.map(({ start_time }) => startOfDay(start_time))),
      hasMore: has_more,
      nextPage: next_page ?? null,
    })),
  // Without any costs there are only columns of time. Usage has these too, and others for what was used.
  isExport: (columns) =>
    columns.has("start_time") &&
    columns.has("end_time") &&
    (columns.has("amount_value") ||
      [...columns].every((column) => /^(?:start|end)_time(?:_iso)?$/.test(column))),
  exportsCents: false,
  readRow: (cells) =>
    Result.flatMap(readSpan(cells), ({ start_time }): Result.Result<ReportRow, string> => {
      const dayMs = startOfDay(start_time)
      const { amount_value: amount = "", line_item: item = "" } = cells
      // A day without costs has a row, too.
      if (`${amount}${item}`.trim() === "") {
        return Result.succeed({ dayMs, line: null })
      }
      return Result.map(readCharge(cells), ({ amount_value, line_item }) => ({
        dayMs,
        line: lineOf(start_time, line_item ?? "", amount_value),
      }))
    }),
}
