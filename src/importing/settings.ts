import { budgetFrom, decimal } from "./budget-window.ts"
import { isEmpty, isMapping, member, numberIn, type Place, textIn, truthIn } from "./document.ts"
import type { Report } from "./report.ts"
import {
  type Field,
  GENERAL,
  LITELLM,
  ROUTER,
  type Section,
  tellCallbacks,
  tellOthers,
} from "./told-settings.ts"
import type { YamlMapping } from "./yaml-text.ts"

/** LiteLLM's settings beside its models, as far as the file or the command line has the like. */

interface Settings {
  /** As LiteLLM calls it; undefined for its default. */
  readonly routingStrategy: string | undefined
  readonly dropsParameters: boolean
  /** Retries of one call; undefined when nothing is said. */
  readonly retries: number | undefined
  readonly timeouts: YamlMapping
  readonly maxInFlight: number | undefined
  /** Commands to run once the gateway has its database. */
  readonly commands: ReadonlyArray<string>
}

/** Returns the first of several fields that says something. The others are overruled, as they are by LiteLLM. */
const firstOf = (
  fields: ReadonlyArray<readonly [Section, string]>,
  field: Field,
  report: Report,
): Place | undefined => {
  const [first, ...others] = fields.flatMap(([section, name]) => {
    const place = field(section, name)
    return place === undefined || isEmpty(place) ? [] : [place]
  })
  for (const other of others) {
    report.tell(other, "approximated", { note: `${first?.path.join(".")} holds` })
  }
  return first
}

const STRATEGIES: ReadonlyMap<
  string,
  readonly [outcome: "imported" | "approximated", to: string, note?: string]
> = new Map([
  ["simple-shuffle", ["imported", "strategy weighted"]],
  [
    "usage-based-routing",
    [
      "approximated",
      "strategy weighted",
      "drawn by weight, rpm or tpm; limits.models keeps each within its own",
    ],
  ],
  [
    "usage-based-routing-v2",
    [
      "approximated",
      "strategy weighted",
      "drawn by weight, rpm or tpm; limits.models keeps each within its own",
    ],
  ],
  [
    "latency-based-routing",
    [
      "approximated",
      "strategy fastest",
      "by the latency that this request would have; routes with fallbacks are weighted",
    ],
  ],
  [
    "least-busy",
    [
      "approximated",
      "strategy fastest",
      "what a candidate has in flight makes it slower; routes with fallbacks are weighted",
    ],
  ],
  [
    "cost-based-routing",
    [
      "approximated",
      "strategy cheapest",
      "by what this request would cost; routes with fallbacks are weighted",
    ],
  ],
])

const routingStrategy = (field: Field, report: Report): string | undefined => {
  const place = field(ROUTER, "routing_strategy")
  const stated = textIn(place)
  const found = STRATEGIES.get(stated ?? "")
  if (place !== undefined && found === undefined) {
    report.tell(place, "unsupported", {
      note: "no strategy is like it: routes are weighted. See strategies in docs/routing.md",
    })
  }
  if (found !== undefined) {
    const [outcome, to, note] = found
    report.tell(place, outcome, { to, ...(note !== undefined && { note }) })
  }
  return stated
}

const MAX_MS = 3_600_000

const milliseconds = (place: Place | undefined): number | undefined => {
  const seconds = numberIn(place)
  return seconds === undefined || seconds <= 0
    ? undefined
    : Math.min(MAX_MS, Math.max(1, Math.round(seconds * 1_000)))
}

const NO_TIME = "must be seconds above 0: see timeouts"

