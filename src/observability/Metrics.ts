import { Effect, Layer, Metric, type Scope } from "effect"
import { constVoid } from "effect/Function"
import { version } from "../config/version.ts"
import type { BudgetScope } from "../domain/Budget.ts"
import type { ProviderErrorKind } from "../domain/ProviderError.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"

/**
 * Every metric of the service. Names are `gateway_<noun>_<unit>`; labels come from closed sets (path templates,
 * configured providers and models, outcomes), never from a request or a key.
 *
 * On the hot path: `update(requests("/infer", "2xx"), 1)` with the function of `updater`, which takes no step of a fiber.
 * A labelled metric is a function from its label values to a series that is built once, so an update costs a map look-up for
 * each label; `Metric.withAttributes` would build and key the series anew each time. Levels that something already keeps are not pushed at all: `observe` reads
 * them when they are scraped.
 */

/** Makes a function that updates metrics at once, outside of any fiber. */
export const updater = Effect.map(
  Effect.context<never>(),
  (context) =>
    <Input, State>(metric: Metric.Metric<Input, State>, input: Input): void =>
      metric.updateUnsafe(input, context),
)
export type Update = Effect.Success<typeof updater>

/** Label sets are closed, so this is never reached; if one is not, memory stays bounded and the metric says so. */
export const MAX_SERIES = 1_000

export const labelled =
  <M>(make: (attributes: Record<string, string>) => M) =>
  <Values extends ReadonlyArray<string>>(names: Names<Values>) => {
    const root = new Series<M>()
    const build = (values: ReadonlyArray<string>) =>
      make(Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""])))
    const overflow = build(names.map(() => "other"))
    let size = 0
    const add = (values: ReadonlyArray<string>): M => {
      if (size >= MAX_SERIES) return overflow
      size += 1
      let series = root
      for (const value of values) series = getOrInsert(series.byNext, value, () => new Series<M>())
      series.metric = build(values)
      return series.metric
    }
    return (...values: Values): M => {
      let series: Series<M> | undefined = root
      for (const value of values) {
        series = series.byNext.get(value)
        if (series === undefined) return add(values)
      }
      return series.metric ?? add(values)
    }
  }

/** Series of a metric by their labels' values, one after the other: a name of all of them would be made anew for each update. */
class Series<M> {
  metric: M | undefined
  readonly byNext = new Map<string, Series<M>>()
}

type Names<Values extends ReadonlyArray<string>> = { readonly [I in keyof Values]: string }

const counter = (name: string, description: string, attributes: Record<string, string> = {}) =>
  Metric.counter(name, { description, incremental: true, attributes })

const gauge = (name: string, description: string, attributes: Record<string, string> = {}) =>
  Metric.gauge(name, { description, attributes })

/** Boundaries that double from 1 ms to 262 s: an answer from the cache and the longest deadline both land inside. */
const SECONDS = Metric.exponentialBoundaries({ start: 0.001, factor: 2, count: 20 })

/** Makes a histogram that takes milliseconds, as all code here counts time, and shows seconds, as Prometheus does. */
const duration = (name: string, description: string, attributes: Record<string, string>) =>
  Metric.histogram(name, { description, boundaries: SECONDS, attributes }).pipe(
    Metric.mapInput((ms: number) => ms / 1000),
  )

/** Boundaries around 1, finer where a prediction is nearly right. */
const RATIOS = [0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10]

const ratios = <Values extends ReadonlyArray<string>>(
  name: string,
  description: string,
  names: Names<Values>,
) =>
  labelled((attributes) => Metric.histogram(name, { description, boundaries: RATIOS, attributes }))<Values>(
    names,
  )

const counters = <Values extends ReadonlyArray<string>>(
  name: string,
  description: string,
  names: Names<Values>,
) => labelled((attributes) => counter(name, description, attributes))<Values>(names)

const gauges = <Values extends ReadonlyArray<string>>(
  name: string,
  description: string,
  names: Names<Values>,
) => labelled((attributes) => gauge(name, description, attributes))<Values>(names)

const durations = <Values extends ReadonlyArray<string>>(
  name: string,
  description: string,
  names: Names<Values>,
) => labelled((attributes) => duration(name, description, attributes))<Values>(names)

// Requests

type RequestOutcome = "2xx" | "3xx" | "4xx" | "5xx"

export const requestOutcome = (status: number): RequestOutcome =>
  status >= 500 ? "5xx" : status >= 400 ? "4xx" : status >= 300 ? "3xx" : "2xx"

