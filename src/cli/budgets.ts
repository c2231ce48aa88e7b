import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { AlertPercents, BudgetJson, LimitUsd, TimeZone } from "../api/budget-fields.ts"
import {
  BudgetBook,
  type BudgetNotFound,
  type BudgetsUnavailable,
  type NoSuchSubject,
  type UnknownTimeZone,
} from "../budgets/BudgetBook.ts"
import type { BudgetState } from "../budgets/budget-rows.ts"
import { BUDGET_PERIODS, BUDGET_SCOPES, subjectFault } from "../domain/Budget.ts"
import { oneLine } from "../domain/one-line.ts"
import { allPages } from "./all-pages.ts"
import { BUDGET_COLUMNS, budgetCells } from "./budget-text.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { columns } from "./columns.ts"
import { fields, listed } from "./limit-flags.ts"
import { root } from "./root.ts"

const explainErrors = <A, R>(
  command: Effect.Effect<
    A,
    BudgetNotFound | NoSuchSubject | UnknownTimeZone | BudgetsUnavailable | CommandFailed,
    R
  >,
) =>
  Effect.mapError(command, (error) => {
    switch (error._tag) {
      case "CommandFailed":
        return error
      case "BudgetNotFound":
        return new CommandFailed({ message: `There is no budget with the id ${oneLine(error.id)}.` })
      case "NoSuchSubject":
        return new CommandFailed({ message: `--subject: ${error.text}` })
      case "UnknownTimeZone":
        return new CommandFailed({ message: `--time-zone: The database knows no ${oneLine(error.name)}.` })
      case "BudgetsUnavailable":
        return new CommandFailed({ message: "The database did not answer. Check DATABASE_URL or DATA_DIR." })
    }
  })

const toJson = Schema.encodeSync(Schema.fromJsonString(BudgetJson))
const listToJson = Schema.encodeSync(Schema.fromJsonString(Schema.Struct({ data: Schema.Array(BudgetJson) })))

const printTable = (budgets: ReadonlyArray<BudgetState>) =>
  Console.log(columns([BUDGET_COLUMNS, ...budgets.map(budgetCells)]))

const printBudget = Effect.fn(function* (budget: BudgetState) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(toJson(budget)))
  yield* printTable([budget])
  const { alertPercents, timeZone } = budget
  const alerts = alertPercents.length === 0 ? "none" : alertPercents.map((each) => `${each} %`).join(", ")
  yield* Console.log(`alerts ${alerts}; time zone ${oneLine(timeZone)}`)
})

const id = Argument.String("id").pipe(Argument.withDescription("The budget's number"))

const scope = Flag.Literals("scope", BUDGET_SCOPES)
const subject = Flag.String("subject").pipe(Flag.optional)

const list = Command.make(
  "list",
  {
    scope: scope.pipe(Flag.withDescription("Budgets of this scope alone"), Flag.optional),
    subject: subject.pipe(Flag.withDescription("Budgets of this subject alone")),
  },
  Effect.fn(function* ({ scope, subject }) {
    const { json } = yield* root
    const book = yield* BudgetBook
    const filter = {
      ...fields(scope, (scope) => ({ scope })),
      ...fields(subject, (subject) => ({ subject })),
    }
    const all = yield* allPages((options) =>
      Effect.map(book.list({ ...options, ...filter }), ({ budgets, nextCursor }) => ({
        rows: budgets,
        nextCursor,
      })),
    )
    if (json) return yield* Console.log(oneLine(listToJson({ data: all })))
    if (all.length === 0) {
      return yield* Console.log(
        "There are no such budgets. Set one: llm-gateway budgets set --scope gateway --window month --limit-usd 100",
      )
    }
    yield* printTable(all)
  }, explainErrors),
).pipe(Command.withDescription("List budgets and what is left of them, newest first"))

const show = Command.make(
  "show",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printBudget(yield* (yield* BudgetBook).show(id))
  }, explainErrors),
).pipe(Command.withDescription("Show one budget"))

const set = Command.make(
  "set",
  {
    scope: scope.pipe(Flag.withDescription("Whose spending it bounds; gateway for everybody's together")),
    subject: subject.pipe(
      Flag.withDescription("A key's id, or the name of a team, an end user or a tag; none for the gateway"),
    ),
    window: Flag.Literals("window", BUDGET_PERIODS).pipe(
      Flag.withDescription("After which it begins anew, by the calendar; total has no end"),
    ),
    limit: Flag.Finite("limit-usd").pipe(
      Flag.withDescription("Dollars that may be spent in a window, with at most nine decimals"),
      Flag.withSchema(LimitUsd),
    ),
    alerts: Flag.String("alerts").pipe(
      Flag.withDescription(
        "Comma-separated percents of the limit at which an alert is raised; none when absent",
      ),
      Flag.map((text) => listed(text).map(Number)),
      Flag.withSchema(AlertPercents),
      Flag.optional,
    ),
    timeZone: Flag.String("time-zone").pipe(
      Flag.withDescription("Whose calendar, such as Europe/Berlin; limits.time_zone of the file when absent"),
      Flag.withSchema(TimeZone),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ scope, subject, window, limit, alerts, timeZone }) {
    const named = Option.getOrElse(subject, () => "")
    const fault = subjectFault(scope, named)
    if (fault !== undefined) return yield* new CommandFailed({ message: `--subject: ${fault}` })
    const budget = yield* (yield* BudgetBook).set({
      scope,
      subject: named,
      period: window,
      limitNanoUsd: limit,
      ...fields(alerts, (alertPercents) => ({ alertPercents })),
      ...fields(timeZone, (timeZone) => ({ timeZone })),
    })
    yield* printBudget(budget)
  }, explainErrors),
).pipe(
  Command.withDescription(
    "Create the budget of a subject and a window, or replace all that is said of it. What is spent in the current window " +
      "stays spent. Every replica knows it within a second",
  ),
  Command.withShortDescription("Create or replace the budget of a subject and a window"),
  Command.withExamples([
    {
      command:
        "llm-gateway budgets set --scope team --subject search --window month --limit-usd 500 --alerts 50,80",
      description: "500 dollars a month for a team, with a word at 250 and at 400",
    },
  ]),
)

const reset = Command.make(
  "reset",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printBudget(yield* (yield* BudgetBook).reset(id))
  }, explainErrors),
).pipe(
  Command.withDescription(
    "Forget what was spent in the current window. What gateways hold stays held, but for those that were not heard of " +
      "for ten minutes",
  ),
  Command.withShortDescription("Forget what was spent in the current window"),
)

const remove = Command.make(
  "delete",
  { id },
  Effect.fn(function* ({ id }) {
    const { json } = yield* root
    const budget = yield* (yield* BudgetBook).delete(id)
    yield* json ? printBudget(budget) : Console.log(`Deleted the budget ${budget.id}.`)
  }, explainErrors),
).pipe(Command.withDescription("Delete a budget"))

export const budgets = Command.make("budgets").pipe(
  Command.withDescription("Bound what keys, teams, end users, tags and everybody may spend"),
  Command.withSubcommands([list, show, set, reset, remove]),
)
