import { Result } from "effect"
import type { GatewayConfig, LedgerConfig, Limits, Timeouts } from "./GatewayConfig.ts"
import { type GatewayFile, type ReportFault, showPath } from "./GatewayFile.ts"
import { mergeProviders, type ProviderEnvironment } from "./merge-providers.ts"
import { mergeRoutes } from "./merge-routes.ts"

/**
 * The YAML file, the built-in defaults and what the environment says of providers become the one configuration
 * that the gateway runs on. Pure; every fault is kept, in the form `path rule`.
 */
const defaultTimeouts: Timeouts = {
  connectMs: 3_000,
  headersMs: 300_000,
  bodyMs: 60_000,
  deadlineMs: 600_000,
  streamMs: 600_000,
  firstTokenMs: 120_000,
  keepAliveMs: 15_000,
  clientStallMs: 30_000,
  drainMs: 20_000,
}

const defaultLimits: Limits = {
  maxAttempts: 4,
  retryRatio: 0.2,
  requestsPerMinute: 600,
  maxInFlight: 1_000,
  maxEventLoopDelayMs: 500,
  maxUpstreamBytes: 64 * 1024 * 1024,
}

const defaultLedger: LedgerConfig = { journal: "file", journalMaxBytes: 1_073_741_824 }

const mergeTimeouts = (file: GatewayFile["timeouts"] = {}): Timeouts => ({
  connectMs: file.connect_ms ?? defaultTimeouts.connectMs,
  headersMs: file.headers_ms ?? defaultTimeouts.headersMs,
  bodyMs: file.body_ms ?? defaultTimeouts.bodyMs,
  deadlineMs: file.deadline_ms ?? defaultTimeouts.deadlineMs,
  streamMs: file.stream_ms ?? defaultTimeouts.streamMs,
  firstTokenMs: file.first_token_ms ?? defaultTimeouts.firstTokenMs,
  keepAliveMs: file.keep_alive_ms ?? defaultTimeouts.keepAliveMs,
  clientStallMs: file.client_stall_ms ?? defaultTimeouts.clientStallMs,
  drainMs: file.drain_ms ?? defaultTimeouts.drainMs,
})

const mergeLimits = (file: GatewayFile["limits"] = {}): Limits => ({
  maxAttempts: file.max_attempts ?? defaultLimits.maxAttempts,
  retryRatio: file.retry_ratio ?? defaultLimits.retryRatio,
  requestsPerMinute: file.requests_per_minute ?? defaultLimits.requestsPerMinute,
  maxInFlight: file.max_in_flight ?? defaultLimits.maxInFlight,
  maxEventLoopDelayMs: file.max_event_loop_delay_ms ?? defaultLimits.maxEventLoopDelayMs,
  maxUpstreamBytes: file.max_upstream_bytes ?? defaultLimits.maxUpstreamBytes,
})

const mergeLedger = (file: GatewayFile["ledger"] = {}): LedgerConfig => ({
  journal: file.journal ?? defaultLedger.journal,
  journalMaxBytes: file.journal_max_bytes ?? defaultLedger.journalMaxBytes,
})

export const mergeGatewayConfig = (
  file: GatewayFile,
  environment: ProviderEnvironment,
): Result.Result<GatewayConfig, ReadonlyArray<string>> => {
  const faults: Array<string> = []
  const report: ReportFault = (path, rule) => {
    faults.push(`${showPath(path)} ${rule}`)
  }
  const enabled = mergeProviders(file, environment, report)
  const routes = mergeRoutes(file.routes ?? {}, enabled, report)
  if (faults.length > 0) return Result.fail(faults)
  return Result.succeed({
    providers: enabled.map(({ provider }) => provider),
    routes,
    timeouts: mergeTimeouts(file.timeouts),
    limits: mergeLimits(file.limits),
    ledger: mergeLedger(file.ledger),
  })
}