/** `endpoint` is a path template such as `/infer`, or `unmatched`. */
export const requests = counters<readonly [endpoint: string, outcome: RequestOutcome]>(
  "gateway_requests_total",
  "HTTP requests answered",
  ["endpoint", "outcome"],
)

export const requestDuration = durations<readonly [endpoint: string]>(
  "gateway_request_duration_seconds",
  "Time from request to complete response",
  ["endpoint"],
)

export const inFlight = gauge("gateway_in_flight_requests", "Requests and streams being worked on")

export const streamsInFlight = gauge(
  "gateway_in_flight_streams",
  "Streams that have begun, of those in flight",
)

export const bodyBytesInFlight = gauge(
  "gateway_in_flight_body_bytes",
  "Bytes of the bodies of requests in flight",
)

export const answerBytesInFlight = gauge(
  "gateway_in_flight_answer_bytes",
  "Bytes of whole answers that requests in flight hold",
)

export const eventLoopDelay = gauge("gateway_event_loop_delay_seconds", "Recent delay of the event loop")

export const rateLimited = counters<
  [limit: "requests" | "tokens" | "concurrency", scope: "key" | "team" | "model"]
>("gateway_rate_limited_total", "Requests refused by a limit; of a model also calls that went elsewhere", [
  "limit",
  "scope",
])

export const limitExchanges = counters<[outcome: "answered" | "failed"]>(
  "gateway_limit_exchanges_total",
  "Exchanges with the store that replicas share limits through",
  ["outcome"],
)

/** `unavailable`: the database did not say what is left. */
export const budgetRefusals = counters<readonly [scope: BudgetScope | "unavailable"]>(
  "gateway_budget_refused_total",
  "Calls held back since a budget had not enough left",
  ["scope"],
)

export const budgetAlerts = counters<readonly [scope: BudgetScope]>(
  "gateway_budget_alerts_total",
  "Shares of budgets that were spent, each once",
  ["scope"],
)

/** Reasons that begin with `key` are the key's own share, the others the whole process. */
export const shed = counters<
  readonly [reason: "in_flight" | "event_loop_delay" | "key_in_flight" | "body_bytes" | "key_body_bytes"]
>("gateway_shed_total", "Requests refused because there was no room for them", ["reason"])

// Upstream

/** `hedged`: another attempt of the request was sooner; `lost`: the gateway died before it knew. */
export type UpstreamOutcome = "success" | "cancelled" | "hedged" | "defect" | "lost" | ProviderErrorKind

export const upstreamAttempts = counters<
  readonly [provider: string, model: string, outcome: UpstreamOutcome]
>("gateway_upstream_attempts_total", "Calls to providers, retries and fallbacks included", [
  "provider",
  "model",
  "outcome",
])

/** Only of providers with several keys, which have names in the configuration. */
export const upstreamKeyAttempts = counters<
  readonly [provider: string, key: string, outcome: UpstreamOutcome]
>("gateway_upstream_key_attempts_total", "Calls to providers with several keys, by the key", [
  "provider",
  "key",
  "outcome",
])

export const upstreamKeyResting = gauges<readonly [provider: string, key: string]>(
  "gateway_upstream_key_resting_models",
  "Models that a provider is not asked for with the key at present",
  ["provider", "key"],
)

export const upstreamDuration = durations<readonly [provider: string, model: string]>(
  "gateway_upstream_duration_seconds",
  "Time of one call to a provider",
  ["provider", "model"],
)

/** Of answers: above 1 they took longer than predicted. */
export const predictedTimeRatio = ratios<readonly [provider: string, model: string]>(
  "gateway_prediction_time_ratio",
  "Actual to predicted time of answers, until they are whole or their first token",
  ["provider", "model"],
)

export const predictedCostRatio = ratios<readonly [provider: string, model: string]>(
  "gateway_prediction_cost_ratio",
  "Actual to predicted cost of answers",
  ["provider", "model"],
)

export const hedgesStarted = counters<readonly [route: string]>(
  "gateway_hedges_started_total",
  "Calls to a second candidate while the first was late",
  ["route"],
)

export const hedgesWon = counters<readonly [route: string]>(
  "gateway_hedges_won_total",
  "Hedges that were the answer",
  ["route"],
)

/** Shows 1 while the breaker keeps traffic away, else 0. */
export const breakerOpen = gauges<readonly [provider: string, model: string]>(
  "gateway_breaker_open",
  "Whether the circuit breaker is open",
  ["provider", "model"],
)

export const upstreamInFlight = gauges<readonly [provider: string, model: string]>(
  "gateway_upstream_in_flight",
  "Calls to providers under way, streams included",
  ["provider", "model"],
)

