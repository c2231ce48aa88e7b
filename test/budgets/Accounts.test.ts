import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { Account } from "../../src/budgets/Account.ts"
import { Accounts, BudgetExceeded, BudgetsUnavailable } from "../../src/budgets/Accounts.ts"
import type { Lease } from "../../src/budgets/Lease.ts"
import { type Reservation, Spending } from "../../src/budgets/Spending.ts"
import type { Budget } from "../../src/domain/Budget.ts"
import { ModelStore, startMsOf } from "./ModelStore.ts"

const LIMIT = 10_000

const budget = (id: number): Budget => ({
  id,
  scope: "tag",
  subject: String(id),
  period: "hour",
  limitNanoUsd: LIMIT,
})

interface Call {
  readonly spending: Spending
  readonly reservation: Reservation
  readonly reserved: number
  readonly budgets: ReadonlyArray<number>
}

/** A gateway of which everything but its requests is the product's. */
class Replica {
  readonly name: string
  readonly accounts = new Accounts()
  readonly calls: Array<Call> = []
  /** Requests that ended, which the ledger has not heard of. */
  readonly records: Array<Spending> = []
  readonly refusals: Array<BudgetExceeded | BudgetsUnavailable> = []
  served = 0

  constructor(name: string) {
    this.name = name
  }

  /** A request comes that needs the budgets only later, or never. */
  open(budgets: ReadonlyArray<number>): ReadonlyArray<Account> {
    return budgets.map((id) => this.accounts.note(budget(id)))
  }

  request(budgets: ReadonlyArray<number>, nanoUsd: number, nowMs: number): void {
    const concerned = this.open(budgets)
    const spending = new Spending(this.name)
    const done = (outcome: ReadonlyArray<Lease> | BudgetExceeded | BudgetsUnavailable) => {
      if (outcome instanceof BudgetExceeded || outcome instanceof BudgetsUnavailable) {
        this.refusals.push(outcome)
        return
      }
      this.served += 1
      const reservation = spending.reserved(outcome, nanoUsd)
      this.calls.push({ spending, reservation, reserved: nanoUsd, budgets })
    }
    const outcome = this.accounts.reserve(concerned, nanoUsd, nowMs)
    if (outcome === undefined) this.accounts.wait(this.of(budgets), nanoUsd, done)
    else done(outcome)
  }

  /** As whoever waits has them. */
  of(budgets: ReadonlyArray<number>): ReadonlyArray<Account> {
    return budgets.map((id) => this.accounts.of(budget(id)))
  }

  end(which: number, share: number | undefined): void {
    const [call] = this.calls.splice(which % Math.max(1, this.calls.length), 1)
    if (call === undefined) return
    call.reservation.settle(share === undefined ? undefined : Math.floor(call.reserved * share))
    this.records.push(call.spending)
  }

  exchange(store: ModelStore, nowMs: number, fate: "answered" | "lost" | "failed"): void {
    const asks = this.accounts.asks(nowMs)
    if (asks.length === 0) return
    const answers = fate === "failed" ? [] : store.exchange(this.name, asks, nowMs)
    if (fate === "answered") this.accounts.answered(asks, answers, nowMs, nowMs)
    else this.accounts.failed(asks, nowMs)
  }

  write(store: ModelStore): void {
    for (const spending of this.records.splice(0)) store.settle(spending.charges())
  }
}

type Step =
  | { readonly _tag: "request"; readonly budgets: ReadonlyArray<number>; readonly nanoUsd: number }
  | { readonly _tag: "open"; readonly budgets: ReadonlyArray<number> }
  | { readonly _tag: "end"; readonly which: number; readonly share: number | undefined }
  | { readonly _tag: "exchange"; readonly fate: "answered" | "lost" | "failed" }
  | { readonly _tag: "write" }
  | { readonly _tag: "crash"; readonly isFound: boolean }
  | { readonly _tag: "pass"; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("request" as const),
      budgets: fc.constantFrom([1], [1, 2], [2], [1, 2, 3]),
      nanoUsd: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 12_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("open" as const), budgets: fc.constantFrom([1], [2, 3]) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("end" as const),
      which: fc.nat(50),
      share: fc.option(fc.constantFrom(0, 0.1, 0.5, 1), { nil: undefined }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      _tag: fc.constant("exchange" as const),
      fate: fc.constantFrom("answered" as const, "answered" as const, "lost" as const, "failed" as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ _tag: "write" as const }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("crash" as const), isFound: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constant("pass" as const), ms: fc.constantFrom(10, 300, 1_500, 20_000) }),
  },
)

