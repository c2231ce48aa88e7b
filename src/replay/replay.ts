import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { TimeRange } from "../domain/TimeRange.ts"
import { Evidence } from "./Evidence.ts"
import { estimate, type ReplayEstimate } from "./estimate.ts"
import { type PriceAttempt, readLogged, type StoredRequest } from "./logged-request.ts"
import { countLogged, eachPage } from "./read-requests.ts"
import { type NewPolicy, redecide } from "./redecide.ts"

interface ReplayOptions {
  readonly span: TimeRange
  /** One route alone, with what others tell of its candidates; undefined = all. */
  readonly route: string | undefined
  readonly policy: NewPolicy
  /** Prices of attempts in the policy that is tried; absent: what they were booked with. */
  readonly price?: PriceAttempt
  readonly onPage: (done: number, total: number) => Effect.Effect<void>
}

export interface Replay {
  /** Requests that came to the route, of which those below are left out. */
  read: number
  /** Their decision is of a form that is not known here. */
  unreadable: number
  /** Their client left, or sent what nobody could answer. */
  clients: number
  /** The policy has no such route. */
  noRoute: number
  /** The policy has none of the candidates that their decision tells of. */
  noCandidate: number
  /** Candidates of the policy of which decisions tell nothing, with the number of requests: it is tried without them. */
  readonly unknown: Map<string, number>
  /** Undefined when no request is left. */
  estimate: ReplayEstimate | undefined
}

/** Stretches of the log that are drawn together: enough for intervals, and few enough to add up again and again. */
const STRETCHES = 200

/** Tries a policy on logged requests. Holds sums, never the requests. */
export const replay = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { onPage, policy, price, route, span }: ReplayOptions,
): Effect.fn.Return<Replay, SqlError.SqlError> {
  const total = yield* countLogged(sql, span)
  const size = Math.max(1, Math.ceil(total / STRETCHES))
  const result: Replay = {
    read: 0,
    unreadable: 0,
    clients: 0,
    noRoute: 0,
    noCandidate: 0,
    unknown: new Map(),
    estimate: undefined,
  }
  const stretches: Array<Evidence> = []
  let stretch = new Evidence()
  let done = 0
  const add = (row: StoredRequest): void => {
    if (done % size === 0) {
      stretch = new Evidence()
      stretches.push(stretch)
    }
    done += 1
    const request = readLogged(row, price)
    if (route !== undefined && row.route !== route) {
      if (typeof request !== "string") stretch.learn(request)
      return
    }
    result.read += 1
    if (typeof request === "string") {
      result[request] += 1
      return
    }
    const decision = redecide(request, policy)
    if (decision === undefined) {
      result.noRoute += 1
      return
    }
    if (decision.candidates.length === 0) result.noCandidate += 1
    else stretch.add(request, decision)
    for (const key of decision.unknown) result.unknown.set(key, (result.unknown.get(key) ?? 0) + 1)
  }
  yield* eachPage(sql, span, (rows) => {
    rows.forEach(add)
    return onPage(done, total)
  })
  return { ...result, estimate: estimate(stretches) }
})
