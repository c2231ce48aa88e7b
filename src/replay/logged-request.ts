import { Option, Schema } from "effect"
import type { CallMode } from "../domain/Chat.ts"
import { fromUsd } from "../domain/Money.ts"
import type { Billed } from "../domain/Usage.ts"
import { readStoredUsage, storedUsage } from "../ledger/stored-usage.ts"

/** A request of the ledger as a replay sees it: what was decided from, how it was decided, and what came of it. */
export interface LoggedRequest {
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly route: string
  readonly mode: CallMode
  /** Rows from before there were others say none. */
  readonly strategy: "score" | "priority" | "weighted" | "cheapest" | "fastest"
  readonly weights: { readonly latency: number; readonly cost: number }
  readonly inputTokens: number
  /** In the order in which they were to be asked, never empty. */
  readonly candidates: ReadonlyArray<LoggedCandidate>
  /** `provider/model` of those that could not take it. */
  readonly excluded: ReadonlySet<string>
  readonly choice: LoggedChoice
  readonly answered: boolean
  /** Until the whole answer or its first token, by mode, failed attempts included; undefined without an answer. */
  readonly ms: number | undefined
  /** Of all attempts together; undefined = unknown. */
  readonly nanoUsd: number | undefined
}

export interface LoggedCandidate {
  /** `provider/model`. */
  readonly key: string
  readonly tier: 0 | 1 | 2
  readonly predictedMs: number
  readonly predictedNanoUsd: number | undefined
  /** What the score was made of: the prediction, where nothing else was. */
  readonly weighedMs: number
  readonly weighedNanoUsd: number | undefined
  readonly outputTokens: number
  readonly cachedTokens: number
  /** 0..1 */
  readonly availability: number
}

/**
 * How the first candidate came to be it. `led`: by the route's order. `explored`: in the leader's place, by chance.
 * `drawn`: by its weight. `probed`: in the leader's place, since it was due. The leader of the former two, the second and
 * the last of them is known.
 */
type LoggedChoice =
  | { readonly by: "led" }
  | { readonly by: "explored"; readonly probability: number }
  | { readonly by: "drawn"; readonly probability: number }
  | { readonly by: "probed" }

const Candidate = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  predicted_ms: Schema.Finite,
  predicted_cost_usd: Schema.NullOr(Schema.Finite),
  predicted_output_tokens: Schema.Finite,
  availability: Schema.Finite,
  tier: Schema.Literals(["healthy", "degraded", "tripped"]),
  // From here on only newer rows have them.
  cached_tokens: Schema.optionalKey(Schema.Finite),
  weighed_ms: Schema.optionalKey(Schema.Finite),
  weighed_cost_usd: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
})

const Probability = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
/** The smallest that is stored. */
const LEAST_PROBABILITY = 1e-6

const Decision = Schema.Struct({
  route: Schema.String,
  mode: Schema.Literals(["whole", "stream"]),
  weights: Schema.Struct({ latency: Schema.Finite, cost: Schema.Finite }),
  estimated_input_tokens: Schema.Finite,
  candidates: Schema.NonEmptyArray(Candidate),
  excluded: Schema.Array(Schema.Struct({ provider: Schema.String, model: Schema.String })),
  chosen_by: Schema.String,
  strategy: Schema.optionalKey(Schema.Literals(["score", "priority", "weighted", "cheapest", "fastest"])),
  probability: Schema.optionalKey(Probability),
  // Older rows have it in place of the one above, and only where a candidate was explored.
  explored_probability: Schema.optionalKey(Probability),
})

const decodeDecision = Schema.decodeUnknownOption(Decision)

const StoredAttempt = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  outcome: Schema.String,
  ...storedUsage,
  cost: Schema.NullOr(Schema.Finite),
})
type StoredAttempt = typeof StoredAttempt.Type

/** A row of `requests` with its attempts. */
export const StoredRequest = Schema.Struct({
  id: Schema.String,
  route: Schema.NullOr(Schema.String),
  /** Written by PostgreSQL, so that no fraction of a millisecond is lost. */
  started: Schema.String,
  started_ms: Schema.Finite,
  status: Schema.Finite,
  error_code: Schema.NullOr(Schema.String),
  latency_ms: Schema.Finite,
  first_token_ms: Schema.NullOr(Schema.Finite),
  decision: Schema.Unknown,
  attempts: Schema.Array(StoredAttempt),
})
export type StoredRequest = typeof StoredRequest.Type

