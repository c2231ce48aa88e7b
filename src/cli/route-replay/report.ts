import { oneLine } from "../../domain/one-line.ts"
import type { Estimate, PolicyEstimate, ReplayEstimate } from "../../replay/estimate.ts"
import type { Replay } from "../../replay/replay.ts"
import { columns } from "../columns.ts"

export interface Done {
  readonly fromMs: number
  readonly toMs: number
  readonly route: string | undefined
  /** What is tried, in a few words. */
  readonly tried: string
  readonly result: Replay
}

/** Fewer outcomes, or a larger share that rests on predictions, are worth a word. */
const FEW_OUTCOMES = 30
const MUCH_PREDICTED = 0.05

const bounds = (estimate: Estimate | null, times = 1) =>
  estimate && {
    estimate: round(estimate.value * times),
    low: round(estimate.low * times),
    high: round(estimate.high * times),
  }

/** Six significant digits: more would pretend to be known. */
const round = (value: number): number => Number(value.toPrecision(6))

const policyJson = (policy: PolicyEstimate) => ({
  requests: policy.requests,
  priced_requests: policy.priced,
  cost_usd: bounds(policy.costUsd),
  cost_usd_per_1000: bounds(policy.costUsdPer1000),
  availability: bounds(policy.availability),
  latency: policy.latency.map(({ mode, p50Ms, p95Ms }) => ({
    mode,
    p50_ms: bounds(p50Ms),
    p95_ms: bounds(p95Ms),
  })),
})

export const asJson = ({ fromMs, result, route, toMs, tried }: Done): string => {
  const { estimate } = result
  return oneLine(
    JSON.stringify({
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      route: route ?? null,
      tried,
      read: result.read,
      left_out: {
        unreadable: result.unreadable,
        clients: result.clients,
        no_such_route: result.noRoute,
        no_known_candidate: result.noCandidate,
      },
      unknown_candidates: [...result.unknown].map(([candidate, requests]) => ({ candidate, requests })),
      logged: estimate ? policyJson(estimate.logged) : null,
      new: estimate ? policyJson(estimate.new) : null,
      cost_change: estimate ? bounds(estimate.costChange) : null,
      rests_on: estimate
        ? {
            own_outcomes: round(estimate.own),
            outcomes_of_others: round(estimate.others),
            predictions: round(estimate.predicted),
          }
        : null,
      decided_otherwise: estimate ? round(1 - estimate.own) : null,
      effective_outcomes: estimate ? Math.round(estimate.effectiveOutcomes) : null,
      randomised_outcomes: estimate ? { used: estimate.randomised, clipped: estimate.clipped } : null,
      calibration: (estimate?.calibration ?? []).map(({ candidate, costRatio, mode, msRatio, outcomes }) => ({
        candidate,
        mode,
        outcomes,
        median_time_ratio: msRatio === null ? null : round(msRatio),
        cost_ratio: costRatio === null ? null : round(costRatio),
      })),
    }),
  )
}

const figure = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const withBounds = (estimate: Estimate | null, digits: number, times = 1, unit = ""): string => {
  if (estimate === null) return "unknown"
  const [value, low, high] = [estimate.value, estimate.low, estimate.high].map((n) =>
    figure(n * times, digits),
  )
  return low === high && low === value ? `${value}${unit}` : `${value}${unit} (${low} to ${high})`
}

const percent = (share: number): string => `${figure(share * 100, 1)} %`

const WHAT = { whole: "whole answer", stream: "first token" } as const

const table = ({ logged, new: tried, ...estimate }: ReplayEstimate): string =>
  columns([
    ["", "logged", "new"],
    ["requests", figure(logged.requests, 0), figure(tried.requests, 0)],
    ["  of known cost", figure(logged.priced, 0), figure(tried.priced, 0)],
    ["cost, USD", withBounds(logged.costUsd, 4), withBounds(tried.costUsd, 4)],
    ["  per 1,000", withBounds(logged.costUsdPer1000, 4), withBounds(tried.costUsdPer1000, 4)],
    ["  change", "", withBounds(estimate.costChange, 1, 100, " %")],
    ...logged.latency.flatMap(({ mode, ...before }) => {
      const after = tried.latency.find((each) => each.mode === mode)
      return [
        [`p50 of ${WHAT[mode]}, ms`, withBounds(before.p50Ms, 0), withBounds(after?.p50Ms ?? null, 0)],
        [`p95 of ${WHAT[mode]}, ms`, withBounds(before.p95Ms, 0), withBounds(after?.p95Ms ?? null, 0)],
      ]
    }),
    ["answered", withBounds(logged.availability, 2, 100, " %"), withBounds(tried.availability, 2, 100, " %")],
  ])

const notes = ({ unknown, ...left }: Replay): ReadonlyArray<string> => [
  ...[...unknown].map(
    ([candidate, requests]) =>
      `not in the log: ${candidate}, a candidate of ${figure(requests, 0)} requests. What is tried here is without it.`,
  ),
  ...(left.noRoute > 0 ? [`left out: ${left.noRoute} whose route is not in the new configuration`] : []),
  ...(left.noCandidate > 0
    ? [`left out: ${left.noCandidate} of whose candidates the new configuration has none`]
    : []),
  ...(left.clients > 0 ? [`left out: ${left.clients} that their clients left or got wrong`] : []),
  ...(left.unreadable > 0 ? [`left out: ${left.unreadable} whose decision cannot be read`] : []),
]

const warnings = ({
  effectiveOutcomes,
  predicted,
  randomised,
  own,
}: ReplayEstimate): ReadonlyArray<string> => [
  ...(predicted > MUCH_PREDICTED
    ? [
        `Take care: ${percent(predicted)} rests on predictions, corrected by what came of other requests. How far these are like those is in no interval; exploration gives a log what a replay needs.`,
      ]
    : []),
  ...(own < 1 && predicted <= MUCH_PREDICTED && randomised < FEW_OUTCOMES
    ? [`Take care: chance sent only ${randomised} requests where the new policy would.`]
    : []),
  ...(effectiveOutcomes < FEW_OUTCOMES ? ["Take care: these are few outcomes."] : []),
]

const calibrationTable = ({ calibration }: ReplayEstimate): string =>
  columns([
    ["candidate", "", "asked first", "actual to predicted time", "and cost"],
    ...calibration.map(({ candidate, costRatio, mode, msRatio, outcomes }) => [
      candidate,
      WHAT[mode],
      figure(outcomes, 0),
      msRatio === null ? "unknown" : figure(msRatio, 2),
      costRatio === null ? "unknown" : figure(costRatio, 2),
    ]),
  ])

export const asText = ({ fromMs, result, route, toMs, tried }: Done): string => {
  const { estimate } = result
  const head = [
    `${route === undefined ? "every route" : `route ${route}`} from ${new Date(fromMs).toISOString()} to ${new Date(toMs).toISOString()}`,
    `new: ${tried}`,
  ]
  if (estimate === undefined) {
    return [...head, `No request is left to replay of ${result.read}.`, ...notes(result)].join("\n")
  }
  return [
    ...head,
    "",
    table(estimate),
    "",
    `decided otherwise   ${percent(1 - estimate.own)}`,
    `rests on            ${percent(estimate.own)} own outcomes, ${percent(estimate.others)} outcomes of others by chance, ${percent(estimate.predicted)} predictions`,
    `worth               ${figure(estimate.effectiveOutcomes, 0)} outcomes of one weight, ${figure(estimate.randomised, 0)} of them by chance`,
    ...notes(result),
    ...warnings(estimate),
    "",
    calibrationTable(estimate),
  ].join("\n")
}
