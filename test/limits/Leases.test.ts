import { assert, describe, it } from "@effect/vitest"
import { Leases } from "../../src/limits/Leases.ts"
import { makeLimit } from "../../src/limits/limit.ts"
import { ASK } from "../../src/limits/local-bucket.ts"
import { LeaseWorld, run, slackOf } from "./LeaseWorld.ts"
import { ModelStore } from "./model-store.ts"

/** Many replicas, one limit, one store: what they admit together, whatever happens to them. */

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

describe("requests per minute", () => {
  for (const limit of [6, 60, 600, 6_000])
    for (const weights of [
      [1, 1, 1],
      [80, 15, 5],
      [1, 0, 0],
    ])
      it(`three replicas under five times ${limit} admit the limit, ${weights.join(" to ")}`, () => {
        for (const seed of SEEDS.slice(0, 3)) {
          const world = new LeaseWorld({ seed, kind: "requests", limit, replicas: 3 })
          run(world, 60_000, 5 * limit, { weights })
          const sinceMs = world.nowMs
          run(world, 120_000, 5 * limit, { weights })
          assert.isAtMost(world.mostBeyondRefill(), limit + slackOf(limit, 3))
          assert.isAtLeast(world.chargedSince(sinceMs), 0.95 * 2 * limit - 1)
          assert.isAtMost(world.longestWaitMs, 20)
        }
      })

  it("ask little of the store where they refuse", () => {
    const world = new LeaseWorld({ seed: 1, kind: "requests", limit: 60, replicas: 3 })
    run(world, 60_000, 60)
    const before = world.exchanges
    run(world, 60_000, 60_000)
    // One for each token that comes back and each replica, or about.
    assert.isAtMost(world.exchanges - before, 4 * 60)
  })

  it("ask nothing of the store where nothing is asked of them", () => {
    const world = new LeaseWorld({ seed: 1, kind: "requests", limit: 600, replicas: 3 })
    run(world, 5_000, 600)
    run(world, 3_000, 0)
    const before = world.exchanges
    run(world, 120_000, 0)
    assert.strictEqual(world.exchanges, before)
    assert.isTrue(world.replicas.every(({ leases }) => leases.nextMs(world.nowMs) === undefined))
  })

  it("give what one has at hand to another within about a second", () => {
    const world = new LeaseWorld({ seed: 1, kind: "requests", limit: 600, replicas: 2 })
    run(world, 1_000, 600, { weights: [1, 0] })
    run(world, 3_000, 0)
    const sinceMs = world.nowMs
    run(world, 1_000, 600_000, { weights: [0, 1] })
    assert.isAtLeast(world.chargedSince(sinceMs), 600)
  })

  it("admit no more, and no less in the end, with crashes, stops and lost answers", () => {
    for (const seed of SEEDS) {
      const limit = 600
      const world = new LeaseWorld({ seed, kind: "requests", limit, replicas: 3 })
      run(world, 120_000, 5 * limit, {
        befall: () => {
          const drawn = world.random() * 10_000
          if (drawn < 1) world.crash(Math.floor(world.random() * 3))
          else if (drawn < 2) world.stop(Math.floor(world.random() * 3), world.random() * 20_000)
        },
      })
      // Each new process counts as one more replica for a minute.
      assert.isAtMost(world.mostBeyondRefill(), limit + slackOf(limit, 3))
      const sinceMs = world.nowMs
      run(world, 120_000, 5 * limit)
      assert.isAtLeast(world.chargedSince(sinceMs), 0.95 * 2 * limit)
    }
  })

  for (const [lostPercent, most] of [
    [1, 1.05],
    [5, 1.15],
  ] as const)
    it(`stay near the limit with a store that loses ${lostPercent} % of its answers, and its memory`, () => {
      for (const seed of SEEDS) {
        const limit = 600
        const world = new LeaseWorld({ seed, kind: "requests", limit, replicas: 3, lostPercent })
        run(world, 60_000, 5 * limit)
        const fromMs = world.nowMs
        run(world, 180_000, 5 * limit, {
          befall: () => {
            if (world.nowMs % 40_000 === 0) world.store.empty()
          },
        })
        assert.isAtMost(world.mostInAMinute(fromMs), most * limit)
        const sinceMs = world.nowMs
        run(world, 120_000, 5 * limit)
        assert.isAtLeast(world.chargedSince(sinceMs), 0.8 * 2 * limit)
      }
    })
})