/** Returns the cost of an attempt by other prices than it was booked with; undefined where those know nothing of it. */
export type PriceAttempt = (
  provider: string,
  model: string,
  usage: Billed,
  startedAt: number,
) => { readonly nanoUsd: number | null } | undefined

/** Tells a request that says nothing of its providers: its client left, or sent what nobody could answer. */
const isClients = ({ status }: StoredRequest): boolean => status >= 400 && status < 500 && status !== 429

const TIERS = { healthy: 0, degraded: 1, tripped: 2 } as const

/**
 * Reads a row. `unreadable`: its decision is of a form that is not known here; `clients`: how it ended was its client's
 * doing.
 */
export const readLogged = (
  row: StoredRequest,
  price: PriceAttempt | undefined,
): LoggedRequest | "unreadable" | "clients" => {
  if (isClients(row)) return "clients"
  const decoded = decodeDecision(row.decision)
  if (Option.isNone(decoded)) return "unreadable"
  const decision = decoded.value
  const answered = row.status >= 200 && row.status < 300 && row.error_code === null
  const ms = decision.mode === "stream" ? row.first_token_ms : row.latency_ms
  return {
    startedAt: row.started_ms,
    route: decision.route,
    mode: decision.mode,
    strategy: decision.strategy ?? "score",
    weights: decision.weights,
    inputTokens: decision.estimated_input_tokens,
    candidates: decision.candidates.map(candidateOf),
    excluded: new Set(decision.excluded.map(keyOf)),
    choice: choiceOf(decision),
    answered,
    ms: answered && ms !== null ? Math.max(ms, 1) : undefined,
    nanoUsd: costOf(row, answered, price),
  }
}

const keyOf = ({ provider, model }: { readonly provider: string; readonly model: string }): string =>
  `${provider}/${model}`

const candidateOf = (stored: typeof Candidate.Type): LoggedCandidate => {
  const predictedMs = Math.max(stored.predicted_ms, 1)
  const predictedNanoUsd = nano(stored.predicted_cost_usd)
  return {
    key: keyOf(stored),
    tier: TIERS[stored.tier],
    predictedMs,
    predictedNanoUsd,
    weighedMs: Math.max(stored.weighed_ms ?? predictedMs, 1),
    weighedNanoUsd: stored.weighed_cost_usd === undefined ? predictedNanoUsd : nano(stored.weighed_cost_usd),
    outputTokens: stored.predicted_output_tokens,
    cachedTokens: stored.cached_tokens ?? 0,
    availability: Math.min(Math.max(stored.availability, 0), 1),
  }
}

const nano = (usd: number | null): number | undefined => (usd === null || usd < 0 ? undefined : fromUsd(usd))

const choiceOf = (decision: typeof Decision.Type): LoggedChoice => {
  const stated = decision.probability ?? decision.explored_probability
  const probability = stated === undefined ? undefined : Math.max(stated, LEAST_PROBABILITY)
  switch (decision.chosen_by) {
    case "exploration":
      return probability === undefined ? { by: "probed" } : { by: "explored", probability }
    case "weight":
      return probability === undefined ? { by: "led" } : { by: "drawn", probability }
    case "probe":
      return { by: "probed" }
    default:
      return { by: "led" }
  }
}

/** Adds up what the attempts cost: an answer of unknown cost makes the sum unknown, a failure of unknown cost does not. */
const costOf = (
  row: StoredRequest,
  answered: boolean,
  price: PriceAttempt | undefined,
): number | undefined => {
  let sum = 0
  for (const attempt of row.attempts) {
    const cost = price === undefined ? attempt.cost : repriced(attempt, row.started_ms, price)
    if (cost !== null) sum += cost
    else if (answered && attempt.outcome === "success") return undefined
  }
  return sum
}

const repriced = (attempt: StoredAttempt, startedAt: number, price: PriceAttempt): number | null => {
  const usage = readStoredUsage(attempt)
  return usage === null
    ? attempt.cost
    : (price(attempt.provider, attempt.model, usage, startedAt)?.nanoUsd ?? attempt.cost)
}
