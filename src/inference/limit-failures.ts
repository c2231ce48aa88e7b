/** What limits and budgets refuse, in the client's words: whose it is, what is left and what would fit. Pure. */

import type { BudgetExceeded } from "../budgets/Accounts.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { decimalUsd } from "../domain/Money.ts"
import { choicesOf, inputTokensOf, limitNameOf, type Task } from "../domain/Task.ts"
import type { RateLimited } from "../limits/limit.ts"

/** Says which limit it is, and of what would be too many tokens for ever how many are not. */
export const fromRateLimit = (error: RateLimited, keyId: string, task?: Task): GatewayError => {
  const { limit, retryAfterMs, state, wanted } = error
  const whose = whoseLimit(limit, keyId)
  switch (limit.kind) {
    case "requests":
      return new GatewayError({
        code: "rate_limited",
        detail: `${whose} may send ${limit.limit} requests per minute.`,
        retryAfterMs,
      })
    case "concurrency":
      return new GatewayError({
        code: "concurrency_limited",
        detail: `${whose} may have ${limit.limit} requests in flight. Retry when some have ended.`,
        retryAfterMs,
      })
    case "tokens":
      return error.isFinal
        ? tooManyTokens(`${whose} may use ${limit.limit} tokens per minute`, limit.limit, wanted, task)
        : new GatewayError({
            code: "token_limited",
            detail: `${whose} may use ${limit.limit} tokens per minute, of which ${state.remaining} are left; this request may come to ${wanted}.`,
            retryAfterMs,
          })
  }
}

const tooManyTokens = (rule: string, limit: number, wanted: number, task: Task | undefined): GatewayError => {
  const field = task && limitNameOf(task)
  const inputTokens = task === undefined ? 0 : inputTokensOf(task)
  const fitting = task === undefined ? 0 : Math.floor((limit - inputTokens) / choicesOf(task))
  return new GatewayError({
    code: "exceeds_token_limit",
    ...(field !== undefined && { param: field }),
    detail: `${rule}, and this request may come to ${wanted}. ${
      field !== undefined && fitting > 0
        ? `With ${field} at most ${fitting} it fits.`
        : `Its input alone has about ${inputTokens}.`
    }`,
  })
}

const whoseLimit = ({ scope, subject }: RateLimited["limit"], keyId: string): string => {
  switch (scope) {
    case "key":
      return subject === keyId ? "This key" : "The key that issued this one"
    case "team":
      return `The team ${subject}`
    case "model":
      return `All keys together at ${subject}`
  }
}

export const fromBudgetsUnavailable = new GatewayError({
  code: "budget_unavailable",
  detail: "What is left of the budgets of this request cannot be asked for at the moment. Retry shortly.",
  retryAfterMs: 1_000,
})

export const withoutPrice = new GatewayError({
  code: "invalid_request",
  param: "model",
  detail:
    "The model has no price at present, and a budget bounds what the request may cost. Ask for another model.",
})

/** Says which budget does not suffice, what the request would take, what is left, what would fit and when there is more. */
export const fromBudgetExceeded = (
  { budget, leftNanoUsd, neededNanoUsd, resetMs }: BudgetExceeded,
  asked: {
    readonly inputTokens: number
    readonly hasFiles: boolean
    readonly outputTokens: number
    /** Limit of each answer with which it would fit; 0: none. */
    readonly fitting: number
    readonly keyId: string
    /** Epoch milliseconds. */
    readonly nowMs: number
  },
): GatewayError => {
  const { fitting, hasFiles, inputTokens, keyId, nowMs, outputTokens } = asked
  const input = hasFiles
    ? `up to ${inputTokens} tokens of input, files included,`
    : `about ${inputTokens} tokens of input`
  const window = budget.period === "total" ? "in total" : `per ${budget.period}`
  const advice =
    fitting > 0 && fitting < outputTokens ? ` With an output limit of ${fitting} tokens it would fit.` : ""
  const reset =
    resetMs === null
      ? "It does not reset by itself: ask the gateway's operator for more."
      : `It resets at ${toSecond(nowMs + resetMs)}.`
  return new GatewayError({
    code: "budget_exceeded",
    detail:
      `${ownerOf(budget, keyId)} budget of ${dollars(budget.limitNanoUsd)} ${window} has ${dollars(leftNanoUsd)} left, and this ` +
      `request may cost ${dollars(neededNanoUsd)}: ${input} and up to ${outputTokens} of output.` +
      `${advice} ${reset}`,
    ...(resetMs !== null && { retryAfterMs: resetMs }),
  })
}

/** The nearest second: a window ends on a whole one, and how long that is from now is known to some milliseconds. */
const toSecond = (ms: number): string =>
  new Date(Math.round(ms / 1_000) * 1_000).toISOString().replace(".000Z", "Z")

const ownerOf = ({ scope, subject }: BudgetExceeded["budget"], keyId: string): string => {
  switch (scope) {
    case "key":
      return subject === keyId ? "The API key's" : "The issuing key's"
    case "gateway":
      return "The gateway's"
    default:
      return `The ${scope} ${subject}'s`
  }
}

const dollars = (nanoUsd: number): string => `$${decimalUsd(nanoUsd)}`
