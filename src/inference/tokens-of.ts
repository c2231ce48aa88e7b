import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { outputBoundOf, type Task } from "../domain/Task.ts"
import type { Usage } from "../domain/Usage.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"

/** Returns how many tokens one call may come to: its input as estimated, and the most of output. */
export const tokenBoundOf = (
  task: Task,
  { features, model }: Candidate,
  { defaultMaxOutputTokens }: Pick<GatewayConfig["limits"], "defaultMaxOutputTokens">,
): number => features.inputTokens + outputBoundOf(task, model, defaultMaxOutputTokens)

/** Returns the tokens that attempts count for; each of those whose tokens nobody knows counts for `bound`. */
export const tokensOf = (
  attempts: ReadonlyArray<AttemptRecord>,
  bound: number,
  { cachedTokensCount }: Pick<GatewayConfig["limits"], "cachedTokensCount">,
): number => {
  let sum = 0
  for (const { dispatched, outcome, usage } of attempts) {
    if (usage !== null) sum += counted(usage, cachedTokensCount)
    else if (dispatched === "unknown" || outcome === "success") sum += bound
  }
  return sum
}

const counted = ({ cachedTokens, inputTokens, outputTokens }: Usage, cachedTokensCount: boolean): number =>
  inputTokens + outputTokens - (cachedTokensCount ? 0 : Math.min(cachedTokens, inputTokens))