describe("tokens per minute", () => {
  const limit = 100_000

  it("are what requests came to, not what they might have", () => {
    for (const seed of SEEDS) {
      const world = new LeaseWorld({ seed, kind: "tokens", limit, replicas: 3 })
      const options = {
        amount: () => 100 + Math.floor(world.random() * 4_000),
        after: (amount: number) => ({
          ms: 100 + Math.floor(world.random() * 3_000),
          used: Math.ceil(amount * world.random()),
        }),
      }
      run(world, 60_000, 5 * 100, options)
      const sinceMs = world.nowMs
      run(world, 120_000, 5 * 100, options)
      assert.isAtMost(world.mostBeyondRefill(), limit + slackOf(limit, 3))
      assert.isAtLeast(world.chargedSince(sinceMs), 0.95 * 2 * limit - 4_100)
    }
  })

  it("are at hand where a limit is far from being used up, though requests come to less than they might have", () => {
    for (const times of [0.5, 1, 2, 10, 100])
      for (const perMinute of [2_000, 20_000]) {
        const limit = perMinute * 1_000 * times
        const world = new LeaseWorld({ seed: 1, kind: "tokens", limit, replicas: 2 })
        const options = { amount: () => 1_000, after: () => ({ ms: 50, used: 20 }) }
        run(world, 2_000, perMinute, options)
        const { exchanges, waited } = world
        run(world, 20_000, perMinute, options)
        assert.strictEqual(world.waited - waited, 0)
        // About two a second of each replica.
        assert.isAtMost(world.exchanges - exchanges, 20 * 2 * 2.5)
      }
  })

  it("come back from long requests, as far as they have not been refilled, and once", () => {
    for (const replicas of [1, 3, 10])
      for (const heldMs of [3_000, 20_000, 40_000, 55_000]) {
        const world = new LeaseWorld({ seed: 1, kind: "tokens", limit, replicas })
        const running: Array<(amount: number) => void> = []
        for (let i = 0; i < 100; i++) {
          world.request(i % replicas, 1_000, (giveBack) => running.push(giveBack))
          world.tick()
        }
        for (let i = 0; i < heldMs; i++) world.tick()
        assert.isAtLeast(running.length, 95)
        for (const giveBack of running) giveBack(1_000)
        // All of it is free, and asked for at once.
        for (let i = 0; i < 2_000; i++) {
          for (let replica = 0; replica < replicas; replica++) world.request(replica, 1_000)
          world.tick()
        }
        assert.isAtMost(
          world.mostBeyondRefill(),
          limit + Math.max(slackOf(limit, replicas), replicas * 1_000),
        )
        assert.isAtLeast(world.admitted - running.length, 95)
      }
  })

  it("are at hand to a small part where they come back to a replica that has not heard of the others for long", () => {
    const world = new LeaseWorld({ seed: 1, kind: "tokens", limit, replicas: 2 })
    const late: Array<(amount: number) => void> = []
    const early: typeof late = []
    for (let i = 0; i < 200; i++) {
      world.request(i % 2, 500, (giveBack) => (i % 2 === 0 ? late : early).push(giveBack))
      world.tick()
    }
    for (const [atMs, ends] of [
      [12_000, early],
      [34_100, late],
    ] as const) {
      while (world.nowMs < 1_000_000 + atMs) world.tick()
      for (const giveBack of ends) giveBack(500)
    }
    for (let i = 0; i < 200; i++) world.request(0, 500)
    for (let i = 0; i < 200; i++) world.request(1, 500)
    for (let i = 0; i < 1_000; i++) world.tick()
    assert.isAtMost(world.mostBeyondRefill(), limit + slackOf(limit, 2))
  })

  it("pay for what came to more than was thought", () => {
    for (const seed of SEEDS) {
      const world = new LeaseWorld({ seed, kind: "tokens", limit, replicas: 3 })
      run(world, 180_000, 5 * 100, {
        amount: () => 1_000,
        after: () => ({ ms: 1_000, used: 2_000 }),
      })
      assert.isAtMost(world.chargedSince(0), 1.1 * limit + 3 * limit + 20_000)
    }
  })
})