const run = fc.array(fc.record({ replica: fc.nat(2), step }), { maxLength: 150, size: "max" })

/** A world of three replicas, which counts itself what was really spent of each budget in each window. */
class World {
  readonly store: ModelStore
  readonly replicas = [new Replica("a"), new Replica("b"), new Replica("c")]
  /** Spendings of dead processes that nobody will ever hear of. */
  readonly lost: Array<Spending> = []
  readonly settled: Array<Spending> = []
  nowMs = 0
  born = 3

  constructor(windowMs: number) {
    this.store = new ModelStore(windowMs)
    for (const id of [1, 2, 3]) this.store.limits.set(id, LIMIT)
  }

  take(index: number, step: Step): void {
    const replica = this.replicas[index]
    if (replica === undefined) return
    switch (step._tag) {
      case "request":
        replica.request(step.budgets, step.nanoUsd, this.nowMs)
        return
      case "open":
        replica.open(step.budgets)
        return
      case "end":
        replica.end(step.which, step.share)
        return
      case "exchange":
        replica.exchange(this.store, this.nowMs, step.fate)
        return
      case "write":
        this.settled.push(...replica.records)
        replica.write(this.store)
        return
      case "crash": {
        // Its calls were noted before they left, with all that they might cost.
        const left = [...replica.records, ...replica.calls.map(({ spending }) => spending)]
        if (step.isFound) {
          for (const spending of left) this.store.settle(spending.charges())
          this.settled.push(...left)
          this.store.release(replica.name)
        } else this.lost.push(...left)
        this.replicas[index] = new Replica(`${replica.name}${this.born++}`)
        return
      }
      case "pass":
        this.nowMs += step.ms
    }
  }

  /** What requests that ended or run have cost, or may have. */
  spent(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>()
    const all = [
      ...this.settled,
      ...this.lost,
      ...this.replicas.flatMap(({ calls, records }) => [
        ...calls.map(({ spending }) => spending),
        ...records,
      ]),
    ]
    for (const { nano_usd, windows } of all.flatMap((spending) => spending.charges())) {
      for (const [budget, startsAtS] of windows) {
        const key = `${budget} ${startMsOf(startsAtS)}`
        sums.set(key, (sums.get(key) ?? 0) + nano_usd)
      }
    }
    return sums
  }
}

