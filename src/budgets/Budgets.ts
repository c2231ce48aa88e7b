import { Clock, Context, Effect, Latch, Layer } from "effect"
import type { Attribution } from "../domain/Attribution.ts"
import type { Budget, Charge } from "../domain/Budget.ts"
import { budgetRefusals, type Update, updater } from "../observability/Metrics.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import type { Account } from "./Account.ts"
import { Accounts, BudgetExceeded, BudgetsUnavailable } from "./Accounts.ts"
import { LeaseStore } from "./LeaseStore.ts"
import { SharedBudgets } from "./SharedBudgets.ts"
import { type Reservation, Spending } from "./Spending.ts"

/** Every budget that one request counts against. */
export interface RequestBudgets {
  /**
   * Reserves what one call may cost, of all budgets or of none. Undefined: this process does not hold enough, and `reserve`
   * waits for the database.
   */
  readonly reserveNow: (nanoUsd: number, nowMs: number) => Reservation | BudgetExceeded | undefined
  readonly reserve: (nanoUsd: number) => Effect.Effect<Reservation, BudgetExceeded | BudgetsUnavailable>
  /** See `Spending`. */
  readonly charges: () => ReadonlyArray<Charge>
  /** Ends the request: what was reserved for calls that were never made is free again. */
  readonly close: () => void
  /** Nano-dollars that could be spent of the budget that is nearest to its end; undefined where that is not known. */
  readonly remaining: (nowMs: number) => number | undefined
  /** Share of that budget that is used up, 0 to 1. */
  readonly used: () => number
}

/** Between two exchanges that nobody waits for. */
const TICK_MS = 50
/** A process that starts reads the budgets in so much time, or the database does not answer. */
const KNOWN_WITHIN = "1 second"

/**
 * Holds spending within every budget, over all processes: each spends what it holds of a budget, asks the database for more
 * before it runs dry, and per request near the end. What a request was charged is settled by its record in the ledger.
 */
export class Budgets extends Context.Service<
  Budgets,
  {
    /** Returns the budgets of a request; undefined: it has none. `unread`: those of all keys are not known yet, see `read`. */
    readonly of: (
      own: ReadonlyArray<Budget>,
      attribution: Attribution,
    ) => RequestBudgets | "unread" | undefined
    /** Waits until they are known, which they are from then on. */
    readonly read: Effect.Effect<void, BudgetsUnavailable>
  }
>()("gateway/budgets/Budgets") {
  static readonly layerNone = Layer.succeed(Budgets, { of: () => undefined, read: Effect.void })

  /** Over the database. */
  static readonly layer = (holder: string) =>
    this.layerNoDeps(holder).pipe(Layer.provide([LeaseStore.layerPostgres(holder), SharedBudgets.layer]))

  /** `holder` names this process in the ledger. */
  static readonly layerNoDeps = (holder: string) =>
    Layer.effect(
      Budgets,
      Effect.suspend(() => make(holder)),
    )
}

const make = Effect.fnUntraced(function* (holder: string) {
  const store = yield* LeaseStore
  const everybodys = yield* SharedBudgets
  const clock = yield* Clock.Clock
  const update = yield* updater
  const accounts = new Accounts()
  const wanted = Latch.makeUnsafe(false)
  let reachable = true

  const exchange = Effect.gen(function* () {
    const sentMs = monotonicMsUnsafe(clock)
    const asks = accounts.asks(sentMs)
    if (asks.length === 0) return
    yield* Effect.matchEffect(store.exchange(asks), {
      onSuccess: (answers) => {
        accounts.answered(asks, answers, sentMs, monotonicMsUnsafe(clock))
        if (reachable) return Effect.void
        reachable = true
        return Effect.logInfo("budgets can be asked for again")
      },
      onFailure: ({ cause }) => {
        accounts.failed(asks, monotonicMsUnsafe(clock))
        if (!reachable) return Effect.void
        reachable = false
        return Effect.logWarning("budgets cannot be asked for; what is held of them is spent", { cause })
      },
    })
  })
  const round = Effect.suspend(() => {
    wanted.closeUnsafe()
    return exchange
  }).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        if (accounts.hasWaiting) return Effect.void
        const idle = wanted.await
        // Those who hold nothing any more are woken by a request.
        return accounts.isActive ? Effect.raceFirst(idle, Effect.sleep(TICK_MS)) : idle
      }),
    ),
  )
  yield* Effect.forkScoped(Effect.forever(round))

  const shared: Shared = { accounts, clock, update, wanted }
  const open = (budgets: ReadonlyArray<Budget>): RequestBudgets =>
    new OpenBudgets(
      shared,
      budgets.map((budget) => accounts.note(budget)),
      holder,
    )

  return Budgets.of({
    of: (own, attribution) => {
      const others = everybodys.of(attribution)
      if (others === undefined) return "unread"
      if (own.length === 0 && others.length === 0) return undefined
      return open(others.length === 0 ? own : [...own, ...others])
    },
    read: Effect.timeoutOrElse(everybodys.known, {
      duration: KNOWN_WITHIN,
      orElse: () => Effect.fail(new BudgetsUnavailable()),
    }),
  })
})

