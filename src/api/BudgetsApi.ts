import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth } from "./AdminAuth.ts"
import { AlertPercents, BudgetJson, LimitUsd, Period, Scope, TimeZone } from "./budget-fields.ts"
import { queryOf } from "./from-text.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { JsonBody, SchemaErrors } from "./RequestChecks.ts"
import { line } from "./shapes.ts"

const SetBudgetRequest = Schema.Struct({
  scope: Scope.annotate({ description: "Whose spending it bounds; `gateway` for everybody's together" }),
  subject: Schema.optionalKey(
    line.annotate({
      description: "A key's id, or the name of a team, an end user or a tag; absent for the whole gateway",
    }),
  ),
  period: Period.annotate({ description: "The window after which it begins anew; `total` has no end" }),
  limitNanoUsd: LimitUsd.annotate({ description: "Dollars that may be spent in a window" }),
  alertPercents: Schema.optionalKey(
    AlertPercents.annotate({ description: "Shares of the limit, 1 to 100, at which an alert is raised" }),
  ),
  timeZone: Schema.optionalKey(
    TimeZone.annotate({
      description: "Whose calendar the window follows; `limits.time_zone` of the file when absent",
    }),
  ),
}).pipe(
  Schema.encodeKeys({
    period: "window",
    limitNanoUsd: "limit_usd",
    alertPercents: "alert_percents",
    timeZone: "time_zone",
  }),
  Schema.annotateEncoded({
    identifier: "SetBudgetRequest",
    examples: [
      { scope: "team", subject: "search", window: "month", limit_usd: 500, alert_percents: [50, 80] },
      { scope: "gateway", window: "day", limit_usd: 99.5, time_zone: "Europe/Berlin" },
    ],
  }),
)

const BudgetList = Schema.Struct({ data: Schema.Array(BudgetJson), next_cursor: nextCursor })

const unavailable = [problem(500), problem(503)]
const notFound = [problem(404), ...unavailable]
const params = { id: Schema.String.annotate({ description: "The budget's number" }) }

export class BudgetsApi extends HttpApiGroup.make("budgets")
  .add(
    HttpApiEndpoint.get("list", "/admin/budgets", {
      query: queryOf({
        ...pageParameters,
        scope: Schema.optionalKey(Scope.annotate({ description: "Budgets of this scope alone" })),
        subject: Schema.optionalKey(line.annotate({ description: "Budgets of this subject alone" })),
      }),
      success: BudgetList,
      error: unavailable,
    }).annotateMerge(OpenApi.annotations({ summary: "List budgets and what is left of them, newest first" })),
    HttpApiEndpoint.put("set", "/admin/budgets", {
      payload: SetBudgetRequest,
      success: BudgetJson,
      error: unavailable,
    })
      .middleware(JsonBody)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Create or replace the budget of a subject and a window",
          description: "What is spent in the current window stays spent.",
        }),
      ),
    HttpApiEndpoint.get("show", "/admin/budgets/:id", {
      params,
      success: BudgetJson,
      error: notFound,
    }).annotateMerge(OpenApi.annotations({ summary: "Show a budget" })),
    HttpApiEndpoint.post("reset", "/admin/budgets/:id/reset", {
      params,
      success: BudgetJson,
      error: notFound,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Forget what was spent in the current window",
        description: "What gateways hold stays held, but for those that were not heard of for ten minutes.",
      }),
    ),
    HttpApiEndpoint.delete("delete", "/admin/budgets/:id", {
      params,
      success: BudgetJson,
      error: notFound,
    }).annotateMerge(OpenApi.annotations({ summary: "Delete a budget" })),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({ title: "Budgets", description: "Authenticated by an admin token" })) {}
