import type { Charge } from "../domain/Budget.ts"
import type { Lease } from "./Lease.ts"

/** What one request has cost or may still cost, of every budget that it concerns. */
export class Spending {
  readonly #holder: string
  /** Of as many budgets as there are, once each; the sums stand beside them. */
  readonly #leases: Array<Lease> = []
  readonly #sums: Array<number> = []
  readonly #unused = [] as Reservation[]

  constructor(holder: string) {
    this.#holder = holder
  }

  /** Notes what was reserved in these leases. */
  reserved(leases: ReadonlyArray<Lease>, nanoUsd: number): Reservation {
    this.add(leases, nanoUsd)
    const reservation = new Reservation(this, leases, nanoUsd)
    this.#unused.push(reservation)
    return reservation
  }

  /** Gives back what was reserved for calls that were never made. */
  close(): void {
    while (this.#unused.length > 0) this.#unused[0]?.settle(0)
  }

  /** Returns what the ledger is to settle, with what is not settled here as it was reserved. */
  charges(): ReadonlyArray<Charge> {
    const charges: Array<Charge> = []
    for (let at = 0; at < this.#leases.length; at++) {
      const lease = this.#leases[at]
      const nano_usd = this.#sums[at]
      if (lease === undefined || !nano_usd) continue
      const { budgetId, startsAtMs } = lease
      charges.push({ budget: budgetId, starts_at_ms: startsAtMs, holder: this.#holder, nano_usd })
    }
    return charges
  }

  /** For its reservations. */
  add(leases: ReadonlyArray<Lease>, nanoUsd: number): void {
    for (const lease of leases) {
      const at = this.#leases.indexOf(lease)
      if (at === -1) {
        this.#leases.push(lease)
        this.#sums.push(nanoUsd)
      } else this.#sums[at] = (this.#sums[at] ?? 0) + nanoUsd
    }
  }

  /** Likewise. */
  used(reservation: Reservation): void {
    const at = this.#unused.indexOf(reservation)
    if (at !== -1) this.#unused.splice(at, 1)
  }
}

/** What a request reserved for one call, until it is known what that cost. */
export class Reservation {
  readonly #spending: Spending
  readonly #leases: ReadonlyArray<Lease>
  readonly #nanoUsd: number
  #isSettled = false

  constructor(spending: Spending, leases: ReadonlyArray<Lease>, nanoUsd: number) {
    this.#spending = spending
    this.#leases = leases
    this.#nanoUsd = nanoUsd
  }

  /** Says that the call leaves: whatever happens then, it may cost as much. */
  use(): void {
    this.#spending.used(this)
  }

  /** Replaces what was reserved by what it cost; undefined: nobody knows, and it stays as it is. */
  settle(cost = this.#nanoUsd): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#spending.used(this)
    for (const lease of this.#leases) lease.settle(this.#nanoUsd, cost)
    if (cost !== this.#nanoUsd) this.#spending.add(this.#leases, cost - this.#nanoUsd)
  }
}
