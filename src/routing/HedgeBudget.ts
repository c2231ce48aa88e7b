import type { RouteConfig } from "../config/GatewayConfig.ts"

/** Hedges that quiet times save up at most. */
const CAP = 10
/** What the answers before so many earned is gone: a hedge that costs more than what is left is not made. */
const ANSWERS = 200

/**
 * Bounds the hedges of one route to a share of its requests and to a share of what it spends: every request earns the one, every
 * answer the other, and a hedge takes one and what its call is expected to cost. Nothing is there to begin with.
 */
export class HedgeBudget {
  readonly #traffic: number
  readonly #spend: number
  #hedges = 0
  #nanoUsd = 0

  constructor({ spend, traffic }: NonNullable<RouteConfig["hedge"]>) {
    this.#traffic = traffic
    this.#spend = spend
  }

  /** Earns for a request. */
  asked(): void {
    this.#hedges = Math.min(CAP, this.#hedges + this.#traffic)
  }

  /** Earns for an answer; one without a price earns nothing. */
  answered(nanoUsd: number | null): void {
    this.#nanoUsd += this.#spend * (nanoUsd ?? 0) - this.#nanoUsd / ANSWERS
  }

  /** Takes what one hedge costs; false = it must not happen. Nothing bounds one without a price. */
  take(nanoUsd: number | undefined): boolean {
    if (nanoUsd === undefined || this.#hedges < 1 || this.#nanoUsd < nanoUsd) return false
    this.#hedges -= 1
    this.#nanoUsd -= nanoUsd
    return true
  }
}
