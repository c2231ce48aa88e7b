import { DateTime, Result, Schema } from "effect"
import { Instant } from "../domain/Instant.ts"
import type { ReportForm, ReportLine } from "./CostReport.ts"
import {
  Cents,
  Dollars,
  isWithinOneDay,
  ONE_DAY_RULE,
  reader,
  startOfDay,
  UsDollar,
} from "./report-fields.ts"

/**
 * Anthropic's costs: pages of `GET /v1/organizations/cost_report`, in cents, and the costs that its console exports, in
 * dollars rounded to the cent, with a model's name as people read it ("Claude Haiku 4.5").
 */

const UNGROUPED = "(no description: have the costs grouped by description)"

const MaybeText = Schema.optional(Schema.NullOr(Schema.String))

const readPage = reader(
  Schema.Struct({
    data: Schema.Array(
      Schema.Struct({
        starting_at: Instant,
        ending_at: Instant,
        results: Schema.Array(
          Schema.Struct({
            amount: Cents,
            currency: UsDollar,
            model: MaybeText,
            cost_type: MaybeText,
            description: MaybeText,
          }),
        ),
      }).check(
        Schema.makeFilter(
          ({ starting_at, ending_at }) =>
            isWithinOneDay(DateTime.toEpochMillis(starting_at), DateTime.toEpochMillis(ending_at)),
          { message: ONE_DAY_RULE },
        ),
      ),
    ),
    has_more: Schema.Boolean,
    next_page: MaybeText,
  }),
)

const readRow = reader(
  Schema.Struct({
    usage_date_utc: Instant,
    cost_usd: Dollars,
    model: Schema.optional(Schema.String),
    cost_type: Schema.optional(Schema.String),
    token_type: Schema.optional(Schema.String),
    usage_type: Schema.optional(Schema.String),
  }),
)

/** Tells tokens from searches, sessions and the like. Reports of before there was a type are about tokens alone. */
const isTokens = (costType: string): boolean => costType === "" || /^tokens?$/i.test(costType)

const lineOf = (
  at: DateTime.Utc,
  {
    model,
    costType,
    words,
  }: { model: string; costType: string; words: ReadonlyArray<string | null | undefined> },
  usd: ReportLine["usd"],
): ReportLine => {
  const named = model.trim()
  return {
    dayMs: startOfDay(DateTime.toEpochMillis(at)),
    model: named === "" || !isTokens(costType.trim()) ? null : named,
    item: words.filter((word) => word != null && word.trim() !== "").join(", ") || UNGROUPED,
    usd,
  }
}

export const anthropicReport: ReportForm = {
  dayField: "starting_at",
  readPage: (json) =>
    Result.map(readPage(json), ({ data, has_more, next_page }) => ({
      lines: data.flatMap(({ starting_at, results }) =>
        results.map(({ amount, model, cost_type, description }) =>
          lineOf(
            starting_at,
            { model: model ?? "", costType: cost_type ?? "", words: [description ?? cost_type] },
            amount,
          ),
        ),
      ),
      days: new Set(data.map(({ starting_at }) => startOfDay(DateTime.toEpochMillis(starting_at)))),
      hasMore: has_more,
      nextPage: next_page ?? null,
    })),
  isExport: (columns) => columns.has("usage_date_utc") && columns.has("cost_usd"),
  exportsCents: true,
  readRow: (cells) =>
    Result.map(readRow(cells), ({ usage_date_utc, cost_usd, model, cost_type, token_type, usage_type }) => {
      const line = lineOf(
        usage_date_utc,
        {
          model: model ?? "",
          costType: cost_type ?? "",
          words: [model, cost_type, token_type || usage_type],
        },
        cost_usd,
      )
      return { dayMs: line.dayMs, line }
    }),
}
