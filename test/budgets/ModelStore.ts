import type { LeaseAnswer, LeaseAsk } from "../../src/budgets/LeaseStore.ts"
import type { Charge } from "../../src/domain/Budget.ts"

interface ModelLease {
  granted: number
  returned: number
  settled: number
  seenAtMs: number
}

interface ModelWindow {
  spent: number
  readonly leases: Map<string, ModelLease>
}

const PEER_MS = 5_000

/** What the database does with budgets and their leases, in words of its own: windows of a fixed length, 0 for none. */
export class ModelStore {
  readonly limits = new Map<number, number>()
  readonly windows = new Map<string, ModelWindow>()
  readonly windowMs: number

  constructor(windowMs = 0) {
    this.windowMs = windowMs
  }

  window(budgetId: number, startsAtMs: number | null): ModelWindow {
    const key = `${budgetId} ${startsAtMs}`
    const window = this.windows.get(key) ?? { spent: 0, leases: new Map() }
    this.windows.set(key, window)
    return window
  }

  startOf(nowMs: number): number | null {
    return this.windowMs === 0 ? null : Math.floor(nowMs / this.windowMs) * this.windowMs
  }

  exchange(holder: string, asks: ReadonlyArray<LeaseAsk>, nowMs: number): ReadonlyArray<LeaseAnswer> {
    return asks
      .toSorted((one, other) => one.budgetId - other.budgetId)
      .flatMap((ask) => {
        const limit = this.limits.get(ask.budgetId)
        if (limit === undefined) return []
        const starting = this.startOf(nowMs)
        const startsAtMs = starting === null ? null : Math.max(starting, ask.startsAtMs ?? 0)
        const window = this.window(ask.budgetId, startsAtMs)
        const own = window.leases.get(holder) ?? { granted: 0, returned: 0, settled: 0, seenAtMs: nowMs }
        const peers = [...window.leases].filter(([name]) => name !== holder).map(([, lease]) => lease)
        const others = peers.reduce((sum, lease) => sum + held(lease), 0)
        const living = peers.filter(({ seenAtMs }) => seenAtMs > nowMs - PEER_MS).length
        const isKnown = ask.startsAtMs === startsAtMs
        const charged =
          ask.charged === null ? Math.max(own.granted - own.returned, own.settled) : isKnown ? ask.charged : 0
        const returned = isKnown && ask.charged !== null ? Math.max(own.returned, ask.returned) : own.returned
        const mine = Math.max(0, own.granted - returned - own.settled)
        const room = Math.max(0, limit - window.spent - others - mine)
        const slice = Math.floor(room / (2 * (living + 1)))
        const wish = charged + returned + Math.max(ask.need, Math.min(ask.want, ask.need + slice))
        const most = Math.max(own.granted, returned + own.settled) + room
        let granted = Math.max(own.granted, Math.min(wish, most))
        if (granted - returned - charged < ask.least) granted = own.granted
        const lease = { ...own, granted, returned, seenAtMs: nowMs }
        window.leases.set(holder, lease)
        return {
          budgetId: ask.budgetId,
          startsAtMs,
          endsInMs: startsAtMs === null ? null : startsAtMs + this.windowMs - nowMs,
          ...{ granted, returned, charged },
          limitNanoUsd: limit,
          leftNanoUsd: limit - window.spent - others - held(lease),
        }
      })
  }

  /** Does as the ledger's batch. */
  settle(charges: ReadonlyArray<Charge>): void {
    for (const { holder, nano_usd, windows } of charges) {
      for (const [budget, startsAtS] of windows) {
        if (!this.limits.has(budget)) continue
        const window = this.window(budget, startMsOf(startsAtS))
        window.spent += nano_usd
        const lease = window.leases.get(holder)
        if (lease !== undefined) lease.settled += nano_usd
      }
    }
  }

  /** Says that everything that a process charged is settled: what else it holds is nobody's. */
  release(holder: string): void {
    for (const { leases } of this.windows.values()) {
      const lease = leases.get(holder)
      if (lease !== undefined) lease.returned += held(lease)
    }
  }

  heldOf(budgetId: number, startsAtMs: number | null): number {
    return [...this.window(budgetId, startsAtMs).leases.values()].reduce((sum, lease) => sum + held(lease), 0)
  }
}

/** Milliseconds of a window's start, as leases have it. */
export const startMsOf = (startsAtS: number | null): number | null =>
  startsAtS === null ? null : startsAtS * 1_000

const held = ({ granted, returned, settled }: ModelLease): number => Math.max(0, granted - returned - settled)
