import { Context, Effect, Exit, Layer, Scope } from "effect"
import { BudgetExceeded } from "../../src/budgets/Accounts.ts"
import { Budgets, type RequestBudgets } from "../../src/budgets/Budgets.ts"
import { LeaseStore } from "../../src/budgets/LeaseStore.ts"
import { SharedBudgets } from "../../src/budgets/SharedBudgets.ts"
import type { Reservation } from "../../src/budgets/Spending.ts"
import type { Budget } from "../../src/domain/Budget.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { ModelStore } from "../budgets/ModelStore.ts"
import { Dice } from "../fuzz/Dice.ts"
import { makeTimeline, virtualTime } from "./timeline.ts"
import { hotOne } from "./weights.ts"

interface Plan {
  readonly replicas: number
  /** Calls that the budget has room for as they are reserved. */
  readonly room: number
  readonly seconds: number
  /** Requests of all replicas together. */
  readonly perSecond: number
  /** One replica gets nine tenths of the requests. */
  readonly isHot?: boolean
  /** Second in which a tenth of the replicas dies, with everything that they had. */
  readonly crashAtS?: number
}

/** Nano-dollars that a call reserves. It costs a fifth of that to all of it. */
const RESERVED = 10_000_000
const [LEAST_SHARE, MOST_SHARE] = [0.2, 1]
const ROUND_TRIP_MS = 4
const BATCH_MS = 200
const CALL_MS = { least: 500, below: 3_500 }
const BUDGET_ID = 1

interface Replica {
  readonly scope: Scope.Closeable
  readonly budgets: Budgets["Service"]
  /** Requests that ended, which the ledger has not heard of. */
  readonly records: Array<RequestBudgets>
  isAlive: boolean
}

/** Many replicas that spend one budget: the real service in each, over the model of what the database does. */
export const spendTogether = Effect.fnUntraced(
  function* ({ crashAtS, isHot = false, perSecond, replicas: count, room, seconds }: Plan) {
    const dice = new Dice(`budget ${count}`, 0)
    const limit = room * RESERVED
    const budget: Budget = {
      ...{ id: BUDGET_ID, scope: "gateway", subject: "", period: "total", limitNanoUsd: limit },
    }
    const store = new ModelStore()
    store.limits.set(budget.id, limit)
    const { later, nowMs, pass } = yield* makeTimeline
    const exchanges = Array.from({ length: seconds }, () => 0)
    /** What providers sold or may sell, the most of it, and what it was when somebody was refused first. */
    let [sold, mostSold] = [0, 0]
    let soldWhenRefused: number | undefined

    const start = Effect.fnUntraced(function* (name: string) {
      const leases = Layer.succeed(LeaseStore, {
        exchange: (asks) =>
          Effect.gen(function* () {
            yield* Effect.sleep(ROUND_TRIP_MS / 2)
            const second = Math.floor(nowMs() / 1_000)
            exchanges[second] = (exchanges[second] ?? 0) + 1
            const answers = store.exchange(name, asks, nowMs())
            yield* Effect.sleep(ROUND_TRIP_MS / 2)
            return answers
          }),
      })
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Layer.fresh(Budgets.layerNoDeps(name)).pipe(
          Layer.provide([leases, SharedBudgets.layerTest([budget])]),
        ),
        scope,
      )
      const replica: Replica = { scope, budgets: Context.get(context, Budgets), records: [], isAlive: true }
      const ship = () => {
        if (!replica.isAlive) return
        for (const request of replica.records.splice(0)) store.settle(request.charges())
        later(BATCH_MS, ship)
      }
      later(dice.below(BATCH_MS), ship)
      return replica
    })
    const replicas: Array<Replica> = []
    for (let i = 0; i < count; i++) replicas.push(yield* start(`replica ${i}`))

    const begin = (replica: Replica, request: RequestBudgets, reservation: Reservation) => {
      reservation.use()
      sold += RESERVED
      mostSold = Math.max(mostSold, sold)
      later(dice.between(CALL_MS.least, CALL_MS.below), () => {
        // A dead one's call may be billed in full.
        if (!replica.isAlive) return
        const cost = Math.ceil(RESERVED * (LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * dice.next()))
        reservation.settle(cost)
        sold += cost - RESERVED
        replica.records.push(request)
      })
    }
    const refuse = () => {
      soldWhenRefused ??= sold
    }
    const ask = Effect.fnUntraced(function* (replica: Replica) {
      const request = replica.budgets.of([], { tags: [] })
      if (request === undefined || request === "unread") return yield* Effect.die("it has a budget")
      const reservation = request.reserveNow(RESERVED, yield* monotonicMs)
      if (reservation instanceof BudgetExceeded) refuse()
      else if (reservation !== undefined) begin(replica, request, reservation)
      else {
        yield* request.reserve(RESERVED).pipe(
          Effect.match({
            onSuccess: (reservation) => begin(replica, request, reservation),
            onFailure: refuse,
          }),
          Effect.forkIn(replica.scope, { startImmediately: true }),
        )
      }
    })

    const weights = isHot ? hotOne(count) : replicas.map(() => 1)
    const heaviness = weights.reduce((sum, weight) => sum + weight, 0)
    const pick = () => {
      let drawn = dice.next() * heaviness
      return replicas.find((_, i) => {
        drawn -= weights[i] ?? 0
        return drawn < 0
      })
    }
    const arrive = Effect.suspend(() => {
      const replica = pick()
      return replica?.isAlive ? ask(replica) : Effect.void
    })
    yield* pass(crashAtS ?? seconds, perSecond, dice, arrive)
    if (crashAtS !== undefined) {
      for (const replica of replicas.slice(0, Math.ceil(count / 10))) {
        replica.isAlive = false
        yield* Scope.close(replica.scope, Exit.void)
      }
      yield* pass(seconds - crashAtS, perSecond, dice, arrive)
    }
    for (const { isAlive, scope } of replicas) if (isAlive) yield* Scope.close(scope, Exit.void)
    const settled = exchanges.slice(Math.floor(seconds / 2))
    return {
      /** Exchanges a second in the second half, and the most in any second. */
      perSecond: settled.reduce((sum, each) => sum + each, 0) / settled.length,
      mostPerSecond: Math.max(...exchanges),
      /** Shares of the limit: sold at most, in the end, and when the first request was refused. */
      most: mostSold / limit,
      used: sold / limit,
      usedWhenRefused: (soldWhenRefused ?? Number.NaN) / limit,
      /** What is held in the end that is not spent, in calls as they are reserved. */
      heldCalls: store.heldOf(BUDGET_ID, null) / RESERVED,
    }
  },
  Effect.provide(virtualTime),
  Effect.scoped,
)
