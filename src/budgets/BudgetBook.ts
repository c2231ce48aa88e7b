import { Context, Data, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { audited } from "../audit/audited.ts"
import { Settings } from "../config/Settings.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { failureCode } from "../database/failure-code.ts"
import type { BudgetPeriod, BudgetScope } from "../domain/Budget.ts"
import { MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { noSuchTeam } from "../domain/no-such-team.ts"
import { type BudgetState, deleteBudgets, readBudgets, statedBudget } from "./budget-rows.ts"

export class BudgetNotFound extends Data.TaggedError("BudgetNotFound")<{ readonly id: string }> {}
/** A budget of a key or a team that is not there, or of a key that nobody can use any more. */
export class NoSuchSubject extends Data.TaggedError("NoSuchSubject")<{
  /** What is wrong, and what may have been meant, as a sentence. */
  readonly text: string
}> {}
/** The database has no such time zone. */
export class UnknownTimeZone extends Data.TaggedError("UnknownTimeZone")<{ readonly name: string }> {}
/** The database did not answer. */
export class BudgetsUnavailable extends Data.TaggedError("BudgetsUnavailable")<{ readonly cause: unknown }> {}

const QUERY_TIMEOUT = "5 seconds"

/**
 * Operators' view of budgets: the CLI and `/admin/budgets` are thin over this. The trigger of the table `budgets` tells
 * every gateway of a change within a second.
 */
export class BudgetBook extends Context.Service<
  BudgetBook,
  {
    /** Newest first; `cursor` is the last id of the previous page. */
    readonly list: (options: {
      readonly limit: number
      readonly cursor?: string
      readonly scope?: BudgetScope
      readonly subject?: string
    }) => Effect.Effect<
      { readonly budgets: ReadonlyArray<BudgetState>; readonly nextCursor: string | null },
      BudgetsUnavailable
    >
    readonly show: (id: string) => Effect.Effect<BudgetState, BudgetNotFound | BudgetsUnavailable>
    /** Creates the budget of this subject and window, or replaces all that is said of it. What is spent stays spent. */
    readonly set: (budget: {
      readonly scope: BudgetScope
      readonly subject: string
      readonly period: BudgetPeriod
      readonly limitNanoUsd: number
      readonly alertPercents?: ReadonlyArray<number>
      readonly timeZone?: string
    }) => Effect.Effect<BudgetState, NoSuchSubject | UnknownTimeZone | BudgetsUnavailable>
    /**
     * Forgets what was spent in the current window, whose alerts are then raised anew, and what gateways held that were not
     * heard of for ten minutes.
     */
    readonly reset: (id: string) => Effect.Effect<BudgetState, BudgetNotFound | BudgetsUnavailable>
    /** Returns the budget as it was. */
    readonly delete: (id: string) => Effect.Effect<BudgetState, BudgetNotFound | BudgetsUnavailable>
  }
>()("gateway/budgets/BudgetBook") {
  static readonly layer = Layer.effect(
    BudgetBook,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const settings = yield* Settings

      const find = Effect.fnUntraced(function* (id: string) {
        if (!isBudgetId(id)) return yield* new BudgetNotFound({ id })
        const [budget] = yield* readBudgets(sql, sql`budgets.id = ${id}::bigint`)
        return budget ?? (yield* new BudgetNotFound({ id }))
      })

      /** Finds a budget that nobody else changes until the transaction ends. */
      const hold = (id: string) =>
        isBudgetId(id)
          ? Effect.andThen(sql`SELECT FROM budgets WHERE id = ${id}::bigint FOR UPDATE`, find(id))
          : Effect.fail(new BudgetNotFound({ id }))

      /** Passes for a subject that is there, and keeps it there until the transaction ends. */
      const holdSubject = Effect.fnUntraced(function* (scope: BudgetScope, subject: string) {
        if (scope === "key") {
          const [key] = yield* decodeKeys(sql`
            SELECT revoked_at IS NOT NULL AS revoked FROM api_keys WHERE id = ${subject} FOR KEY SHARE`)
          if (key === undefined) return yield* new NoSuchSubject({ text: "No API key has this id." })
          if (key.revoked) return yield* new NoSuchSubject({ text: "The API key is revoked for good." })
        }
        if (scope === "team") {
          const found = yield* sql`SELECT FROM teams WHERE name = ${subject} FOR KEY SHARE`
          if (found.length > 0) return
          const teams = yield* decodeNames(sql`SELECT name FROM teams`)
          const names = teams.map(({ name }) => name)
          return yield* new NoSuchSubject({ text: noSuchTeam(subject, names) })
        }
      })

      const list: BudgetBook["Service"]["list"] = Effect.fn("BudgetBook.list")(function* (options) {
        const { limit, cursor, scope, subject } = options
        const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE_LIMIT)
        if (cursor !== undefined && !isBudgetId(cursor)) return { budgets: [], nextCursor: null }
        const conditions = [
          ...(cursor === undefined ? [] : [sql`budgets.id < ${cursor}::bigint`]),
          ...(scope === undefined ? [] : [sql`scope = ${scope}`]),
          ...(subject === undefined ? [] : [sql`subject = ${subject}`]),
        ]
        const found = yield* answered(readBudgets(sql, sql.and(conditions), size + 1))
        const page = found.slice(0, size)
        const last = page.at(-1)?.id
        return {
          budgets: page,
          nextCursor: found.length > size && last !== undefined ? String(last) : null,
        }
      })

      const show: BudgetBook["Service"]["show"] = Effect.fn("BudgetBook.show")((id) => answered(find(id)))

      const audit =
        (action: string) =>
        <E>(change: Effect.Effect<BudgetChange, E | SqlError.SqlError>) =>
          Effect.map(
            answered(audited(sql, { action, subject: ({ budget }) => budget.subject || "gateway" }, change)),
            ({ budget }) => budget,
          )

      const set: BudgetBook["Service"]["set"] = Effect.fn("BudgetBook.set")((budget) => {
        const { scope, subject, period, limitNanoUsd, alertPercents = [] } = budget
        const { timeZone = settings.gateway.limits.timeZone } = budget
        const alerts = [...new Set(alertPercents)].sort((a, b) => a - b)
        return Effect.gen(function* () {
          yield* holdSubject(scope, subject)
          yield* sql`SELECT budget_window_start('day', ${timeZone}, now())`.pipe(
            Effect.catchIf(isNoTimeZone, () => new UnknownTimeZone({ name: timeZone })),
          )
          const same = sql`scope = ${scope} AND subject = ${subject} AND period = ${period}`
          yield* sql`SELECT FROM budgets WHERE ${same} FOR UPDATE`
          const [before] = yield* readBudgets(sql, same)
          yield* sql`
            INSERT INTO budgets (scope, subject, period, limit_nano_usd, alert_percents, time_zone)
            VALUES (
              ${scope}, ${subject}, ${period}, ${limitNanoUsd}::bigint, ${alerts}::smallint[], ${timeZone}
            )
            ON CONFLICT (scope, subject, period) DO UPDATE SET
              limit_nano_usd = excluded.limit_nano_usd, alert_percents = excluded.alert_percents,
              time_zone = excluded.time_zone`
          const [written] = yield* readBudgets(sql, same)
          if (written === undefined) return yield* Effect.die("a budget was written and is not there")
          return {
            before: before ? statedBudget(before) : null,
            after: statedBudget(written),
            budget: written,
          }
        }).pipe(audit("budget.set"))
      })

      const reset: BudgetBook["Service"]["reset"] = Effect.fn("BudgetBook.reset")((id) =>
        Effect.gen(function* () {
          const before = yield* hold(id)
          const current = sql`
            budget_id = budgets.id AND starts_at = budget_window_start(period, time_zone, now())
              AND budgets.id = ${id}::bigint`
          yield* sql`UPDATE budget_windows SET spent_nano_usd = 0 FROM budgets WHERE ${current}`
          yield* sql`DELETE FROM budget_alerts USING budgets WHERE ${current} AND sent_at IS NOT NULL`
          yield* sql`
            UPDATE budget_leases SET returned_nano_usd = greatest(returned_nano_usd, granted_nano_usd - settled_nano_usd)
            FROM budgets WHERE ${current} AND seen_at < now() - interval '10 minutes'`
          const budget = yield* find(id)
          return { before: withSpending(before), after: { ...withSpending(budget), isReset: true }, budget }
        }).pipe(audit("budget.reset")),
      )

      const remove: BudgetBook["Service"]["delete"] = Effect.fn("BudgetBook.delete")((id) =>
        hold(id).pipe(
          Effect.tap(() => deleteBudgets(sql, sql`id = ${id}::bigint`)),
          Effect.map((budget) => ({ before: withSpending(budget), after: null, budget })),
          audit("budget.delete"),
        ),
      )

      return BudgetBook.of({ list, show, set, reset, delete: remove })
    }),
  )
}

interface BudgetChange {
  readonly before: object | null
  readonly after: object | null
  readonly budget: BudgetState
}

const withSpending = (budget: BudgetState) => ({
  ...statedBudget(budget),
  spentNanoUsd: budget.spentNanoUsd,
})

/** At most as many digits as a `bigint` surely has room for. */
const isBudgetId = (id: string): boolean => /^\d{1,18}$/.test(id)

const decodeKeys = decodeRows(Schema.Struct({ revoked: Schema.Boolean }))
const decodeNames = decodeRows(Schema.Struct({ name: Schema.String }))

/** `invalid_parameter_value` */
const isNoTimeZone = (error: SqlError.SqlError): boolean => failureCode(error) === "22023"

function answered<A, E, R>(query: Effect.Effect<A, E | SqlError.SqlError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.catchIf(SqlError.isSqlError, (cause) => Effect.fail(new BudgetsUnavailable({ cause }))),
  )
}
