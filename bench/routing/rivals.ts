import { type Dice, makeDice, pick } from "./dice.ts"
import type { Policy, Seen } from "./play.ts"
import type { Run } from "./world.ts"

/**
 * How others choose, written anew from what their sources and papers say, and reduced to the choice: all of them fall back to
 * their next choice in the same way, and know the list prices. A limit that is met keeps a candidate out for five seconds or
 * as long as it says, as LiteLLM's cooldown does; without it none of them gets by a quota.
 */

const COOLDOWN_MS = 5_000

/** Candidates that no limit keeps out, or all of them when it keeps out all. */
const makeCooldowns = () => {
  const untilMs = new Map<number, number>()
  return {
    of: (rest: ReadonlyArray<number>, nowMs: number): ReadonlyArray<number> => {
      const open = rest.filter((candidate) => (untilMs.get(candidate) ?? 0) <= nowMs)
      return open.length > 0 ? open : rest
    },
    saw: (candidate: number, { kind, retryAfterMs }: Seen, nowMs: number) => {
      if (kind === "rate_limited") untilMs.set(candidate, nowMs + (retryAfterMs ?? COOLDOWN_MS))
    },
    rest: (candidate: number, ms: number, nowMs: number) => untilMs.set(candidate, nowMs + ms),
  }
}

const minBy = <A>(all: ReadonlyArray<A>, of: (one: A) => number): A => {
  let best = all[0] as A
  for (const one of all) if (of(one) < of(best)) best = one
  return best
}

const diceOf = (run: Run): Dice => makeDice(run.asks.length + 17 * run.world.candidates.length)

const random = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  return {
    choose: (_request, _ask, rest, nowMs) => pick(dice, cooldowns.of(rest, nowMs)),
    ended: (candidate, seen, nowMs) => cooldowns.saw(candidate, seen, nowMs),
  }
}

const roundRobin = (run: Run): Policy => {
  let turn = 0
  const cooldowns = makeCooldowns()
  return {
    choose: (_request, _ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      if (rest.length === run.world.candidates.length) turn += 1
      return open[turn % open.length] ?? 0
    },
    ended: (candidate, seen, nowMs) => cooldowns.saw(candidate, seen, nowMs),
  }
}

/** Takes the usual length of an answer for its length. */
const USUAL_OUTPUT = 300

const cheapest = (run: Run): Policy => {
  const cooldowns = makeCooldowns()
  return {
    choose: (_request, ask, rest, nowMs) =>
      minBy(cooldowns.of(rest, nowMs), (candidate) => {
        const price = run.world.candidates[candidate]?.price ?? { input: 0, output: 0 }
        return ask.inputTokens * price.input + (ask.maxTokens ?? USUAL_OUTPUT) * price.output
      }),
    ended: (candidate, seen, nowMs) => cooldowns.saw(candidate, seen, nowMs),
  }
}

const EXPLORE = 0.02

/** Lowest mean of the recent times, which a failure counts into at ten seconds; explores 2 %. */
const fastest = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  const mean = new Map<number, number>()
  return {
    choose: (_request, _ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      return dice() < EXPLORE ? pick(dice, open) : minBy(open, (candidate) => mean.get(candidate) ?? 0)
    },
    ended: (candidate, seen, nowMs) => {
      cooldowns.saw(candidate, seen, nowMs)
      if (seen.kind === "rate_limited") return
      const ms = seen.kind === "answers" ? seen.ms : 10_000
      const before = mean.get(candidate)
      mean.set(candidate, before === undefined ? ms : before + 0.1 * (ms - before))
    },
  }
}

/** Power of two choices over a peak-sensitive moving average times the calls in flight, as in Finagle and tower. */
const peakEwma = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  const DECAY_MS = 30_000
  const FIRST_MS = 250
  const loads = new Map<number, { ms: number; atMs: number; flying: number }>()
  const of = (candidate: number) => {
    const known = loads.get(candidate) ?? { ms: FIRST_MS, atMs: 0, flying: 0 }
    loads.set(candidate, known)
    return known
  }
  return {
    choose: (_request, _ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      const two = [pick(dice, open), pick(dice, open)]
      return minBy(two, (candidate) => {
        const load = of(candidate)
        // Decays towards nothing while nobody asks, so that a peak is forgotten.
        return load.ms * Math.exp(-(nowMs - load.atMs) / DECAY_MS) * (load.flying + 1)
      })
    },
    started: (candidate) => {
      of(candidate).flying += 1
    },
    ended: (candidate, seen, nowMs) => {
      cooldowns.saw(candidate, seen, nowMs)
      const load = of(candidate)
      load.flying -= 1
      const ms = seen.kind === "answers" ? seen.ms : 10_000
      const keep = Math.exp(-(nowMs - load.atMs) / DECAY_MS)
      load.ms = ms > load.ms ? ms : load.ms * keep + ms * (1 - keep)
      load.atMs = nowMs
    },
  }
}

