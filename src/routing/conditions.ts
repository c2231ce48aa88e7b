import { hash } from "node:crypto"
import type { RouteConfig } from "../config/GatewayConfig.ts"
import { type Day, headersOf, type RouteCondition } from "../config/route-condition.ts"
import { userOf } from "../domain/Attribution.ts"
import { fieldsOf, inputTokensOf, outputLimitOf, type Task } from "../domain/Task.ts"
import { uses } from "../domain/uses.ts"
import { isObject } from "../platform/json.ts"
import { isWithin, wallClock } from "./wall-clock.ts"

/** Conditions of routes: which requests go on to another route. */

/** What conditions ask of a request. */
export interface AskedRequest {
  readonly requestedModel: string
  readonly task: Task
  readonly keyId: string
  /** Whom it is for, where more than its body was asked. */
  readonly user?: string | undefined
  /** Fields that some condition asks for, by lower-case name; absent when none does. */
  readonly headers?: ReadonlyMap<string, string> | undefined
}

export interface Condition {
  /** Name of the route that takes the request. */
  readonly route: string
  /** Where it stands and what it asks for, for people; without the values, which may be a client's. */
  readonly name: string
  /** `nowMs` is the wall clock's. */
  readonly holds: (request: AskedRequest, nowMs: number) => boolean
}

interface Conditioned {
  readonly conditions: ReadonlyArray<Condition>
}

/**
 * Finds the route that takes a request: the one that was asked for, or where its conditions lead, each route's first that
 * holds. `via` names those. It ends, as routes do not lead round in a circle.
 */
export const follow = <R extends Conditioned>(
  routes: ReadonlyMap<string, R>,
  request: AskedRequest,
  nowMs: number,
): { readonly route: R | undefined; readonly via: ReadonlyArray<string> } => {
  let route = routes.get(request.requestedModel)
  let via = NOWHERE
  for (;;) {
    const met = route && firstMet(route, request, nowMs)
    if (met === undefined) return { route, via }
    via = [...via, met.name]
    route = routes.get(met.route)
  }
}

const NOWHERE: ReadonlyArray<string> = []

const firstMet = (
  { conditions }: Conditioned,
  request: AskedRequest,
  nowMs: number,
): Condition | undefined => {
  for (const condition of conditions) if (condition.holds(request, nowMs)) return condition
  return undefined
}

/** Makes the conditions of a route, in the order in which they are asked. */
export const compileConditions = ({ name, when }: Pick<RouteConfig, "name" | "when">) =>
  when.map((condition, index): Condition => {
    const { route, ...properties } = condition
    const checks = checksOf(condition)
    const asked = Object.keys(properties).map((property) =>
      property.replaceAll(/[A-Z]/g, "_$&").toLowerCase(),
    )
    return {
      route,
      name: `${name}.when[${index}]: ${asked.length === 0 ? "always" : asked.join(", ")}`,
      holds: (request, nowMs) => checks.every((check) => check(request, nowMs)),
    }
  })

const checksOf = (condition: RouteCondition): ReadonlyArray<Condition["holds"]> => {
  const { asked, keys, route, share } = condition
  const { inputTokensAbove, inputTokensBelow, maxOutputTokensAbove, maxOutputTokensBelow } = condition
  const checks: Array<Condition["holds"]> = []
  if (keys !== undefined) checks.push(({ keyId }) => keys.includes(keyId))
  if (asked !== undefined) checks.push(({ requestedModel }) => asked.includes(requestedModel))
  for (const [name, values] of headersOf(condition)) {
    checks.push(({ headers }) => {
      const value = headers?.get(name)
      return value !== undefined && values.includes(value)
    })
  }
  if (condition.hours !== undefined || condition.days !== undefined) checks.push(timeCheck(condition))
  if (maxOutputTokensAbove !== undefined) {
    checks.push(({ task }) => (outputLimitOf(task) ?? Number.NaN) > maxOutputTokensAbove)
  }
  if (maxOutputTokensBelow !== undefined) {
    checks.push(({ task }) => (outputLimitOf(task) ?? Number.NaN) < maxOutputTokensBelow)
  }
  if (inputTokensAbove !== undefined) checks.push(({ task }) => inputTokensOf(task) > inputTokensAbove)
  if (inputTokensBelow !== undefined) checks.push(({ task }) => inputTokensOf(task) < inputTokensBelow)
  for (const what of condition.uses ?? []) checks.push(({ task }) => uses(task, what))
  if (share !== undefined) checks.push((request) => placeOf(route, sharerOf(request)) < share)
  return checks
}

const DAYS: Readonly<Record<Day, number>> = { sun: 0, mon: 1, tue: 2, wed: 3, thu: 4, fri: 5, sat: 6 }

const timeCheck = ({ days, hours = "00:00-24:00", timeZone = "UTC" }: RouteCondition): Condition["holds"] => {
  const [from = 0, to = 0] = hours.split("-").map((time) => {
    const [hour = 0, minute = 0] = time.split(":").map(Number)
    return 60 * hour + minute
  })
  const numbers = days === undefined ? Object.values(DAYS) : days.map((day) => DAYS[day])
  const window = { from, to, days: new Set(numbers) }
  const clock = wallClock(timeZone)
  return (_, nowMs) => isWithin(clock(nowMs), window)
}

/** Characters of a conversation's name that count: it is the client's, of any length. */
const MAX_NAME = 512

/** Returns whom a request is for, or else what it is a turn of, or whose key it has. */
export const sharerOf = ({ keyId, task, user }: Pick<AskedRequest, "keyId" | "task" | "user">): string => {
  const named = user ?? userOf(task)
  if (named !== undefined) return named
  const fields = fieldsOf(task)
  const cached = isObject(fields) ? fields.prompt_cache_key : undefined
  return typeof cached === "string" && cached !== "" ? cached.slice(0, MAX_NAME) : keyId
}

/**
 * Places a user on a scale from 0 to 1, always at the same place for one route and at another for each. Who is below a share
 * is below every larger one. The first 32 bits of SHA-256 of `route NUL user`.
 */
export const placeOf = (route: string, user: string): number =>
  Number.parseInt(hash("sha256", `${route}\0${user}`).slice(0, 8), 16) / 2 ** 32
