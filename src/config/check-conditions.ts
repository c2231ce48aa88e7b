import { checkHeaderNames } from "./check-header-names.ts"
import type { RouteConfig } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"
import { headersOf, holdsAlways, type RouteCondition } from "./route-condition.ts"

/** What has to hold of the conditions of all routes together: each can be met, and none leads round in a circle. */

type Routes = ReadonlyMap<string, Pick<RouteConfig, "name" | "when">>

export const checkConditions = (routes: Routes, report: ReportFault): void => {
  for (const { name, when } of routes.values()) {
    when.forEach((condition, index) => {
      const reportHere: ReportFault = (at, rule) => report(["routes", name, "when", index, ...at], rule)
      if (!routes.has(condition.route)) reportHere(["route"], "names no route")
      const before = when.findIndex((earlier, at) => at < index && covers(earlier, condition))
      if (before >= 0) {
        const rule = holdsAlways(condition) ? "every request" : "whatever meets it"
        reportHere([], `can never be reached: ${rule} has met when[${before}] before`)
      }
      checkBounds(condition, reportHere)
      checkHeader(condition, reportHere)
      condition.asked?.forEach((asked, at) => {
        if (!routes.has(asked)) reportHere(["asked", at], "names no route")
        else if (!leadsTo(routes, asked, name))
          reportHere(["asked", at], "names a route that never leads here")
      })
    })
  }
  for (const { at, circle } of circles(routes)) {
    report(["routes", ...at, "route"], `leads round in a circle: ${circle.join(" -> ")}`)
  }
}

const checkBounds = (condition: RouteCondition, report: ReportFault): void => {
  for (const [above, below, names] of [
    [condition.inputTokensAbove, condition.inputTokensBelow, "input_tokens"],
    [condition.maxOutputTokensAbove, condition.maxOutputTokensBelow, "max_output_tokens"],
  ] as const) {
    if (above !== undefined && below !== undefined && below - above < 2) {
      report([`${names}_below`], `leaves nothing above ${names}_above`)
    }
  }
  const { days, hours, timeZone } = condition
  const [from, to] = hours?.split("-") ?? []
  if (from !== undefined && from === to) report(["hours"], "must be two different times")
  if (timeZone !== undefined && hours === undefined && days === undefined) {
    report(["time_zone"], "means nothing without hours or days")
  }
}

const checkHeader = ({ header }: RouteCondition, report: ReportFault): void => {
  if (header === undefined) return
  const names = Object.keys(header)
  if (names.length === 0) report(["header"], "must name a header field")
  checkHeaderNames(names, (at, rule) => report(["header", ...at], rule))
}

/** Tells that whatever meets `later` meets `earlier` too; not of every such pair. */
const covers = (earlier: RouteCondition, later: RouteCondition): boolean => {
  const isMet = <A>(wide: A | undefined, narrow: A | undefined, includes: (wide: A, narrow: A) => boolean) =>
    wide === undefined || (narrow !== undefined && includes(wide, narrow))
  const isAbove = (wide: number, narrow: number) => narrow >= wide
  const isBelow = (wide: number, narrow: number) => narrow <= wide
  const isAmong = (wide: ReadonlyArray<string>, narrow: ReadonlyArray<string>) =>
    narrow.every((each) => wide.includes(each))
  const headers = headersOf(later)
  return (
    isMet(earlier.inputTokensAbove, later.inputTokensAbove, isAbove) &&
    isMet(earlier.inputTokensBelow, later.inputTokensBelow, isBelow) &&
    isMet(earlier.maxOutputTokensAbove, later.maxOutputTokensAbove, isAbove) &&
    isMet(earlier.maxOutputTokensBelow, later.maxOutputTokensBelow, isBelow) &&
    isMet(earlier.uses, later.uses, (wide, narrow) => isAmong(narrow, wide)) &&
    isMet(earlier.keys, later.keys, isAmong) &&
    isMet(earlier.asked, later.asked, isAmong) &&
    [...headersOf(earlier)].every(([name, values]) => isMet(values, headers.get(name), isAmong)) &&
    isMet(timesOf(earlier), timesOf(later), (wide, narrow) => wide === narrow) &&
    // Another route draws other users.
    isMet(earlier.share, later.share, (wide, narrow) => earlier.route === later.route && narrow <= wide)
  )
}

const timesOf = ({ days, hours, timeZone = "UTC" }: RouteCondition): string | undefined =>
  hours === undefined && days === undefined
    ? undefined
    : JSON.stringify([hours, days?.toSorted(), timeZone.toLowerCase()])

const leadsTo = (routes: Routes, from: string, to: string, seen = new Set<string>()): boolean => {
  if (from === to) return true
  if (seen.has(from)) return false
  seen.add(from)
  return routes.get(from)?.when.some(({ route }) => leadsTo(routes, route, to, seen)) ?? false
}

interface Circle {
  /** The condition that closes it: route, `when` and index. */
  readonly at: ReadonlyArray<PropertyKey>
  readonly circle: ReadonlyArray<string>
}

/** Finds each circle once, by the condition that leads back to where the way has been. */
const circles = (routes: Routes): ReadonlyArray<Circle> => {
  const found: Array<Circle> = []
  const done = new Set<string>()
  const visit = (name: string, way: ReadonlyArray<string>): void => {
    if (done.has(name)) return
    const here = [...way, name]
    routes.get(name)?.when.forEach(({ route }, index) => {
      const start = here.indexOf(route)
      if (start >= 0) found.push({ at: [name, "when", index], circle: [...here.slice(start), route] })
      else visit(route, here)
    })
    done.add(name)
  }
  for (const name of routes.keys()) visit(name, [])
  return found
}
