import { Exit } from "effect"
import type { Cost } from "../catalog/cost.ts"
import type { AnswerSummary } from "../domain/Chat.ts"
import { dispatchedOf, type ProviderError } from "../domain/ProviderError.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"

export const attemptRecord = (
  { provider, model }: Candidate,
  startedAt: number,
  latencyMs: number,
  exit: Exit.Exit<AnswerSummary, ProviderError>,
  spent: Pick<AnswerSummary, "usage" | "usageEstimated"> | undefined,
  cost: Cost,
): AttemptRecord => ({
  provider: provider.name,
  model: model.name,
  startedAt,
  latencyMs,
  ...endOf(exit),
  usage: spent?.usage ?? null,
  usageEstimated: spent?.usage != null && spent.usageEstimated,
  costNanoUsd: cost.nanoUsd,
})

const endOf = (
  exit: Exit.Exit<AnswerSummary, ProviderError>,
): Pick<AttemptRecord, "outcome" | "dispatched" | "upstreamStatus"> => {
  if (Exit.isSuccess(exit)) return { outcome: "success", dispatched: "answered", upstreamStatus: 200 }
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "Some") {
    const { kind: outcome, status = null } = failure.value
    return { outcome, dispatched: dispatchedOf(failure.value), upstreamStatus: status }
  }
  return { outcome: Exit.hasDies(exit) ? "defect" : "cancelled", dispatched: "unknown", upstreamStatus: null }
}
