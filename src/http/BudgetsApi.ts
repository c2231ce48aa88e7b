import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import {
  BudgetBook,
  type BudgetNotFound,
  type BudgetsUnavailable,
  type NoSuchSubject,
  type UnknownTimeZone,
} from "../budgets/BudgetBook.ts"
import { subjectFault } from "../domain/Budget.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { answeringErrors } from "./error-response.ts"

/** The operators' routes of budgets: the same service the command line uses. */
export const BudgetsHandlers = HttpApiBuilder.group(
  AdminApi,
  "budgets",
  Effect.fn(function* (handlers) {
    const book = yield* BudgetBook
    return handlers.handleAll({
      list: ({ query }) =>
        answer(
          Effect.map(book.list(query), ({ budgets, nextCursor }) => ({
            data: budgets,
            next_cursor: nextCursor,
          })),
        ),
      set: ({ payload: { subject = "", ...said } }) => {
        const fault = subjectFault(said.scope, subject)
        return answer(
          fault === undefined ? book.set({ ...said, subject }) : Effect.fail(wrong("subject", fault)),
        )
      },
      show: ({ params }) => answer(book.show(params.id)),
      reset: ({ params }) => answer(book.reset(params.id)),
      delete: ({ params }) => answer(book.delete(params.id)),
    })
  }),
)

type BudgetError = BudgetNotFound | NoSuchSubject | UnknownTimeZone | BudgetsUnavailable

const answer = <A, R>(effect: Effect.Effect<A, BudgetError | GatewayError, R>) =>
  answeringErrors(Effect.mapError(effect, budgetError))

const wrong = (param: string, text: string) =>
  new GatewayError({ code: "invalid_request", param, detail: `${param}: ${text}` })

const budgetError = (error: BudgetError | GatewayError): GatewayError => {
  switch (error._tag) {
    case "GatewayError":
      return error
    case "BudgetNotFound":
      return new GatewayError({ code: "budget_not_found", detail: "No budget has this id." })
    case "NoSuchSubject":
      return wrong("subject", error.text)
    case "UnknownTimeZone":
      return wrong("time_zone", "The database knows no such time zone.")
    case "BudgetsUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "Budgets cannot be read. Retry shortly.",
      })
  }
}