describe("requests in flight", () => {
  for (const limit of [1, 4, 60, 500])
    it(`three replicas with room for ${limit} fill it and no more`, () => {
      for (const seed of SEEDS.slice(0, 4)) {
        const world = new LeaseWorld({ seed, kind: "concurrency", limit, replicas: 3 })
        let samples = 0
        let sum = 0
        run(world, 20_000, 5 * limit * 60 * 2, {
          after: () => ({ ms: 200 + Math.floor(world.random() * 600), used: 0 }),
          befall: () => {
            assert.isAtMost(world.inFlight, limit)
            if (world.nowMs < 1_002_000) return
            samples += 1
            sum += world.inFlight
          },
        })
        assert.isAtLeast(sum / samples, (limit === 1 ? 0.75 : limit < 10 ? 0.85 : 0.95) * limit)
      }
    })

  it("are no more than allowed where one replica has most of them, from the first second on", () => {
    for (const seed of SEEDS) {
      const limit = 60
      const world = new LeaseWorld({ seed, kind: "concurrency", limit, replicas: 3 })
      run(world, 3_000, 5 * limit * 120, {
        weights: [8, 1, 1],
        after: () => ({ ms: 200 + Math.floor(world.random() * 600), used: 0 }),
        befall: () => assert.isAtMost(world.inFlight, limit),
      })
      assert.isAtLeast(world.inFlight, 0.9 * limit)
    }
  })

  it("come back from a replica that is gone, and from one that is stopped, which asks again", () => {
    const limit = 10
    const world = new LeaseWorld({ seed: 1, kind: "concurrency", limit, replicas: 2 })
    const gone: Array<() => void> = []
    for (let i = 0; i < limit; i++) {
      world.request(0, 1, (giveBack) => gone.push(() => giveBack(1)))
      run(world, 10, 0)
    }
    assert.strictEqual(world.inFlight, limit)
    world.stop(0, 30_000)
    world.request(1, 1)
    run(world, 5_000, 0)
    assert.strictEqual(world.refused, 1)
    run(world, 6_000, 0)
    world.request(1, 1)
    run(world, 100, 0)
    assert.strictEqual(world.inFlight, limit + 1, "what it had has come back")
    run(world, 20_000, 0)
    world.request(0, 1)
    run(world, 100, 0)
    assert.strictEqual(world.refused, 2, "its own requests still count")
    for (const end of gone) end()
    run(world, 1_000, 0)
    for (let i = 0; i < limit; i++) world.request(0, 1)
    run(world, 1_000, 0)
    assert.strictEqual(world.inFlight, limit)
  })

  it("are known again to a store that forgot them", () => {
    for (const seed of SEEDS.slice(0, 4)) {
      const limit = 60
      const world = new LeaseWorld({ seed, kind: "concurrency", limit, replicas: 3 })
      run(world, 30_000, 5 * limit * 120, {
        after: () => ({ ms: 200 + Math.floor(world.random() * 600), used: 0 }),
        befall: () => {
          if (world.nowMs % 10_000 === 0) world.store.empty()
          assert.isAtMost(world.inFlight, 1.4 * limit)
        },
      })
      assert.isAtMost(world.inFlight, limit)
    }
  })

  it("are never more than allowed while the store is away for a second", () => {
    for (const seed of SEEDS.slice(0, 4)) {
      const limit = 60
      const world = new LeaseWorld({ seed, kind: "concurrency", limit, replicas: 3 })
      run(world, 30_000, 5 * limit * 120, {
        weights: [3, 1, 1],
        after: () => ({ ms: 200 + Math.floor(world.random() * 600), used: 0 }),
        befall: () => {
          if (world.nowMs % 5_000 === 2_500) world.awayUntilMs = world.nowMs + 1_000
          assert.isAtMost(world.inFlight, limit)
        },
      })
      assert.isAtLeast(world.admitted, 1_000)
    }
  })

  it("are never more than allowed where answers are lost and processes die", () => {
    for (const seed of SEEDS.slice(0, 4)) {
      const limit = 60
      const world = new LeaseWorld({ seed, kind: "concurrency", limit, replicas: 3, lostPercent: 1 })
      run(world, 30_000, 5 * limit * 120, {
        after: () => ({ ms: 200 + Math.floor(world.random() * 600), used: 0 }),
        befall: () => {
          if (world.random() * 20_000 < 1) world.stop(Math.floor(world.random() * 3), world.random() * 7_000)
          assert.isAtMost(world.inFlight, limit)
        },
      })
      run(world, 12_000, 0)
      for (let i = 0; i < 2 * limit; i++) world.request(0, 1)
      run(world, 100, 0)
      assert.isAtLeast(world.inFlight, limit, "nothing leaks")
    }
  })
})

