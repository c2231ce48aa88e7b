import type { Charge } from "../domain/Budget.ts"
import type { Lease } from "./Lease.ts"

/** What a request reserved for one call, until it is known what that cost. */
export interface Reservation {
  /** Says that the call leaves: whatever happens then, it may cost as much. */
  readonly use: () => void
  /** Replaces what was reserved by what it cost; undefined: nobody knows, and it stays as it is. */
  readonly settle: (nanoUsd: number | undefined) => void
}

/** What one request has cost or may still cost, of every budget that it concerns. */
export class Spending {
  readonly #holder: string
  readonly #charged = new Map<Lease, number>()
  readonly #unused = new Set<Reservation>()

  constructor(holder: string) {
    this.#holder = holder
  }

  /** Notes what was reserved in these leases. */
  reserved(leases: ReadonlyArray<Lease>, nanoUsd: number): Reservation {
    for (const lease of leases) this.#add(lease, nanoUsd)
    let isSettled = false
    const reservation: Reservation = {
      use: () => void this.#unused.delete(reservation),
      settle: (cost = nanoUsd) => {
        if (isSettled) return
        isSettled = true
        this.#unused.delete(reservation)
        for (const lease of leases) {
          lease.settle(nanoUsd, cost)
          this.#add(lease, cost - nanoUsd)
        }
      },
    }
    this.#unused.add(reservation)
    return reservation
  }

  /** Gives back what was reserved for calls that were never made. */
  close(): void {
    for (const { settle } of [...this.#unused]) settle(0)
  }

  /** Returns what the ledger is to settle, with what is not settled here as it was reserved. */
  charges(): ReadonlyArray<Charge> {
    return [...this.#charged].flatMap(([{ budgetId, startsAtMs }, nanoUsd]) =>
      nanoUsd === 0
        ? []
        : { budget: budgetId, starts_at_ms: startsAtMs, holder: this.#holder, nano_usd: nanoUsd },
    )
  }

  #add(lease: Lease, nanoUsd: number): void {
    this.#charged.set(lease, (this.#charged.get(lease) ?? 0) + nanoUsd)
  }
}
