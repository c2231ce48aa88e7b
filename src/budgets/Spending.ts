import type { Charge } from "../domain/Budget.ts"
import type { Lease } from "./Lease.ts"

/** What a request reserved for one call, until it is known what that cost. */
export interface Reservation {
  /** Replaces what was reserved by what it cost; undefined: nobody knows, and it stays as it is. */
  readonly settle: (nanoUsd: number | undefined) => void
}

/** What one request has cost or may still cost, of every budget that it concerns. */
export class Spending {
  readonly #holder: string
  readonly #charged = new Map<Lease, number>()
  readonly #open = new Set<Reservation>()

  constructor(holder: string) {
    this.#holder = holder
  }

  /** Notes what was reserved in these leases. */
  reserved(leases: ReadonlyArray<Lease>, nanoUsd: number): Reservation {
    for (const lease of leases) this.#add(lease, nanoUsd)
    const reservation: Reservation = {
      settle: (cost = nanoUsd) => {
        if (!this.#open.delete(reservation)) return
        for (const lease of leases) {
          lease.settle(nanoUsd, cost)
          this.#add(lease, cost - nanoUsd)
        }
      },
    }
    this.#open.add(reservation)
    return reservation
  }

  /** Gives back what was reserved for calls that were never made. */
  close(): void {
    for (const { settle } of [...this.#open]) settle(0)
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
