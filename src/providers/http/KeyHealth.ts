import { MAX_COOLDOWN_MS, OperatorRest } from "../../domain/OperatorRest.ts"
import { concernsAccount, type ProviderError } from "../../domain/ProviderError.ts"
import { getOrInsert } from "../../platform/get-or-insert.ts"
import type { KeyState } from "../Provider.ts"

/** The first wait for a limit that does not say when it ends is half or twice this. */
const FIRST_LIMIT_MS = 1_000
const SHORTEST_LIMIT_MS = 100
const LONGEST_LIMIT_MS = 60_000

/** One call under way. */
export interface KeyCall {
  readonly model: string
  readonly startedMs: number
  /** As many as the key had when it began: after another it has no say. */
  readonly resets: number
}

interface ModelHealth {
  readonly limit: LimitRest
  /** Of the key for this model: not there, or not for the key's account. */
  readonly rest: OperatorRest
}

/**
 * What one key of a pool is known for, from how its calls end: limits by the model, and refusals that an operator has to look
 * after, of the whole key or of a model. Outages are not a key's. Synchronous; all times are `monotonicMs`.
 */
export class KeyHealth {
  readonly #whole = new OperatorRest()
  /** Only of configured models. */
  readonly #models = new Map<string, ModelHealth>()
  #resets = 0

  /** Notes the beginning of a call that is no probe, and whose end is of no interest. */
  beginAside(model: string, nowMs: number): KeyCall {
    return { model, startedMs: nowMs, resets: this.#resets }
  }

  begin(model: string, nowMs: number): KeyCall {
    const call = this.beginAside(model, nowMs)
    this.#whole.begin(call)
    this.#of(model).rest.begin(call)
    return call
  }

  end(call: KeyCall): void {
    this.#whole.end(call)
    this.#of(call.model).rest.end(call)
  }

  answered(call: KeyCall, nowMs: number): void {
    if (call.resets !== this.#resets) return
    const { limit, rest } = this.#of(call.model)
    this.#whole.answered(call, nowMs)
    rest.answered(call, nowMs)
    limit.answered(call)
  }

  /** Hears of a failure whose disposition is `open`. Returns whether that begins a rest that an operator has to end. */
  refused(call: KeyCall, nowMs: number, error: ProviderError): boolean {
    if (call.resets !== this.#resets) return false
    const { limit, rest } = this.#of(call.model)
    if (error.kind !== "rate_limited") {
      return (concernsAccount(error) ? this.#whole : rest).refused(call, nowMs, error)
    }
    limit.met(call, nowMs, error.retryAfterMs)
    return false
  }

  /** Hears from a good answer that a limit is used up for so many milliseconds. */
  usedUp({ model, resets }: KeyCall, nowMs: number, ms: number): void {
    if (resets === this.#resets) this.#of(model).limit.usedUp(nowMs, ms)
  }

  /** Tells that it rests for all models. */
  restsWholly(nowMs: number): boolean {
    return this.#whole.leftMs(nowMs) > 0
  }

  /** Tells that the model waits for a limit of it alone. */
  isLimited(model: string, nowMs: number): boolean {
    const { limit, rest } = this.#of(model)
    return limit.leftMs(nowMs) > 0 && rest.leftMs(nowMs) === 0 && !this.restsWholly(nowMs)
  }

  /** Milliseconds until the model is to be asked with it again; 0 = now. */
  leftMs(model: string, nowMs: number): number {
    const { limit, rest } = this.#of(model)
    return Math.max(this.#whole.leftMs(nowMs), rest.leftMs(nowMs), limit.leftMs(nowMs))
  }

  whyOf(model: string): KeyState["why"] {
    const { limit, rest } = this.#of(model)
    return this.#whole.why ?? rest.why ?? limit.why
  }

  /** Starts anew. Calls under way have no say any more. */
  reset(): void {
    this.#resets += 1
    this.#whole.reset()
    this.#models.clear()
  }

  #of(model: string): ModelHealth {
    return getOrInsert(this.#models, model, () => ({
      limit: new LimitRest(),
      rest: new OperatorRest(this.#whole),
    }))
  }
}

/** Waits for a limit of one model to be over. */
class LimitRest {
  why: "rate_limited" | "limit_used_up" | undefined
  #untilMs = Number.NEGATIVE_INFINITY
  /** When it was last heard of. */
  #toldMs = Number.NEGATIVE_INFINITY
  /** How long it was last waited for without being told. */
  #waitMs = FIRST_LIMIT_MS
  /** Answered since that. */
  #answered = false

  leftMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs)
  }

  /** Waits longer where nothing was answered since the last time, and else shorter: little of the limit should go by unused. */
  met(call: KeyCall, nowMs: number, retryAfterMs: number | undefined): void {
    // Others that were under way met the same limit.
    if (call.startedMs > this.#toldMs) {
      this.#waitMs = this.#answered
        ? Math.max(SHORTEST_LIMIT_MS, this.#waitMs / 2)
        : Math.min(LONGEST_LIMIT_MS, this.#waitMs * 2)
      this.#answered = false
    }
    // Even who is told to come back at once asks with another key first.
    this.#begin("rate_limited", nowMs, Math.max(SHORTEST_LIMIT_MS, retryAfterMs ?? this.#waitMs))
  }

  usedUp(nowMs: number, ms: number): void {
    // Less is over before the next request.
    if (ms >= SHORTEST_LIMIT_MS) this.#begin("limit_used_up", nowMs, ms)
  }

  /** Only an answer to a call that began since says that it is over. */
  answered(call: KeyCall): void {
    if (call.startedMs <= this.#toldMs) return
    this.#answered = true
    this.why = undefined
    this.#untilMs = Number.NEGATIVE_INFINITY
  }

  #begin(why: "rate_limited" | "limit_used_up", nowMs: number, ms: number): void {
    this.why = why
    this.#toldMs = nowMs
    this.#untilMs = Math.max(this.#untilMs, nowMs + Math.min(ms, MAX_COOLDOWN_MS))
  }
}
