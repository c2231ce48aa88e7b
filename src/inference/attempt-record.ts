import { Exit } from "effect"
import type { Cost } from "../catalog/cost.ts"
import type { AnswerSummary } from "../domain/Chat.ts"
import { dispatchedOf, type ProviderError } from "../domain/ProviderError.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"
import type { UpstreamCall } from "./upstream-call.ts"

export const attemptRecord = (
  { provider, model }: Candidate,
  startedAt: number,
  latencyMs: number,
  exit: Exit.Exit<AnswerSummary, ProviderError>,
  isSent: boolean,
  spent: Pick<AnswerSummary, "usage" | "usageEstimated"> | undefined,
  cost: Cost,
  race: UpstreamCall<AnswerSummary>["race"],
): AttemptRecord => ({
  provider: provider.name,
  model: model.name,
  startedAt,
  latencyMs,
  ...endOf(exit, isSent, race?.isCut() === true),
  ...(race?.isHedge && { hedge: true }),
  usage: spent?.usage ?? null,
  usageEstimated: spent?.usage != null && spent.usageEstimated,
  costNanoUsd: cost.nanoUsd,
})

const endOf = (
  exit: Exit.Exit<AnswerSummary, ProviderError>,
  isSent: boolean,
  isCut: boolean,
): Pick<AttemptRecord, "outcome" | "dispatched" | "upstreamStatus"> => {
  if (Exit.isSuccess(exit)) return { outcome: "success", dispatched: "answered", upstreamStatus: 200 }
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "Some") {
    const { kind: outcome, status = null } = failure.value
    return { outcome, dispatched: dispatchedOf(failure.value), upstreamStatus: status }
  }
  const outcome = Exit.hasDies(exit) ? "defect" : isCut ? "hedged" : "cancelled"
  // Its client may have left while the note of it was written.
  return { outcome, dispatched: isSent ? "unknown" : "no", upstreamStatus: null }
}