const timeoutsFrom = (field: Field, report: Report): YamlMapping => {
  const whole = firstOf(
    [
      [ROUTER, "timeout"],
      [LITELLM, "request_timeout"],
    ],
    field,
    report,
  )
  const first = firstOf(
    [
      [ROUTER, "stream_timeout"],
      [LITELLM, "stream_timeout"],
    ],
    field,
    report,
  )
  const [wholeMs, firstMs] = [milliseconds(whole), milliseconds(first)]
  const longer = "of one attempt; deadline_ms and stream_ms are of all of them, at most an hour"
  report.tell(whole, wholeMs === undefined ? "unsupported" : "approximated", {
    ...(wholeMs !== undefined && { to: "timeouts.headers_ms" }),
    note: wholeMs === undefined ? NO_TIME : longer,
  })
  report.tell(first, firstMs === undefined ? "unsupported" : "approximated", {
    ...(firstMs !== undefined && { to: "timeouts.first_token_ms" }),
    note: firstMs === undefined ? NO_TIME : "until an attempt at a stream says something",
  })
  // The defaults of both are ten minutes.
  const all = wholeMs !== undefined && wholeMs > 600_000 ? wholeMs : undefined
  return { headers_ms: wholeMs, deadline_ms: all, stream_ms: all, first_token_ms: firstMs }
}

const retriesFrom = (field: Field, report: Report): number | undefined => {
  const place = firstOf(
    [
      [ROUTER, "num_retries"],
      [LITELLM, "num_retries"],
    ],
    field,
    report,
  )
  const retries = numberIn(place)
  if (place !== undefined && (retries === undefined || retries < 0)) {
    report.tell(place, "unsupported", { note: "must be a number from 0 on: see limits.max_attempts" })
    return undefined
  }
  const note =
    "attempts at all candidates together, at most 20; a failing provider is not asked again for its own sake (retry_ratio)"
  report.tell(place, "approximated", { to: "limits.max_attempts", note })
  return retries === undefined ? undefined : Math.floor(retries)
}

const budgetCommands = (field: Field, report: Report): ReadonlyArray<string> => {
  const limit = field(LITELLM, "max_budget")
  const duration = field(LITELLM, "budget_duration")
  const budget = budgetFrom(numberIn(limit), textIn(duration))
  if (budget === undefined) {
    const note = "no budget comes of the two: state one with llm-gateway budgets set --scope gateway"
    for (const place of [limit, duration]) {
      if (place !== undefined) report.tell(place, isEmpty(place) ? "imported" : "unsupported", { note })
    }
    return []
  }
  for (const place of [limit, duration]) {
    report.tell(place, "approximated", {
      to: "budgets set --scope gateway",
      note: budget.note ?? "a command makes it, not the file",
    })
  }
  return [
    `llm-gateway budgets set --scope gateway --window ${budget.window} --limit-usd ${decimal(budget.usd)}`,
  ]
}

const maxInFlight = (field: Field, report: Report): number | undefined => {
  const place = field(GENERAL, "global_max_parallel_requests")
  const limit = numberIn(place)
  if (limit === undefined || limit < 1) {
    const note = "must be a number from 1 on: see limits.max_in_flight"
    if (place !== undefined) report.tell(place, "unsupported", { note })
    return undefined
  }
  const note = "without streams that have begun, which limits.max_streams bounds"
  report.tell(place, "approximated", { to: "limits.max_in_flight", note })
  return Math.min(100_000, Math.floor(limit))
}

export const settingsFrom = (root: Place, report: Report): Settings => {
  const field: Field = (section, name) => {
    const at = member(root, section)
    return at === undefined || !isMapping(at) ? undefined : member(at, name)
  }
  const drop = field(LITELLM, "drop_params")
  const drops = truthIn(drop) === true
  if (drops) {
    const note =
      "of parameters that a model may refuse and an answer can do without; x-gateway-dropped names what was left out"
    report.tell(drop, "approximated", { to: "parameters of all routes", note })
  } else report.tell(drop, "imported", { note: "what a candidate does not take excludes it" })
  tellCallbacks(field, report)
  tellOthers(field, report)
  return {
    routingStrategy: routingStrategy(field, report),
    dropsParameters: drops,
    retries: retriesFrom(field, report),
    timeouts: timeoutsFrom(field, report),
    maxInFlight: maxInFlight(field, report),
    commands: budgetCommands(field, report),
  }
}
