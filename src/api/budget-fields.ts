import { Schema, SchemaGetter } from "effect"
import { BUDGET_PERIODS, BUDGET_SCOPES } from "../domain/Budget.ts"
import { MAX_BUDGET_ALERTS, MAX_BUDGET_USD } from "../domain/bounds.ts"
import { exactNanoUsd, fromUsd, toUsd } from "../domain/Money.ts"
import { TimeZoneName } from "../domain/time-zone.ts"
import { Timestamp } from "./instant-text.ts"

/** Fields of budgets, as the admin routes and the flags of the command line take them. */

const EXPECTED_USD = `Expected dollars from 0 to ${MAX_BUDGET_USD} with at most nine decimals`

/** Dollars outside, whole nano-dollars inside. */
export const LimitUsd = Schema.Finite.annotate({ message: EXPECTED_USD })
  .check(
    Schema.makeFilter((usd) => usd >= 0 && usd <= MAX_BUDGET_USD && toUsd(exactNanoUsd(usd)) === usd, {
      message: EXPECTED_USD,
      toJsonSchema: () => ({ minimum: 0, maximum: MAX_BUDGET_USD }),
    }),
  )
  .pipe(
    Schema.decodeTo(Schema.Int, {
      decode: SchemaGetter.transform(exactNanoUsd),
      encode: SchemaGetter.transform(toUsd),
    }),
  )

export const Period = Schema.Literals(BUDGET_PERIODS)
export const Scope = Schema.Literals(BUDGET_SCOPES)

export const AlertPercents = Schema.Array(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
).check(Schema.isMaxLength(MAX_BUDGET_ALERTS))

export const TimeZone = TimeZoneName

/** An amount that was added up. */
const amount = (description: string) =>
  Schema.Finite.annotate({ description }).pipe(
    Schema.decodeTo(Schema.BigInt, {
      decode: SchemaGetter.transform((usd) => BigInt(fromUsd(usd))),
      encode: SchemaGetter.transform(toUsd),
    }),
  )

/** A budget in its current window, as the admin routes and the command line's `--json` print it. */
export const BudgetJson = Schema.Struct({
  id: Schema.Int,
  scope: Scope.annotate({ description: "Whose spending it bounds; `gateway` for everybody's together" }),
  subject: Schema.String.annotate({
    description: "A key's id, or the name of a team, an end user or a tag; empty for the whole gateway",
  }),
  period: Period.annotate({ description: "The window after which it begins anew; `total` has no end" }),
  limitNanoUsd: Schema.Finite.annotate({ description: "Dollars that may be spent in a window" }).pipe(
    Schema.decodeTo(Schema.Int, {
      decode: SchemaGetter.transform(fromUsd),
      encode: SchemaGetter.transform(toUsd),
    }),
  ),
  alertPercents: Schema.Array(Schema.Int).annotate({
    description: "Shares of the limit at which an alert is raised, lowest first",
  }),
  timeZone: Schema.String.annotate({ description: "Whose calendar the window follows" }),
  spentNanoUsd: amount("Dollars spent in the current window"),
  reservedNanoUsd: amount("Dollars held for requests that are not settled yet, and for those to come"),
  remainingNanoUsd: amount("Dollars that are neither spent nor reserved"),
  resetsAt: Schema.NullOr(Timestamp).annotate({ description: "The end of the window; null for `total`" }),
}).pipe(
  Schema.encodeKeys({
    period: "window",
    limitNanoUsd: "limit_usd",
    alertPercents: "alert_percents",
    timeZone: "time_zone",
    spentNanoUsd: "spent_usd",
    reservedNanoUsd: "reserved_usd",
    remainingNanoUsd: "remaining_usd",
    resetsAt: "resets_at",
  }),
  Schema.annotateEncoded({ identifier: "Budget" }),
)