/** What all requests of a process share. */
interface Shared {
  readonly accounts: Accounts
  readonly clock: Clock.Clock
  readonly update: Update
  /** Has the exchange begin that somebody waits for. */
  readonly wanted: Latch.Latch
}

class OpenBudgets extends Spending implements RequestBudgets {
  readonly #shared: Shared
  #concerned: ReadonlyArray<Account>

  constructor(shared: Shared, concerned: ReadonlyArray<Account>, holder: string) {
    super(holder)
    this.#shared = shared
    this.#concerned = concerned
  }

  reserveNow(wish: number, nowMs: number): Reservation | BudgetExceeded | undefined {
    const { accounts, update, wanted } = this.#shared
    const nanoUsd = amountOf(wish)
    const reserved = accounts.reserve(this.#concerned, nanoUsd, nowMs)
    if (reserved === undefined) return undefined
    if (reserved instanceof BudgetExceeded) {
      update(budgetRefusals(reserved.budget.scope), 1)
      return reserved
    }
    for (const account of this.#concerned) if (account.isDue(nowMs)) wanted.openUnsafe()
    return this.reserved(reserved, nanoUsd)
  }

  reserve(wish: number): Effect.Effect<Reservation, BudgetExceeded | BudgetsUnavailable> {
    const { accounts, update, wanted } = this.#shared
    return Effect.callback((resume) => {
      const nanoUsd = amountOf(wish)
      this.#concerned = this.#concerned.map(({ budget }) => accounts.of(budget))
      const leave = accounts.wait(this.#concerned, nanoUsd, (outcome) => {
        if (outcome instanceof BudgetExceeded || outcome instanceof BudgetsUnavailable) {
          update(budgetRefusals(outcome._tag === "BudgetExceeded" ? outcome.budget.scope : "unavailable"), 1)
          return resume(Effect.fail(outcome))
        }
        // Noted at once: a request that is interrupted now settles it all the same.
        resume(Effect.succeed(this.reserved(outcome, nanoUsd)))
      })
      wanted.openUnsafe()
      return Effect.sync(leave)
    })
  }

  remaining(nowMs: number): number | undefined {
    return this.#tightest(nowMs)?.reach(nowMs)
  }

  used(): number {
    const nowMs = monotonicMsUnsafe(this.#shared.clock)
    const account = this.#tightest(nowMs)
    if (account === undefined) return 0
    return account.limit === 0 ? 1 : Math.max(0, 1 - account.reach(nowMs) / account.limit)
  }

  /** Returns the budget that is nearest to its end; undefined where none was asked for yet. */
  #tightest(nowMs: number): Account | undefined {
    let tightest: Account | undefined
    let least = Number.POSITIVE_INFINITY
    for (const account of this.#concerned) {
      if (!account.exists || account.answeredAtMs === Number.NEGATIVE_INFINITY) continue
      const reach = account.reach(nowMs)
      if (reach >= least) continue
      least = reach
      tightest = account
    }
    return tightest
  }
}

/** Whoever has used up a budget is not to be answered for nothing either. */
const amountOf = (nanoUsd: number): number => Math.max(1, Math.ceil(nanoUsd))
