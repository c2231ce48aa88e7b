import type { CandidateRef, RouteCandidate, RouteConfig, StatedRoute, Strategy } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"

/** The rules by which each strategy goes, unless a route states those that it has. */

type Rules = Pick<RouteConfig, "weights" | "exploration" | "hysteresis" | "saveFrom">

const usual: Rules = { weights: { latency: 0.6, cost: 0.4 }, exploration: 0, hysteresis: 0 }

/** What is known of prices needs no exploring. Where the order is written, score only puts the fallbacks in order. */
const defaults: Readonly<Record<Strategy, Rules>> = {
  score: { ...usual, exploration: 0.003, hysteresis: 0 },
  fastest: { weights: { latency: 1, cost: 0 }, exploration: 0.003, hysteresis: 0 },
  cheapest: { ...usual, weights: { latency: 0, cost: 1 } },
  priority: usual,
  weighted: usual,
}

const statable: Readonly<Record<Strategy, ReadonlyArray<keyof Rules>>> = {
  score: ["weights", "exploration", "hysteresis", "saveFrom"],
  fastest: ["exploration", "hysteresis"],
  cheapest: ["hysteresis"],
  priority: [],
  weighted: [],
}

/** Returns a route's rules. One that its strategy does not go by is a fault. */
export const rulesOf = (route: StatedRoute, report: ReportFault): Rules => {
  const { strategy } = route
  const rules = { ...defaults[strategy] }
  for (const rule of ["weights", "exploration", "hysteresis", "saveFrom"] as const) {
    if (route[rule] === undefined) continue
    if (statable[strategy].includes(rule)) Object.assign(rules, { [rule]: route[rule] })
    else report([rule === "saveFrom" ? "save_from" : rule], meaningless(strategy))
  }
  // Who counts nothing but dollars pays nobody for time.
  if (strategy === "cheapest" && route.hedge !== undefined) report(["hedge"], meaningless(strategy))
  return rules
}

/** Reads candidates, which have weights where, and only where, the strategy draws by them. */
export const candidatesOf = (
  listed: NonNullable<StatedRoute["candidates"]>,
  strategy: Strategy,
  report: ReportFault,
): ReadonlyArray<RouteCandidate> => {
  const candidates = listed.map((each, index) => {
    const weight = "weight" in each ? each.weight : undefined
    const ref: CandidateRef = "target" in each ? each.target : each
    if (strategy === "weighted") return { ...ref, weight: weight ?? 1 }
    if (weight !== undefined) report(["candidates", index, "weight"], meaningless(strategy))
    return ref
  })
  if (strategy === "weighted" && candidates.every((each) => "weight" in each && each.weight === 0)) {
    report(["candidates"], "must have a weight above 0 for one at least")
  }
  return candidates
}

const meaningless = (strategy: Strategy): string => `means nothing under strategy ${strategy}`
