import type { Redacted } from "effect"
import type { ModelConfig } from "../catalog/model.ts"

/**
 * What the gateway routes to and how, after the YAML file, the built-in defaults and the environment were merged
 * and checked. Everything downstream reads this value; nothing else reads files or the environment for it.
 */
export interface GatewayConfig {
  readonly providers: ReadonlyArray<ProviderConfig>
  /** Route name -> route. `auto` is always there. */
  readonly routes: ReadonlyMap<string, RouteConfig>
  readonly timeouts: Timeouts
  readonly limits: Limits
  readonly ledger: LedgerConfig
}

interface ProviderBase {
  /** Unique, `[a-z0-9-]+`; the part before the slash in `provider/model`. */
  readonly name: string
  readonly models: ReadonlyArray<ModelConfig>
}

export interface HttpProviderConfig extends ProviderBase {
  readonly kind: "openai" | "gemini" | "openai-compatible"
  /** Origin and path prefix without a trailing slash. Only operators set it, never a request. */
  readonly baseUrl: string
  /** Absent only for openai-compatible endpoints that ask for none. */
  readonly apiKey?: Redacted.Redacted
}

export interface SimulatedProviderConfig extends ProviderBase {
  readonly kind: "simulated"
  readonly simulation: Simulation
}

export type ProviderConfig = HttpProviderConfig | SimulatedProviderConfig

/** Behaviour of a simulated provider; all randomness comes from Effect's `Random`, all time from its `Clock`. */
export interface Simulation {
  /** Latency is log-normal around the median; p95/median sets its spread. */
  readonly medianMs: number
  readonly p95Ms: number
  /** Milliseconds added for each output token. */
  readonly msPerOutputToken: number
  /** Shares of calls, each 0..1, drawn in this order. */
  readonly serverErrorRate: number
  readonly rateLimitRate: number
  readonly contentFilterRate: number
  /** Share of streamed answers that break off after their first words. */
  readonly midStreamErrorRate: number
  /** Sent with every simulated 429. */
  readonly retryAfterMs: number
  /** Periodic outage: down for the first `downMs` of every `everyMs`. Absent = never. */
  readonly outage?: { readonly everyMs: number; readonly downMs: number }
}

export interface RouteConfig {
  readonly name: string
  /** All of one kind; empty only for an `auto` that nobody listed when no provider has a chat model. */
  readonly candidates: ReadonlyArray<CandidateRef>
  /** Asked only after `context_length_exceeded`. */
  readonly largerContext: ReadonlyArray<CandidateRef>
  /** Both >= 0, sum 1. */
  readonly weights: { readonly latency: number; readonly cost: number }
  /** Share of requests, 0..0.5, sent to a candidate that is not the best, so that a recovered one is found. */
  readonly exploration: number
  /** A challenger must beat the incumbent's score by this share, 0..1. */
  readonly hysteresis: number
}

export interface CandidateRef {
  readonly provider: string
  readonly model: string
}

/** Milliseconds. */
export interface Timeouts {
  readonly connectMs: number
  /** Request sent to response headers, and between body chunks. */
  readonly headersMs: number
  readonly bodyMs: number
  /** Everything for one client request: retries, waits and fallbacks together. */
  readonly deadlineMs: number
  /** The same for a streamed answer, to its last event. */
  readonly streamMs: number
  /** Until an attempt at a streamed answer has said something; `bodyMs` then bounds its silences. */
  readonly firstTokenMs: number
  /** Silence on a client's stream after which it gets a comment. */
  readonly keepAliveMs: number
  /** Without taking anything of an answer that is there for it, a client is cut off after this. */
  readonly clientStallMs: number
  /** What requests in flight get after a stop signal; a stream that takes longer ends with an error. */
  readonly drainMs: number
}

export interface Limits {
  /** Upstream attempts for one request, retries and fallbacks together. */
  readonly maxAttempts: number
  /** Retries per provider as a share of its requests. */
  readonly retryRatio: number
  /** For keys without a limit of their own. */
  readonly requestsPerMinute: number
  /** Above either, new work is shed with 503. */
  readonly maxInFlight: number
  readonly maxEventLoopDelayMs: number
  /** Largest upstream body the gateway reads. */
  readonly maxUpstreamBytes: number
}

export interface LedgerConfig {
  /** Where finished requests wait for the database: in `DATA_DIR`, or in memory and gone with the process. */
  readonly journal: "file" | "memory"
  /** Of a file journal, with what dead processes left in `DATA_DIR`. */
  readonly journalMaxBytes: number
}
