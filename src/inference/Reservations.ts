import { Effect } from "effect"
import { BudgetExceeded, type BudgetsUnavailable } from "../budgets/Accounts.ts"
import type { RequestBudgets } from "../budgets/Budgets.ts"
import type { Reservation } from "../budgets/Spending.ts"
import { costOf } from "../catalog/cost.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { ProviderError } from "../domain/ProviderError.ts"
import { choicesOf, inputTokensOf, outputBoundOf, type Task } from "../domain/Task.ts"
import type { Usage } from "../domain/Usage.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"
import { fromBudgetExceeded, fromBudgetsUnavailable, withoutPrice } from "./failures.ts"
import { InputMargins } from "./InputMargins.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

/** Holds calls back that may cost more than the budgets of their request have left. */
export class Reservations {
  readonly #margins = new InputMargins()
  readonly #unstatedTokens: number

  /** `unstatedTokens` bounds an answer of which neither the request nor the model says how long it may be. */
  constructor(unstatedTokens: number) {
    this.#unstatedTokens = unstatedTokens
  }

  /**
   * Reserves what a call may cost at most: all of its input, and as much output as it may have. An effect: the database has to
   * be asked.
   */
  reserve(
    budgets: RequestBudgets,
    candidate: Candidate,
    recorder: RequestRecorder,
  ): Reservation | ProviderError | Effect.Effect<Reservation, ProviderError> {
    const task = recorder.request?.task
    const outputTokens = task === undefined ? 0 : outputBoundOf(task, candidate.model, this.#unstatedTokens)
    const inputTokens = task === undefined ? 0 : this.#margins.above(candidate.key, inputTokensOf(task))
    const most = (output: number) => mostOf(candidate, task, inputTokens, output, recorder.startedAt)
    const wished = most(outputTokens)
    if (wished === undefined) return heldBack(candidate, withoutPrice)
    const refuse = (refused: BudgetExceeded | BudgetsUnavailable): ProviderError =>
      heldBack(
        candidate,
        refused._tag === "BudgetsUnavailable"
          ? fromBudgetsUnavailable
          : fromBudgetExceeded(refused, {
              ...{ inputTokens, outputTokens },
              fitting: Math.floor(
                fittingTokens(refused, outputTokens, most) / (task === undefined ? 1 : choicesOf(task)),
              ),
              keyId: recorder.request?.principal.keyId ?? "",
              nowMs: recorder.now(),
            }),
      )
    const reserved = budgets.reserveNow(wished)
    if (reserved === undefined) return Effect.mapError(budgets.reserve(wished), refuse)
    return reserved instanceof BudgetExceeded ? refuse(reserved) : reserved
  }

  /** Settles what an attempt cost, as far as anybody knows, and learns how its vendor counts. */
  settle(
    reservation: Reservation,
    { key }: Candidate,
    recorder: RequestRecorder,
    record: AttemptRecord,
  ): void {
    reservation.settle(chargeOf(record))
    const task = recorder.request?.task
    if (record.usage === null || record.usageEstimated || task === undefined) return
    this.#margins.observe(key, inputTokensOf(task), record.usage.inputTokens)
  }
}

/**
 * Returns what an attempt is charged: its cost, nothing where the provider cannot bill it, and undefined where it may have been
 * billed without a count.
 */
const chargeOf = ({
  costNanoUsd,
  dispatched,
  outcome,
  upstreamStatus,
}: Pick<AttemptRecord, "costNanoUsd" | "dispatched" | "outcome" | "upstreamStatus">): number | undefined => {
  if (costNanoUsd !== null) return costNanoUsd
  if (dispatched === "no") return 0
  const isError = dispatched === "answered" && outcome !== "success" && (upstreamStatus ?? 200) >= 400
  return isError ? 0 : undefined
}

/** Undefined: it has no price on that day. Writing to a cache may cost more than reading the input, and is none of the client's choice everywhere. */
const mostOf = (
  { model }: Candidate,
  task: Task | undefined,
  inputTokens: number,
  outputTokens: number,
  startedAt: number,
): number | undefined => {
  const usage = { inputTokens, outputTokens, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }
  const tier = task?.request.service_tier
  const most =
    typeof tier === "string" ? dearest(model, { ...usage, serviceTier: tier }, startedAt) : undefined
  return most ?? dearest(model, usage, startedAt)
}

const dearest = ({ price }: Candidate["model"], usage: Usage, startedAt: number): number | undefined => {
  const { nanoUsd } = costOf(price, usage, startedAt)
  if (nanoUsd === null) return undefined
  const written = costOf(price, { ...usage, cacheWriteTokens: usage.inputTokens }, startedAt)
  return Math.max(nanoUsd, written.nanoUsd ?? 0)
}

/** Returns the most output tokens with which the call would have fitted; 0 for none. */
const fittingTokens = (
  { leftNanoUsd }: BudgetExceeded,
  outputTokens: number,
  most: (outputTokens: number) => number | undefined,
): number => {
  const input = most(0) ?? 0
  const perToken = outputTokens === 0 ? 0 : ((most(outputTokens) ?? 0) - input) / outputTokens
  return perToken === 0 || leftNanoUsd <= input ? 0 : Math.floor((leftNanoUsd - input) / perToken)
}

/** Stands for a call that was not made, since a budget or a limit of ours does not let it through. */
export const heldBack = ({ model, provider }: Candidate, refusal: GatewayError): ProviderError =>
  new ProviderError({ kind: "held_back", provider: provider.name, model: model.name, refusal })