describe("budgets of several processes", () => {
  it("are never overspent, whatever happens in whatever order", () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1_000), run, (windowMs, steps) => {
        const world = new World(windowMs)
        for (const { replica, step } of steps) {
          world.take(replica, step)
          for (const [window, nanoUsd] of world.spent()) assert.isAtMost(nanoUsd, LIMIT, window)
        }
      }),
      { numRuns: 300 },
    )
  })

  it("leak nothing: when all is over, what was not spent can be spent by one", () => {
    fc.assert(
      fc.property(run, (steps) => {
        const world = new World(0)
        // A process whose disk was lost keeps what it held.
        for (const { replica, step } of steps) {
          world.take(replica, step._tag === "crash" ? { ...step, isFound: true } : step)
        }
        for (const replica of world.replicas) {
          while (replica.calls.length > 0) replica.end(0, 0.5)
          replica.exchange(world.store, world.nowMs, "answered")
          while (replica.calls.length > 0) replica.end(0, 0.5)
          world.take(world.replicas.indexOf(replica), { _tag: "write" })
        }
        // A grant whose answer was lost is heard of first, and then returned.
        for (const _ of [1, 2, 3]) {
          world.nowMs += 10_000
          for (const replica of world.replicas) replica.exchange(world.store, world.nowMs, "answered")
        }
        for (const { accounts } of world.replicas) assert.isFalse(accounts.hasWaiting)
        for (const id of [1, 2, 3]) {
          assert.strictEqual(world.store.heldOf(id, null), 0)
          const left = LIMIT - world.store.window(id, null).spent
          if (left === 0) continue
          const last = new Replica("last")
          last.request([id], left, world.nowMs)
          last.exchange(world.store, world.nowMs, "answered")
          assert.strictEqual(last.served, 1)
        }
      }),
      { numRuns: 300 },
    )
  })

  it("serve from what is held whoever waited for others, when more cannot be asked for", () => {
    const world = new World(0)
    const [one = new Replica("one")] = world.replicas
    one.request([1], 100, world.nowMs)
    one.exchange(world.store, world.nowMs, "answered")
    one.end(0, 0)
    one.request([1], LIMIT - 1_000, world.nowMs)
    one.request([1], 50, world.nowMs)
    one.exchange(world.store, world.nowMs, "failed")
    assert.strictEqual(one.served, 2)
    assert.deepStrictEqual(one.refusals, [new BudgetsUnavailable()])
    assert.isFalse(one.accounts.hasWaiting)
  })

  it("refuse a request only when what it needs is not there", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 40 }), (costs) => {
        const world = new World(0)
        const [one] = world.replicas
        let spent = 0
        for (const nanoUsd of costs) {
          const before = one?.served ?? 0
          one?.request([1], nanoUsd, world.nowMs)
          one?.exchange(world.store, world.nowMs, "answered")
          world.nowMs += 300
          const fits = spent + nanoUsd <= LIMIT
          assert.strictEqual(one?.served, before + (fits ? 1 : 0))
          if (fits) spent += nanoUsd
        }
      }),
    )
  })

  it("are had by a request that came before another's exchange, and asked for them after it", () => {
    const world = new World(0)
    const [one] = world.replicas
    assert(one !== undefined)
    const noted = one.open([1])
    one.exchange(world.store, 0, "answered")
    const outcomes: Array<unknown> = []
    assert.isUndefined(one.accounts.reserve(noted, 100, 0))
    one.accounts.wait(one.of([1]), 100, (outcome) => outcomes.push(outcome))
    one.exchange(world.store, 1, "answered")
    assert.isArray(outcomes[0])
  })

  it("are each asked for in turn, where more are waited for than are told at once", () => {
    const world = new World(0)
    const [one] = world.replicas
    assert(one !== undefined)
    const ids = Array.from({ length: 1_200 }, (_, i) => i + 1)
    for (const id of ids) world.store.limits.set(id, LIMIT)
    const rounds = new Map<number, number>()
    for (let nowMs = 0; nowMs < 24; nowMs++) {
      // Whoever was served comes again at once, and needs more than is at hand.
      for (const id of ids) {
        const round = rounds.get(id) ?? 0
        if (round === 8 || one.accounts.of(budget(id)).waiting > 0) continue
        one.request([id], 3 ** round, nowMs)
        rounds.set(id, round + 1)
      }
      one.exchange(world.store, nowMs, "answered")
    }
    assert.deepStrictEqual(one.refusals, [])
    assert.strictEqual(one.served, 8 * ids.length)
  })

  it("are not forgotten between a request's coming and its first reservation", () => {
    const world = new World(0)
    const [one] = world.replicas
    assert(one !== undefined)
    const noted = one.open([1])
    one.request([2], 100, 0)
    one.exchange(world.store, 0, "answered")
    assert.strictEqual(one.of([1])[0], noted[0])
  })

  it("are those of a new limit from the first request on that knows it", () => {
    const world = new World(0)
    const [one] = world.replicas
    assert(one !== undefined)
    one.request([1], 500, 0)
    one.exchange(world.store, 0, "answered")
    one.end(0, 0)
    const lowered = { ...budget(1), limitNanoUsd: 100 }
    world.store.limits.set(1, 100)
    const noted = [one.accounts.note(lowered)]
    assert.isUndefined(one.accounts.reserve(noted, 200, 10))
    const outcomes: Array<unknown> = []
    one.accounts.wait(noted, 200, (outcome) => outcomes.push(outcome))
    one.exchange(world.store, 20, "answered")
    assert.instanceOf(outcomes[0], BudgetExceeded)
    one.accounts.wait(noted, 100, (outcome) => outcomes.push(outcome))
    one.exchange(world.store, 30, "answered")
    assert.isArray(outcomes[1])
  })

  it("are asked for anew by a process that has held nothing for long: the database forgets it after a day", () => {
    const world = new World(0)
    const [one] = world.replicas
    assert(one !== undefined)
    one.request([1], 8_000, 0)
    one.exchange(world.store, 0, "answered")
    one.end(0, 1)
    one.write(world.store)
    for (const nowMs of [2_000, 4_000, 6_000]) one.exchange(world.store, nowMs, "answered")
    world.store.window(1, null).leases.delete("a")
    one.request([1], 1_500, 90_000_000)
    one.exchange(world.store, 90_000_000, "answered")
    assert.deepStrictEqual([one.served, one.refusals.length], [2, 0])
    assert.strictEqual(world.store.heldOf(1, null), 1_500)
  })
})
