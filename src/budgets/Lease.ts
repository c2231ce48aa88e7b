import type { BudgetWindow } from "../domain/Budget.ts"

/**
 * What this process may still spend of one budget in one of its windows, in nano-dollars. Granted is what the database has
 * given, charged what requests have reserved or cost, and returned what is the database's again. None of them is ever taken
 * back, so that a lost answer changes nothing; charged falls only by what a request reserved and did not use.
 */
export class Lease {
  /** Epoch milliseconds when the window began; null: it has no beginning. */
  readonly startsAtMs: number | null
  readonly window: BudgetWindow
  /** Monotonic milliseconds, never late. */
  endsAtMs = 0
  // A first value holds a number in place, see decision 39.
  granted = 0
  returned = 0
  charged = 0
  /** Reservations that are not settled. */
  open = 0

  constructor(
    budgetId: number,
    startsAtMs: number | null,
    endsAtMs: number,
    { granted, returned, charged }: Pick<Lease, "granted" | "returned" | "charged">,
  ) {
    this.startsAtMs = startsAtMs
    this.window = [budgetId, startsAtMs === null ? null : startsAtMs / 1_000]
    this.endsAtMs = endsAtMs
    this.granted = granted
    this.returned = returned
    this.charged = charged
  }

  /** Less than 0 where something cost more than was reserved for it. */
  get free(): number {
    return this.granted - this.returned - this.charged
  }

  reserve(nanoUsd: number): void {
    this.charged += nanoUsd
    this.open += 1
  }

  settle(reserved: number, nanoUsd: number): void {
    this.charged += nanoUsd - reserved
    this.open -= 1
  }

  /** Gives back what is free beyond `kept`. */
  giveBack(kept: number): void {
    this.returned += Math.max(0, this.free - kept)
  }
}
