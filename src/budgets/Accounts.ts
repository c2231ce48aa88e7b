import { Data } from "effect"
import type { Budget } from "../domain/Budget.ts"
import { Account } from "./Account.ts"
import type { Lease } from "./Lease.ts"
import type { LeaseAnswer, LeaseAsk } from "./LeaseStore.ts"

/** A budget has not enough left for what a request may cost. */
export class BudgetExceeded extends Data.TaggedError("BudgetExceeded")<{
  readonly budget: Budget
  readonly neededNanoUsd: number
  readonly leftNanoUsd: number
  /** Milliseconds until the next window; null: there is none. */
  readonly resetMs: number | null
}> {}

/** What is left of a budget cannot be asked for at the moment. */
export class BudgetsUnavailable extends Data.TaggedError("BudgetsUnavailable") {}

/** A request that waits until every budget that it concerns has been asked. */
interface Waiter {
  readonly accounts: ReadonlyArray<Account>
  readonly nanoUsd: number
  readonly done: (outcome: ReadonlyArray<Lease> | BudgetExceeded | BudgetsUnavailable) => void
  /** Exchanges that it has waited for. */
  rounds: number
}

/** What was left is believed for so long: an exhausted budget is not asked for by every request that it refuses. */
const BELIEVED_MS = 250
/** A request that others overtook so often is told to come back. */
const MAX_ROUNDS = 10
/** Budgets of one exchange. */
const MAX_ASKS = 500
/** An account without a reservation that nobody asks for is forgotten. */
const FORGOTTEN_AFTER_MS = 600_000

/**
 * Every budget of which this process holds something, and the requests that wait for more. It knows no time and no database: it
 * says what to ask for, and is told the answers, one exchange after the other.
 */
export class Accounts {
  readonly #accounts = new Map<number, Account>()
  /** Budgets of which leases were forgotten that are the database's to remember. */
  readonly #forgotten = new Set<number>()
  #waiters: Array<Waiter> = []

  /** Returns the account of a budget as a new request knows it: what was held of another limit is to be had anew. */
  note(budget: Budget): Account {
    const account = this.of(budget)
    if (account.budget.limitNanoUsd !== budget.limitNanoUsd) account.isOutdated = true
    account.budget = budget
    return account
  }

  /**
   * Returns the account of a budget. While nothing is held and nobody waits it is forgotten, and another one made later: one that is
   * kept has no lease then, and is to be had anew before it is waited for.
   */
  of(budget: Budget): Account {
    const known = this.#accounts.get(budget.id)
    if (known !== undefined) return known
    const account = new Account(budget)
    this.#accounts.set(budget.id, account)
    return account
  }

  get hasWaiting(): boolean {
    return this.#waiters.length > 0
  }

  /** Reserves of all budgets or of none. Undefined: the database has to be asked. */
  reserve(
    accounts: ReadonlyArray<Account>,
    nanoUsd: number,
    nowMs: number,
  ): ReadonlyArray<Lease> | BudgetExceeded | undefined {
    for (const account of accounts) {
      // Those who wait come first.
      if (account.waiting > 0 || !account.has(nanoUsd, nowMs)) return refusal(accounts, nanoUsd, nowMs)
    }
    return take(accounts, nanoUsd, nowMs)
  }

  /** Has the request wait for exchanges; returns what ends its waiting. */
  wait(accounts: ReadonlyArray<Account>, nanoUsd: number, done: Waiter["done"]): () => void {
    const waiter: Waiter = { accounts, nanoUsd, done, rounds: 0 }
    this.#waiters.push(waiter)
    for (const account of accounts) account.waiting += 1
    return () => this.#leave(waiter)
  }