/** Prequal's rule: of a few candidates, among those with few calls in flight the quickest, else the one with fewest. */
const hotCold = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  const HOT_QUANTILE = 0.84
  const PROBES = 3
  const flying = run.world.candidates.map(() => 0)
  const recent = run.world.candidates.map(() => [] as Array<number>)
  return {
    choose: (_request, _ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      const probed = new Set<number>()
      while (probed.size < Math.min(PROBES, open.length)) probed.add(pick(dice, open))
      const sorted = [...flying].sort((one, other) => one - other)
      const hotFrom = sorted[Math.floor(HOT_QUANTILE * (sorted.length - 1))] ?? 0
      const cold = [...probed].filter((candidate) => (flying[candidate] ?? 0) <= hotFrom)
      const median = (candidate: number) => {
        const times = [...(recent[candidate] ?? [])].sort((one, other) => one - other)
        return times[times.length >> 1] ?? 0
      }
      return cold.length > 0 ? minBy(cold, median) : minBy([...probed], (each) => flying[each] ?? 0)
    },
    started: (candidate) => {
      flying[candidate] = (flying[candidate] ?? 0) + 1
    },
    ended: (candidate, seen, nowMs) => {
      cooldowns.saw(candidate, seen, nowMs)
      flying[candidate] = (flying[candidate] ?? 1) - 1
      const times = recent[candidate] ?? []
      if (seen.kind !== "rate_limited") times.push(seen.kind === "answers" ? seen.ms : 10_000)
      if (times.length > 9) times.shift()
    },
  }
}

/** LiteLLM's cooldown beside limits: more than half of at least five calls in the minute failed. */
const makeFailureRule = (cooldowns: ReturnType<typeof makeCooldowns>) => {
  const minutes = new Map<number, { minute: number; calls: number; failures: number }>()
  return (candidate: number, seen: Seen, nowMs: number): void => {
    cooldowns.saw(candidate, seen, nowMs)
    const minute = Math.floor(nowMs / 60_000)
    const known = minutes.get(candidate)
    const counts = known?.minute === minute ? known : { minute, calls: 0, failures: 0 }
    minutes.set(candidate, counts)
    counts.calls += 1
    if (seen.kind !== "answers") counts.failures += 1
    if (counts.calls >= 5 && counts.failures > counts.calls / 2) cooldowns.rest(candidate, COOLDOWN_MS, nowMs)
  }
}

const litellmShuffle = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  return {
    choose: (_request, _ask, rest, nowMs) => pick(dice, cooldowns.of(rest, nowMs)),
    ended: makeFailureRule(cooldowns),
  }
}

/** Seconds by output token, over the nine oldest and the newest of a list of ten; untried candidates first. */
const litellmLatency = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  const failures = makeFailureRule(cooldowns)
  const lists = run.world.candidates.map(() => [] as ReadonlyArray<number>)
  return {
    choose: (_request, _ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      const untried = open.filter((candidate) => lists[candidate]?.length === 0)
      if (untried.length > 0) return pick(dice, untried)
      return minBy(open, (candidate) => {
        const list = lists[candidate] ?? []
        return list.reduce((sum, each) => sum + each, 0) / list.length
      })
    },
    ended: (candidate, seen, nowMs) => {
      failures(candidate, seen, nowMs)
      if (seen.kind !== "answers" && seen.kind !== "hangs") return
      const value = seen.kind === "hangs" ? 1_000 : seen.ms / 1_000 / Math.max(1, seen.outputTokens)
      const list = lists[candidate] ?? []
      lists[candidate] = [...(list.length < 10 ? list : list.slice(0, 9)), value]
    },
  }
}

