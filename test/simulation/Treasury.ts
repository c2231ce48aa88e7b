import type { LeaseAnswer, LeaseAsk } from "../../src/budgets/LeaseStore.ts"
import type { Charge } from "../../src/domain/Budget.ts"
import { ModelStore, startMsOf } from "../budgets/ModelStore.ts"
import { START_MS } from "../support/started-clock.ts"
import type { WorldBudgets } from "./World.ts"

/** An ask as the statement has it. */
type AskLine = Omit<LeaseAsk, "budgetId" | "startsAtMs"> & {
  readonly budget: number
  readonly starts_at_ms: number | null
}

/** What a process could have spent of a budget right after an exchange: what is left of it, and what it has free itself. */
interface Reach {
  readonly atMs: number
  readonly holder: string
  readonly budgetId: number
  readonly nanoUsd: number
}

/** What a test changes to see that it is noticed. */
interface Changes {
  readonly answer?: (answer: LeaseAnswer) => LeaseAnswer
  readonly keepsLeases?: boolean
}

/** The budgets of a world in its database, and what became of them. */
export class Treasury {
  readonly store: ModelStore
  /** Moments at which more of a budget was spent and held than there is. */
  readonly overdrawn: Array<string> = []
  readonly reaches: Array<Reach> = []
  readonly #nowMs: () => number
  readonly #changes: Changes

  /** `nowMs` counts from the start of the world. */
  constructor(budgets: WorldBudgets | undefined, nowMs: () => number, changes: Changes) {
    this.store = new ModelStore(budgets?.windowMs)
    for (const { id, limitNanoUsd } of budgets?.all ?? []) this.store.limits.set(id, limitNanoUsd)
    this.#nowMs = nowMs
    this.#changes = changes
  }

  exchange(holder: string, asks: ReadonlyArray<AskLine>): ReadonlyArray<LeaseAnswer> {
    const read = asks.map(({ budget, starts_at_ms, ...ask }) => ({
      ...ask,
      budgetId: budget,
      startsAtMs: starts_at_ms,
    }))
    const answers = this.store.exchange(holder, read, START_MS + this.#nowMs())
    for (const { budgetId, charged, granted, leftNanoUsd, returned, startsAtMs } of answers) {
      this.#check(budgetId, startsAtMs)
      const nanoUsd = Math.max(0, leftNanoUsd) + Math.max(0, granted - returned - charged)
      this.reaches.push({ atMs: this.#nowMs(), holder, budgetId, nanoUsd })
    }
    const { answer } = this.#changes
    return answer === undefined ? answers : answers.map(answer)
  }

  settle(charges: ReadonlyArray<Charge>): void {
    this.store.settle(charges)
    for (const { windows } of charges)
      for (const [budget, startsAtS] of windows) this.#check(budget, startMsOf(startsAtS))
  }

  release(holder: string): void {
    if (this.#changes.keepsLeases !== true) this.store.release(holder)
  }

  #check(budgetId: number, startsAtMs: number | null): void {
    const { spent } = this.store.window(budgetId, startsAtMs)
    const held = this.store.heldOf(budgetId, startsAtMs)
    const limit = this.store.limits.get(budgetId) ?? 0
    if (spent + held > limit)
      this.overdrawn.push(
        `${spent} of budget ${budgetId} are spent and ${held} held at ${this.#nowMs()} ms, of ${limit}`,
      )
  }
}