/** Above it others are preferred. */
export const upstreamLimit = gauges<readonly [provider: string, model: string]>(
  "gateway_upstream_in_flight_limit",
  "Calls under way above which other candidates are preferred",
  ["provider", "model"],
)

// Keys and claims

type AuthResult = "cache_hit" | "verified" | "refused" | "unavailable" | "overloaded"

export const authResults = counters<readonly [result: AuthResult]>(
  "gateway_auth_results_total",
  "API key checks by result",
  ["result"],
)

export const bcryptRunning = gauge("gateway_bcrypt_running_hashes", "bcrypt computations running")

/** `run`: the answer was made for this request; `replayed`: it was another's. */
type IdempotencyOutcome =
  | "run"
  | "replayed"
  | "in_progress"
  | "reused"
  | "not_stored"
  | "overloaded"
  | "key_overloaded"
  | "unread"
  | "unavailable"

export const idempotencyOutcomes = counters<readonly [outcome: IdempotencyOutcome]>(
  "gateway_idempotency_outcomes_total",
  "Requests with an Idempotency-Key by outcome",
  ["outcome"],
)

// Ledger

export const ledgerQueue = gauge("gateway_ledger_queue_records", "Records not yet in the database")
export const ledgerOverflow = gauge(
  "gateway_ledger_overflow_records",
  "Those of them that the journal did not take: in memory, lost if the process dies",
)
export const ledgerJournalBytes = gauge("gateway_ledger_journal_bytes", "Size of the journal on disk")
export const ledgerOldestAge = gauge(
  "gateway_ledger_oldest_record_age_seconds",
  "Age of the oldest record that is not yet in the database",
)
export const ledgerWritten = counter("gateway_ledger_written_total", "Records committed to the database")

/**
 * The reason why a record was lost. The first two: the journal did not take it, and the memory behind it was full.
 * `stopped`: it was in memory when the process stopped, and neither the database nor the journal took it then.
 */
type LedgerLoss = "journal_full" | "disk" | "damaged" | "refused" | "stopped"

export const ledgerDropped = counters<readonly [reason: LedgerLoss]>(
  "gateway_ledger_dropped_total",
  "Records lost",
  ["reason"],
)
export const ledgerCallsNotNoted = counters<readonly [reason: "journal_full" | "disk"]>(
  "gateway_ledger_calls_not_noted_total",
  "Upstream calls that the journal did not take: they leave no trace if the process dies before their record",
  ["reason"],
)
export const ledgerReadFailures = counter(
  "gateway_ledger_read_failures_total",
  "Reads of journal files that failed; they are repeated",
)
export const ledgerTornBytes = counter(
  "gateway_ledger_torn_bytes_total",
  "Bytes at the end of journals that a crash left unfinished",
)
export const ledgerWriteFailures = counter(
  "gateway_ledger_write_failures_total",
  "Batches that the database refused; they are retried",
)

/** Shows 1 while records do not get there, as `/readyz` says with the reason, else 0. */
export const ledgerUnwritable = gauges<readonly [part: "database" | "journal"]>(
  "gateway_ledger_unwritable",
  "Whether records cannot be written there",
  ["part"],
)

export const ledgerDaysDropped = counter(
  "gateway_ledger_days_dropped_total",
  "Days of requests dropped because they were older than RETENTION_DAYS",
)

// Telemetry

/** `dropped`: too many batches were under way; `failed`: the collector did not take them. */
export const telemetryExports = counters<
  readonly [signal: "traces" | "metrics", outcome: "sent" | "failed" | "dropped"]
>("gateway_telemetry_exports_total", "Batches of spans and metrics for the OTLP collector", [
  "signal",
  "outcome",
])

/** Reads a level when metrics are scraped, for as long as the scope lasts. */
export const observe = (
  level: Metric.Gauge<number>,
  read: () => number,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Metric.registerUnsafe(level, context, {
          get: () => ({ value: read() }),
          update: constVoid,
          modify: constVoid,
        }),
      ),
      (registration) => Effect.sync(() => registration.remove()),
    ),
  )

export const configReloads = counters<readonly [outcome: "applied" | "refused"]>(
  "gateway_config_reloads_total",
  "Reloads of the configuration",
  ["outcome"],
)

/** Shows 1 while the configuration that is there is not the one that the gateway runs on, since it has a fault. */
export const configRejected = gauge(
  "gateway_config_rejected",
  "Whether the last reload of the configuration was refused",
)

const buildInfo = gauge("gateway_build_info", "Always 1; what is running", { version, node: process.version })

export const layerBuildInfo: Layer.Layer<never> = Layer.effectDiscard(Metric.update(buildInfo, 1))
