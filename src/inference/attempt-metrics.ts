import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import { measureCall } from "../observability/gen-ai-metrics.ts"
import {
  predictedCostRatio,
  predictedTimeRatio,
  type Update,
  upstreamAttempts,
  upstreamDuration,
  upstreamKeyAttempts,
} from "../observability/Metrics.ts"
import type { Peer } from "../observability/peers.ts"
import type { Candidate } from "../routing/plan.ts"
import { operationOf } from "./spans.ts"

/** Counts and times one upstream call, and how far its prediction was off. `ms`: until its answer, or the first of it. `key`: of a pool. */
export const measure = (
  update: Update,
  { errors, expectedMs, expectedNanoUsd }: Candidate,
  { costNanoUsd, latencyMs, model, outcome, provider }: AttemptRecord,
  ms: number,
  key: string | undefined,
): void => {
  if (key !== undefined) update(upstreamKeyAttempts(provider, key, outcome), 1)
  update(upstreamAttempts(provider, model, outcome), 1)
  update(upstreamDuration(provider, model), latencyMs)
  if (outcome !== "success") return
  errors.add(ms / expectedMs)
  update(predictedTimeRatio(provider, model), ms / expectedMs)
  if (costNanoUsd === null || expectedNanoUsd === undefined || expectedNanoUsd === 0) return
  update(predictedCostRatio(provider, model), costNanoUsd / expectedNanoUsd)
}

/** The same call by OpenTelemetry's conventions. */
export const measureTold = (
  update: Update,
  peers: (provider: string) => Peer,
  { model }: Candidate,
  { latencyMs, outcome, provider, startedAt, usage, usageEstimated }: AttemptRecord,
  firstTokenAt: number | undefined,
): void =>
  measureCall(update, {
    operation: operationOf(model.kind),
    peer: peers(provider),
    model: model.name,
    outcome,
    durationMs: latencyMs,
    firstTokenMs: firstTokenAt === undefined ? undefined : firstTokenAt - startedAt,
    tokens: usage === null || usageEstimated ? undefined : usage,
  })
