import type { Charge } from "../domain/Budget.ts"
import type { Lease } from "./Lease.ts"

/** What one request has cost or may still cost, of every budget that it concerns. */
export class Spending {
  readonly #holder: string
  readonly #reservations: Array<Reservation> = []

  constructor(holder: string) {
    this.#holder = holder
  }

  /** Notes what was reserved in these leases. */
  reserved(leases: ReadonlyArray<Lease>, nanoUsd: number): Reservation {
    const reservation = new Reservation(this.#holder, leases, nanoUsd)
    this.#reservations.push(reservation)
    return reservation
  }

  /** Gives back what was reserved for calls that were never made. */
  close(): void {
    for (const reservation of this.#reservations) if (!reservation.isUsed) reservation.settle(0)
  }

  /** Returns what the ledger is to settle as of now, with what is not settled here as it was reserved. */
  charges(): ReadonlyArray<Charge> {
    const charges: Array<Charge> = []
    for (const { charge } of this.#reservations) if (charge.nano_usd > 0) charges.push(charge)
    return charges
  }
}

/** What a request reserved for one call, until it is known what that cost. */
export class Reservation {
  readonly #leases: ReadonlyArray<Lease>
  /** As it was reserved, or what it cost. Made once for the note of the call and the record of the request. */
  readonly charge: Charge & { nano_usd: number }
  /** The call has left: whatever happens then, it may cost as much. */
  isUsed = false
  #isSettled = false

  constructor(holder: string, leases: ReadonlyArray<Lease>, nanoUsd: number) {
    this.#leases = leases
    this.charge = { holder, nano_usd: nanoUsd, windows: leases.map(({ window }) => window) }
  }

  /** Says that the call leaves. */
  use(): void {
    this.isUsed = true
  }

  /** Replaces what was reserved by what it cost; undefined: nobody knows, and it stays as it is. */
  settle(cost = this.charge.nano_usd): void {
    if (this.#isSettled) return
    this.#isSettled = true
    for (const lease of this.#leases) lease.settle(this.charge.nano_usd, cost)
    this.charge.nano_usd = cost
  }
}