  /** Tells whether an exchange is due. */
  isDue(nowMs: number): boolean {
    if (this.#waiters.length > 0) return true
    for (const account of this.#accounts.values()) if (account.isDue(nowMs)) return true
    return false
  }

  /** Tells whether there will be something to ask for, though nobody comes. */
  get isActive(): boolean {
    for (const account of this.#accounts.values()) if (account.isActive) return true
    return false
  }

  /** Returns what is to be asked for now; what is given back is so from here on. */
  asks(nowMs: number): ReadonlyArray<LeaseAsk> {
    const due = this.#due(nowMs)
    const waiting = this.#waiting()
    for (const waiter of this.#waiters) {
      if (waiter.accounts.some((account) => due.has(account))) waiter.rounds += 1
    }
    return Array.from(due, (account) => {
      this.#forgetLease(account, nowMs)
      account.asked(nowMs)
      // One whose window is over by this clock may not be by the database's.
      const { budget, lease } = account
      account.giveBackSpare()
      const { least, need } = waiting.get(account) ?? NOBODY
      return {
        budgetId: budget.id,
        startsAtMs: lease?.startsAtMs ?? null,
        returned: lease?.returned ?? 0,
        charged: lease?.charged ?? (this.#forgotten.has(budget.id) ? null : 0),
        least,
        need,
        want: Math.max(need, account.wanted),
      }
    })
  }

  /** Returns accounts that are to be asked for, and forgets idle ones. */
  #due(nowMs: number): ReadonlySet<Account> {
    const due = new Set<Account>()
    for (const account of this.#accounts.values()) {
      if (due.size === MAX_ASKS) break
      if (account.isDue(nowMs)) due.add(account)
      else this.#forgetIdle(account, nowMs)
    }
    // Where there are more of them, the others are next.
    for (const account of due) {
      this.#accounts.delete(account.budget.id)
      this.#accounts.set(account.budget.id, account)
    }
    return due
  }

  /** Returns the smallest of the requests that wait for each account, and all of them together. */
  #waiting(): ReadonlyMap<Account, { readonly least: number; readonly need: number }> {
    const waiting = new Map<Account, { least: number; need: number }>()
    for (const { accounts, nanoUsd } of this.#waiters) {
      for (const account of accounts) {
        const others = waiting.get(account)
        if (others === undefined) waiting.set(account, { least: nanoUsd, need: nanoUsd })
        else {
          others.least = Math.min(others.least, nanoUsd)
          others.need += nanoUsd
        }
      }
    }
    return waiting
  }

  /** Takes the answers to `asks`, which were sent at `sentMs`, and ends the waiting that they end. */
  answered(
    asks: ReadonlyArray<LeaseAsk>,
    answers: ReadonlyArray<LeaseAnswer>,
    sentMs: number,
    nowMs: number,
  ): void {
    const byId = new Map(answers.map((answer) => [answer.budgetId, answer]))
    for (const ask of asks) {
      const account = this.#accounts.get(ask.budgetId)
      const answer = byId.get(ask.budgetId)
      if (account === undefined) continue
      account.exists = answer !== undefined
      account.isUnsure = false
      account.isOutdated = false
      if (answer === undefined) account.lease = undefined
      else account.note(ask, answer, sentMs, nowMs)
    }
    this.#resume(new Set(asks.map(({ budgetId }) => budgetId)), nowMs)
  }

  /** Ends the waiting of everybody who needs what could not be asked for, and of who does not. */
  failed(asks: ReadonlyArray<LeaseAsk>, nowMs: number): void {
    const asked = new Set(asks.map(({ budgetId }) => budgetId))
    for (const id of asked) {
      const account = this.#accounts.get(id)
      if (account !== undefined) account.isUnsure = true
    }
    for (const waiter of [...this.#waiters]) {
      const { accounts, done, nanoUsd } = waiter
      if (!accounts.some((account) => asked.has(account.budget.id) && !account.has(nanoUsd, nowMs))) continue
      this.#leave(waiter)
      done(new BudgetsUnavailable())
    }
    // Nothing is in the way any more of those that what is held here suffices for.
    this.#resume(new Set(), nowMs)
  }

  #resume(answered: ReadonlySet<number>, nowMs: number): void {
    for (const waiter of [...this.#waiters]) {
      const { accounts, done, nanoUsd, rounds } = waiter
      if (rounds === 0) continue
      const lacking = accounts.filter((account) => !account.has(nanoUsd, nowMs))
      const refusing = lacking.find(
        (account) => answered.has(account.budget.id) && nanoUsd > account.reach(nowMs),
      )
      if (lacking.length > 0 && refusing === undefined && rounds < MAX_ROUNDS) continue
      this.#leave(waiter)
      if (refusing !== undefined) done(exceeded(refusing, nanoUsd, nowMs))
      else done(lacking.length > 0 ? new BudgetsUnavailable() : take(accounts, nanoUsd, nowMs))
    }
  }

  #leave(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter)
    if (at === -1) return
    this.#waiters.splice(at, 1)
    for (const account of waiter.accounts) account.waiting -= 1
  }

  #forgetIdle(account: Account, nowMs: number): void {
    // Whoever noted it may be about to reserve.
    if (account.askedAtMs === Number.NEGATIVE_INFINITY) account.askedAtMs = nowMs
    if (account.waiting === 0 && this.#forgetLease(account, nowMs)) this.#accounts.delete(account.budget.id)
  }

  /** Leaves a lease of which nothing was held for long to the database, which forgets it after a day. */
  #forgetLease(account: Account, nowMs: number): boolean {
    if (account.isActive || nowMs - account.askedAtMs < FORGOTTEN_AFTER_MS) return false
    if (account.lease !== undefined) this.#forgotten.add(account.budget.id)
    account.lease = undefined
    return true
  }
}

const NOBODY = { least: 0, need: 0 }

/** Returns why it is known that they have not enough; undefined: it is not. */
const refusal = (
  accounts: ReadonlyArray<Account>,
  nanoUsd: number,
  nowMs: number,
): BudgetExceeded | undefined => {
  for (const account of accounts) {
    if (nowMs - account.answeredAtMs >= BELIEVED_MS || account.isOutdated) continue
    if (account.leaseAt(nowMs) === undefined) continue
    if (nanoUsd > account.reach(nowMs)) return exceeded(account, nanoUsd, nowMs)
  }
  return undefined
}

const take = (accounts: ReadonlyArray<Account>, nanoUsd: number, nowMs: number): ReadonlyArray<Lease> => {
  const leases: Array<Lease> = []
  for (const account of accounts) {
    const lease = account.reserve(nanoUsd, nowMs)
    if (lease !== undefined) leases.push(lease)
  }
  return leases
}

const exceeded = (account: Account, neededNanoUsd: number, nowMs: number): BudgetExceeded =>
  new BudgetExceeded({
    budget: { ...account.budget, limitNanoUsd: account.limit },
    neededNanoUsd,
    leftNanoUsd: account.reach(nowMs),
    resetMs:
      account.lease === undefined || account.lease.endsAtMs === Number.POSITIVE_INFINITY
        ? null
        : account.lease.endsAtMs - nowMs,
  })
