import { Effect } from "effect"
import { BudgetExceeded, type BudgetsUnavailable } from "../budgets/Accounts.ts"
import type { RequestBudgets } from "../budgets/Budgets.ts"
import type { Reservation } from "../budgets/Spending.ts"
import { isPriced, mostCost } from "../catalog/cost.ts"
import { priceAt } from "../catalog/price-history.ts"
import { BYTES_PER_TOKEN } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { ProviderError } from "../domain/ProviderError.ts"
import { choicesOf, outputBoundOf, type Task } from "../domain/Task.ts"
import { mayHaveFiles } from "../domain/uses.ts"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"
import { tiersOf } from "../routing/unpriced-tier.ts"
import { fileTokensOf } from "./files-of.ts"
import type { InputMargins, Margin } from "./InputMargins.ts"
import { fromBudgetExceeded, fromBudgetsUnavailable, withoutPrice } from "./limit-failures.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

/** Holds calls back that may cost more than the budgets of their request have left. */
export class Reservations {
  readonly #margins: InputMargins
  readonly #unstatedTokens: number

  /** `unstatedTokens` bounds an answer of which neither the request nor the model says how long it may be. */
  constructor(margins: InputMargins, unstatedTokens: number) {
    this.#margins = margins
    this.#unstatedTokens = unstatedTokens
  }

  /**
   * Reserves what a call may cost at most: all of its input, and as much output as it may have. An effect: it is refused, or the
   * database has to be asked. `nowMs` as of `monotonicMs`.
   */
  reserve(
    budgets: RequestBudgets,
    candidate: Candidate,
    recorder: RequestRecorder,
    nowMs: number,
  ): ReservedCall | Effect.Effect<ReservedCall, ProviderError> {
    const { request } = recorder
    const task = request?.task
    const { features, model } = candidate
    const estimated = features.inputTokens
    // What one key's requests show of a vendor is no other key's concern.
    const margin = this.#margins.of(request?.principal.keyId ?? "", candidate.key)
    const fileTokens = fileTokensOf(task, estimated, model)
    const call: Bounds = {
      ...{ candidate, recorder, task, fileTokens },
      inputTokens: margin.above(estimated) + fileTokens,
      outputTokens: task === undefined ? 0 : outputBoundOf(task, model, this.#unstatedTokens),
    }
    const most = mostOf(call, call.outputTokens)
    if (most === undefined) return Effect.fail(heldBack(candidate, withoutPrice))
    const reserved = budgets.reserveNow(most, nowMs)
    if (reserved === undefined) {
      return Effect.mapBoth(budgets.reserve(most), {
        onSuccess: (given) => new ReservedCall(given, margin, call),
        onFailure: (refused) => refusalOf(call, refused),
      })
    }
    return reserved instanceof BudgetExceeded
      ? Effect.fail(refusalOf(call, reserved))
      : new ReservedCall(reserved, margin, call)
  }
}

/** A call for which is reserved what it may cost. */
export class ReservedCall {
  readonly #reservation: Reservation
  readonly #margin: Margin
  readonly #call: Bounds

  constructor(reservation: Reservation, margin: Margin, call: Bounds) {
    this.#reservation = reservation
    this.#margin = margin
    this.#call = call
  }

  /** Says that it leaves. */
  leaves(): void {
    this.#reservation.use()
  }

  /** Gives all of it back: it is not made. */
  giveBack(): void {
    this.#reservation.settle(0)
  }