describe("limits of several keys", () => {
  for (const maxBuckets of [100_000, 4])
    it(`are given to whom they were asked for, also where others come meanwhile (${maxBuckets} kept)`, () => {
      const leases = new Leases("a", maxBuckets)
      const store = new ModelStore()
      const entered = new Map<number, number>()
      let nowMs = 1_000
      const request = (key: number) => {
        const limits = [
          makeLimit("requests", "key", String(key), 1_000_000),
          makeLimit("concurrency", "key", String(key), 100),
        ]
        const ended = (refused: unknown) => {
          assert.isUndefined(refused)
          entered.set(key, nowMs)
          nowMs += 0.01
          leases.giveBack(limits.slice(1), 1, nowMs)
        }
        const refused = leases.take(limits, 1, nowMs)
        if (refused === ASK) leases.wait({ limits, amount: 1, tries: 0, resume: ended }, nowMs)
        else ended(refused)
      }
      for (let key = 0; key < 300; key += 3) {
        request(key)
        const sent = leases.send(nowMs)
        assert(sent !== undefined)
        const answer = store.exchange(sent.exchange, nowMs)
        nowMs += 1
        for (const other of [key + 1, key + 2]) request(other)
        leases.received(sent, answer, nowMs)
        assert.isTrue(entered.has(key), `key ${key}`)
      }
    })

  it("are given back by who was not heard, also where others come before it is", () => {
    const [one, other] = [new Leases("a"), new Leases("b")]
    const store = new ModelStore()
    const permit = (key: string) => [makeLimit("concurrency", "key", key, 1)]
    let nowMs = 1_000
    const exchange = (leases: Leases, isLost = false) => {
      const sent = leases.send(nowMs)
      if (sent === undefined) return
      if (isLost) leases.lost(sent, nowMs)
      else leases.received(sent, store.exchange(sent.exchange, nowMs), nowMs)
    }
    const outcomes: Array<unknown> = []
    const request = (leases: Leases, key: string) => {
      const limits = permit(key)
      const refused = leases.take(limits, 1, nowMs)
      if (refused !== ASK) return void outcomes.push(refused)
      leases.wait({ limits, amount: 1, tries: 0, resume: (refused) => outcomes.push(refused) }, nowMs)
      exchange(leases)
    }
    request(one, "held")
    nowMs += 100
    one.giveBack(permit("held"), 1, nowMs)
    nowMs += 1_000
    exchange(one, true)
    request(one, "another")
    for (let i = 0; i < 6; i++) {
      nowMs += 500
      exchange(one)
    }
    request(other, "held")
    assert.deepStrictEqual(outcomes, [undefined, undefined, undefined])
  })

  it("stay as used when a request ends that began under a lower limit", () => {
    const leases = new Leases(undefined)
    const tokens = (limit: number) => makeLimit("tokens", "key", "k", limit)
    const nowMs = 1_000
    assert.isUndefined(leases.take([tokens(1_000)], 900, nowMs))
    assert.isUndefined(leases.take([tokens(10_000)], 5_000, nowMs))
    leases.giveBack([tokens(1_000)], 100, nowMs)
    const { limit, remaining } = leases.stateOf(tokens(10_000), nowMs)
    assert.deepStrictEqual([limit, remaining], [10_000, 10_000 - 5_800])
  })
})