/** Ratios to the best of list price, uptime, throughput, latency and cache over an hour; keeps who leads by 0.15. */
const llmgateway = (run: Run): Policy => {
  const dice = diceOf(run)
  const cooldowns = makeCooldowns()
  const calls = run.world.candidates.map(
    () => [] as Array<{ atMs: number; ok: boolean; ms: number; perSecond: number }>,
  )
  /** The hour by minutes is summed up anew once in this time. */
  const EVERY_MS = 5_000
  let summed = { atMs: Number.NEGATIVE_INFINITY, of: [] as ReadonlyArray<Summary> }
  interface Summary {
    readonly uptime: number
    readonly ms: number
    readonly perSecond: number
  }
  const sumUp = (nowMs: number): ReadonlyArray<Summary> => {
    if (nowMs - summed.atMs < EVERY_MS) return summed.of
    const of = calls.map((list) => {
      while ((list[0]?.atMs ?? nowMs) < nowMs - 3_600_000) list.shift()
      let weight = 0
      let ok = 0
      let ms = 0
      let perSecond = 0
      for (const call of list) {
        const ageMs = nowMs - call.atMs
        const each = ageMs < 60_000 ? 10 : ageMs < 300_000 ? 3 : 1
        weight += each
        if (!call.ok) continue
        ok += each
        ms += each * call.ms
        perSecond += each * call.perSecond
      }
      return {
        uptime: weight === 0 ? 100 : (100 * ok) / weight,
        ms: ok === 0 ? 500 : ms / ok,
        perSecond: ok === 0 ? 50 : perSecond / ok,
      }
    })
    summed = { atMs: nowMs, of }
    return of
  }
  let winner = { candidate: -1, score: 0, atMs: 0 }
  const listPrice = run.world.candidates.map(({ price }) => (price.input + price.output) / 2)
  return {
    choose: (_request, ask, rest, nowMs) => {
      const open = cooldowns.of(rest, nowMs)
      if (dice() < 0.01) return pick(dice, open)
      const sums = sumUp(nowMs)
      const minPrice = Math.min(...open.map((each) => listPrice[each] ?? 0))
      const maxSpeed = Math.max(...open.map((each) => sums[each]?.perSecond ?? 1))
      const minMs = Math.min(...open.map((each) => sums[each]?.ms ?? 1))
      const streaming = run.mode === "stream"
      const cacheCounts = ask.inputTokens >= 5_000
      const scoreOf = (candidate: number): number => {
        const { ms = 500, perSecond = 50, uptime = 100 } = sums[candidate] ?? {}
        const truth = run.world.candidates[candidate]
        const price = (listPrice[candidate] ?? 0) / minPrice - 1
        const up = uptime < 95 ? (((95 - uptime) / 95) * 5) ** 2 : 0
        let score = 0.6 * price + 0.5 * up + 0.05 * (maxSpeed / perSecond - 1)
        let weights = 0.6 + 0.5 + 0.05
        if (streaming) {
          score += 0.025 * (ms / minMs - 1)
          weights += 0.025
        }
        if (cacheCounts) {
          const cached = (truth?.price.cached ?? truth?.price.input ?? 0) / (truth?.price.input ?? 1)
          score += 0.2 * cached
          weights += 0.2
        }
        return score / weights
      }
      const best = minBy(open, scoreOf)
      const kept = open.includes(winner.candidate) && nowMs - winner.atMs < 3_600_000
      const up = sums[winner.candidate]?.uptime ?? 0
      if (kept && up >= 85 && scoreOf(best) > scoreOf(winner.candidate) - 0.15) return winner.candidate
      if (rest.length === run.world.candidates.length)
        winner = { candidate: best, score: scoreOf(best), atMs: nowMs }
      return best
    },
    ended: (candidate, seen, nowMs) => {
      cooldowns.saw(candidate, seen, nowMs)
      const seconds = Math.max(0.001, seen.totalMs / 1_000)
      calls[candidate]?.push({
        atMs: nowMs,
        ok: seen.kind === "answers",
        ms: seen.ms,
        perSecond: seen.outputTokens / seconds,
      })
    },
  }
}

export const rivals: Readonly<Record<string, (run: Run) => Policy>> = {
  random,
  "round robin": roundRobin,
  "always cheapest": cheapest,
  "always fastest": fastest,
  "P2C PeakEWMA": peakEwma,
  "hot-cold (Prequal)": hotCold,
  "LiteLLM latency": litellmLatency,
  "LiteLLM shuffle": litellmShuffle,
  "llmgateway score": llmgateway,
}