  /** Settles what it cost, as far as anybody knows, and learns how its vendor counts. */
  settle(record: AttemptRecord): void {
    const { usage, usageEstimated } = record
    const { candidate, fileTokens } = this.#call
    const estimated = candidate.features.inputTokens
    const charge = chargeOf(record)
    // Where nobody counted its input, that was estimated without its files.
    const isShort = usageEstimated && usage?.inputTokens === estimated && hasFiles(this.#call)
    const files = isShort ? (mostOf({ ...this.#call, inputTokens: fileTokens }, 0) ?? 0) : 0
    this.#reservation.settle(charge === undefined ? undefined : charge + Math.ceil(files))
    if (usage === null || usageEstimated) return
    // Files that have fewer tokens than they may have say nothing of how their vendor counts texts.
    const counted = usage.inputTokens - fileTokens
    if (fileTokens === 0 || counted > estimated) this.#margin.observe(estimated, counted)
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
  usageEstimated,
}: AttemptRecord): number | undefined => {
  // What another one was sooner than goes on at its provider for a while.
  if (outcome === "hedged" && usageEstimated) return undefined
  if (costNanoUsd !== null) return costNanoUsd
  if (dispatched === "no") return 0
  const isError = dispatched === "answered" && outcome !== "success" && (upstreamStatus ?? 200) >= 400
  return isError ? 0 : undefined
}

/** A call, and how many tokens it may come to. */
interface Bounds {
  readonly candidate: Candidate
  readonly task: Task | undefined
  readonly inputTokens: number
  /** Those of them that no text has. */
  readonly fileTokens: number
  readonly outputTokens: number
  readonly recorder: RequestRecorder
}

/** Tells files from blocks that only a vendor knows. */
const hasFiles = ({ fileTokens, task }: Bounds): boolean => fileTokens > 0 && mayHaveFiles(task)

/** Returns the most that a call may cost with so much output; undefined: it has no price on that day. */
const mostOf = (
  { candidate: { model }, inputTokens, recorder: { startedAt }, task }: Bounds,
  outputTokens: number,
): number | undefined => {
  const price = priceAt(model.price, startedAt)
  if (price === undefined) return undefined
  return mostCost(price, {
    inputTokens,
    outputTokens: outputTokens + predictedTokens(task),
    hasAudio: isPriced(price, "audioInputNanoPer1M") && mayHaveFiles(task),
    isForAnHour: isPriced(price, "cacheWrite1hNanoPer1M") && isCachedForAnHour(task),
    serviceTiers: task === undefined ? [] : tiersOf(task.request),
  })
}

/** Estimates the output tokens that are billed beside an answer: those that its client predicted, and the model did not say. */
const predictedTokens = (task: Task | undefined): number => {
  const prediction = task?.request.prediction
  return prediction == null ? 0 : Math.ceil(JSON.stringify(prediction).length / BYTES_PER_TOKEN)
}

/** As JSON may write it: `\u0031` and `\u0068` are its characters. */
const HOURS = ['"1h"', String.raw`\u0031`, String.raw`\u0068`].map((text) => Buffer.from(text))

/** Tells whether something of the request may be cached for an hour, as its client asked. */
const isCachedForAnHour = (task: Task | undefined): boolean => {
  const bytes = task?.source?.bytes
  return bytes === undefined || HOURS.some((hour) => bytes.includes(hour))
}

const refusalOf = (call: Bounds, refused: BudgetExceeded | BudgetsUnavailable): ProviderError => {
  const { candidate, inputTokens, outputTokens, recorder, task } = call
  if (refused._tag === "BudgetsUnavailable") return heldBack(candidate, fromBudgetsUnavailable)
  const choices = task === undefined ? 1 : choicesOf(task)
  return heldBack(
    candidate,
    fromBudgetExceeded(refused, {
      ...{ inputTokens, outputTokens },
      hasFiles: hasFiles(call),
      // A conversation that is put in short takes no limit.
      fitting:
        task?._tag === "Chat" && task.isCompaction ? 0 : Math.floor(fittingTokens(call, refused) / choices),
      keyId: recorder.request?.principal.keyId ?? "",
      nowMs: recorder.now(),
    }),
  )
}

/** Returns the most output tokens with which the call would have fitted; 0 for none. */
const fittingTokens = (call: Bounds, { leftNanoUsd }: BudgetExceeded): number => {
  const { outputTokens } = call
  const input = mostOf(call, 0) ?? 0
  const perToken = outputTokens === 0 ? 0 : ((mostOf(call, outputTokens) ?? 0) - input) / outputTokens
  return perToken === 0 || leftNanoUsd <= input ? 0 : Math.floor((leftNanoUsd - input) / perToken)
}

/** Stands for a call that was not made, since a budget or a limit of ours does not let it through. */
export const heldBack = ({ model, provider }: Candidate, refusal: GatewayError): ProviderError =>
  new ProviderError({ kind: "held_back", provider: provider.name, model: model.name, refusal })
