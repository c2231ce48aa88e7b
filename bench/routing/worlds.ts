import { between, type Dice, exponential, logBetween, logNormal, pick } from "./dice.ts"
import type { Ask, CandidateTruth, State, World } from "./world.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** An answer's length around the mean of its kind. */
const output = (
  dice: Dice,
  usualTokens: number,
  sigma: number,
): Pick<Ask, "outputTokens" | "usualTokens"> => ({
  outputTokens: Math.max(1, Math.round(logNormal(dice, usualTokens * Math.exp(-(sigma ** 2) / 2), sigma))),
  usualTokens,
})

/** Chats as usual: a few hundred tokens in, a few hundred out. */
const chat = (dice: Dice): Omit<Ask, "atMs"> => ({
  inputTokens: Math.round(logNormal(dice, 600, 0.7)),
  ...output(dice, 280, 0.5),
})

/** Requests at a rate that may change with time, each drawn alone. */
const flow =
  (
    perSecond: number | ((atMs: number) => number),
    draw: (dice: Dice, atMs: number) => Omit<Ask, "atMs"> = chat,
  ) =>
  (dice: Dice, count: number): ReadonlyArray<Ask> => {
    const asks: Array<Ask> = []
    let atMs = 0
    while (asks.length < count) {
      const rate = typeof perSecond === "number" ? perSecond : perSecond(atMs)
      atMs += exponential(dice, 1_000 / rate)
      asks.push({ atMs, ...draw(dice, atMs) })
    }
    return asks
  }

interface Conversations {
  /** New ones in a minute. */
  readonly perMinute: number
  readonly turns: readonly [least: number, most: number]
  /** Between two turns, as a median. */
  readonly gapMs: number
  readonly firstTokens: number
  readonly tokensPerTurn: number
}

/** Conversations whose every turn has all before it as its prefix. */
const conversations =
  ({ firstTokens, gapMs, perMinute, tokensPerTurn, turns }: Conversations) =>
  (dice: Dice, count: number): ReadonlyArray<Ask> => {
    const asks: Array<Ask> = []
    let startMs = 0
    for (let conversation = 0; asks.length < count * 1.3; conversation++) {
      startMs += exponential(dice, MINUTE / perMinute)
      let atMs = startMs
      let inputTokens = Math.round(logNormal(dice, firstTokens, 0.5))
      const length = Math.round(between(dice, turns[0], turns[1]))
      for (let turn = 0; turn < length; turn++) {
        const said = output(dice, 170, 0.5)
        asks.push({ atMs, inputTokens, ...said, conversation })
        inputTokens += said.outputTokens + Math.round(logNormal(dice, tokensPerTurn, 0.6))
        // A turn waits for the answer of the one before.
        atMs += 20 * SECOND + logNormal(dice, gapMs, 0.8)
      }
    }
    return asks.sort((one, other) => one.atMs - other.atMs).slice(0, count)
  }

/** A state in the first part of every period. */
const every =
  (periodMs: number, forMs: number, state: State, offsetMs = 0) =>
  (atMs: number): State =>
    (atMs + offsetMs) % periodMs < forMs ? state : {}

const fast: CandidateTruth = { price: { input: 0.5, output: 2 }, overheadMs: 250, msPerOutputToken: 6 }
const middle: CandidateTruth = { price: { input: 0.4, output: 1.6 }, overheadMs: 400, msPerOutputToken: 10 }
const cheap: CandidateTruth = { price: { input: 0.15, output: 0.6 }, overheadMs: 700, msPerOutputToken: 18 }
const dear: CandidateTruth = { price: { input: 2, output: 8 }, overheadMs: 350, msPerOutputToken: 9 }
/** The better of two by a good third. */
const best: CandidateTruth = { price: { input: 0.3, output: 1.2 }, overheadMs: 300, msPerOutputToken: 8 }
const spare: CandidateTruth = { price: { input: 0.5, output: 2 }, overheadMs: 450, msPerOutputToken: 12 }

export const worlds: ReadonlyArray<World> = [
  {
    name: "steady",
    why: "four candidates that stay as they are",
    candidates: [fast, middle, cheap, dear],
    requests: flow(2),
  },
  {
    name: "close",
    why: "five candidates within a tenth of each other",
    candidates: [1, 1.03, 1.06, 1.09, 1.12].map((factor, position) => ({
      price: { input: 0.4 / factor ** (position % 2), output: 1.6 / factor ** (position % 2) },
      overheadMs: 400 * factor,
      msPerOutputToken: 10 * factor,
      sigma: 0.5,
    })),
    requests: flow(2),
  },
  {
    name: "sizes",
    why: "short answers are best at one candidate and long ones at the other; sizes show in the input and in max_tokens",
    candidates: [
      { price: { input: 0.1, output: 4 }, overheadMs: 200, msPerOutputToken: 20 },
      { price: { input: 1, output: 1 }, overheadMs: 1_500, msPerOutputToken: 4 },
      { price: { input: 0.5, output: 3 }, overheadMs: 600, msPerOutputToken: 12 },
    ],
    requests: flow(2, (dice) =>
      dice() < 0.5
        ? {
            inputTokens: Math.round(logNormal(dice, 3_000, 0.5)),
            ...output(dice, 22, 0.5),
            maxTokens: 100,
          }
        : {
            inputTokens: Math.round(logNormal(dice, 200, 0.5)),
            ...output(dice, 1_300, 0.4),
          },
    ),
  },
  {
    name: "verbosity",
    why: "the cheapest per token says three times as much",
    candidates: [
      { ...cheap, verbosity: 3 },
      { ...middle, verbosity: 1 },
      { ...fast, verbosity: 0.6 },
    ],
    requests: flow(2),
  },
  {
    name: "prefill",
    why: "the first token waits for the input to be read, at different speeds",
    candidates: [
      { ...best, overheadMs: 150, msPerInputToken: 0.15 },
      { ...spare, overheadMs: 900, msPerInputToken: 0.01 },
      { ...cheap, msPerInputToken: 0.05 },
    ],
    requests: flow(2, (dice) => ({
      inputTokens: Math.round(logBetween(dice, 100, 60_000)),
      ...output(dice, 220, 0.4),
    })),
  },
  {
    name: "caches, one without discount",
    why: "conversations of 20 to 200 turns; the list-price winner has no cache",
    candidates: [
      {
        price: { input: 2, cached: 0.2, output: 8 },
        overheadMs: 500,
        msPerInputToken: 0.03,
        msPerOutputToken: 10,
        cacheMs: 5 * MINUTE,
      },
      { price: { input: 1.2, output: 6 }, overheadMs: 450, msPerInputToken: 0.03, msPerOutputToken: 10 },
      {
        price: { input: 2.5, cached: 0.25, output: 10 },
        overheadMs: 450,
        msPerInputToken: 0.03,
        msPerOutputToken: 9,
        cacheMs: 5 * MINUTE,
      },
    ],
    requests: conversations({
      perMinute: 2,
      turns: [20, 200],
      gapMs: 40 * SECOND,
      firstTokens: 6_000,
      tokensPerTurn: 400,
    }),
  },
  {
    name: "caches, equal vendors",
    why: "three vendors alike, each with a cache: whoever has the conversation is far the best for it",
    candidates: [0, 1, 2].map((position) => ({
      price: { input: 2 + 0.1 * position, cached: 0.2, output: 8 },
      overheadMs: 500 + 30 * position,
      msPerInputToken: 0.03,
      msPerOutputToken: 10,
      cacheMs: 5 * MINUTE,
    })),
    requests: conversations({
      perMinute: 3,
      turns: [20, 200],
      gapMs: 60 * SECOND,
      firstTokens: 4_000,
      tokensPerTurn: 500,
    }),
  },
  {
    name: "caches that end",
    why: "short conversations with long breaks: staying is seldom worth it",
    candidates: [
      { ...best, price: { input: 0.8, cached: 0.08, output: 2 }, cacheMs: 5 * MINUTE, msPerInputToken: 0.02 },
      { ...spare, price: { input: 0.5, output: 2 } },
      {
        ...spare,
        price: { input: 0.6, cached: 0.3, output: 2.4 },
        cacheMs: MINUTE,
        state: every(20 * MINUTE, 5 * MINUTE, { slow: 0.5 }),
      },
    ],
    requests: conversations({
      perMinute: 20,
      turns: [2, 12],
      gapMs: 4 * MINUTE,
      firstTokens: 1_500,
      tokensPerTurn: 300,
    }),
  },
  {
    name: "load",
    why: "the best slows down with the calls that it has in flight",
    candidates: [
      { ...best, capacity: 30 },
      { ...middle, capacity: 60 },
      { ...cheap, capacity: 200 },
    ],
    requests: flow(12),
  },
  {
    name: "brown-out",
    why: "the best fails a fifth of its calls, half of the time",
    candidates: [{ ...best, state: every(40 * MINUTE, 20 * MINUTE, { errors: 0.2 }) }, spare, cheap],
    requests: flow(2),
  },
  {
    name: "slow errors",
    why: "a tenth of the best one's calls fail after eight seconds",
    candidates: [{ ...best, state: () => ({ errors: 0.1, errorMs: 8_000 }) }, spare, cheap],
    requests: flow(2),
  },
  {
    name: "quota",
    why: "the best takes half of the traffic, and says nothing of when it takes more",
    candidates: [{ ...best, quota: { perSecond: 2, burst: 2, saysWhen: false } }, spare, cheap],
    requests: flow(4),
  },
  {
    name: "quota that says when",
    why: "the same, with Retry-After",
    candidates: [{ ...best, quota: { perSecond: 2, burst: 2, saysWhen: true } }, spare, cheap],
    requests: flow(4),
  },
  {
    name: "few at once",
    why: "the best has six calls in flight at most, and refuses more by 429",
    candidates: [{ ...best, state: () => ({ most: { calls: 6, fails: "rate_limited" } }) }, spare, cheap],
    requests: flow(5),
  },
  {
    name: "weak recovery",
    why: "the best is down for two minutes of every twenty, and for five more fails all calls beyond six in flight",
    candidates: [
      {
        ...best,
        state: (atMs) => {
          const minute = (atMs / MINUTE) % 20
          if (minute < 2) return { down: "refuses" }
          return minute < 7 ? { most: { calls: 6, fails: "server_error" } } : {}
        },
      },
      spare,
      cheap,
    ],
    requests: flow(5),
  },
  {
    name: "heavy tails",
    why: "times have a Pareto tail",
    candidates: [
      { ...best, tail: 1.6 },
      { ...spare, tail: 2.2 },
      { ...fast, tail: 1.4 },
      { ...cheap, tail: 3 },
    ],
    requests: flow(2),
  },
  {
    name: "swaps",
    why: "two candidates change places every ten minutes",
    candidates: [
      { ...best, state: every(20 * MINUTE, 10 * MINUTE, { slow: 2.5 }) },
      {
        ...best,
        price: { input: 0.35, output: 1.4 },
        state: every(20 * MINUTE, 10 * MINUTE, { slow: 2.5 }, 10 * MINUTE),
      },
      spare,
    ],
    requests: flow(2),
  },
  {
    name: "quiet recovery",
    why: "one request in five seconds; the best is down for ten minutes of every hour",
    candidates: [
      { ...best, state: every(60 * MINUTE, 10 * MINUTE, { down: "refuses" }, 30 * MINUTE) },
      spare,
      cheap,
    ],
    requests: flow(0.2),
  },
  {
    name: "hangs",
    why: "the best stops answering for five minutes of every hour, without a word",
    candidates: [
      { ...best, state: every(60 * MINUTE, 5 * MINUTE, { down: "hangs" }, 30 * MINUTE) },
      spare,
      cheap,
    ],
    requests: flow(2),
  },
  {
    name: "flapping",
    why: "the best is down for 20 seconds of every 60",
    candidates: [{ ...best, state: every(MINUTE, 20 * SECOND, { down: "refuses" }) }, spare, cheap],
    requests: flow(2),
  },
  {
    name: "correlated",
    why: "all but the dearest fail together",
    candidates: [
      { ...best, state: every(30 * MINUTE, 5 * MINUTE, { errors: 1 }) },
      { ...spare, state: every(30 * MINUTE, 5 * MINUTE, { errors: 0.9 }) },
      { ...cheap, state: every(30 * MINUTE, 5 * MINUTE, { errors: 1, errorMs: 500 }) },
      dear,
    ],
    requests: flow(2),
  },
  {
    name: "drift",
    why: "times go up and down by the hour, each candidate's at another time",
    candidates: [best, middle, fast, cheap].map((candidate, position) => ({
      ...candidate,
      state: (atMs: number) => ({
        slow: 1.8 ** Math.sin((2 * Math.PI * atMs) / (47 * MINUTE) + 1.7 * position),
      }),
    })),
    requests: flow((atMs) => 2 + 1.5 * Math.sin((2 * Math.PI * atMs) / (31 * MINUTE))),
  },
  {
    name: "many",
    why: "ten candidates, of which four are good",
    candidates: Array.from({ length: 10 }, (_, position) => ({
      price: { input: 0.3 * 1.25 ** position, output: 1.2 * 1.25 ** position },
      overheadMs: 900 - 60 * position,
      msPerOutputToken: 16 - 1.1 * position,
      sigma: 0.5,
    })),
    requests: flow(3),
  },
  {
    name: "ramp",
    why: "the best gets slower over minutes, and is well again at once",
    candidates: [
      { ...best, state: (atMs) => ({ slow: 1 + (4 * (atMs % (30 * MINUTE))) / (30 * MINUTE) }) },
      spare,
      cheap,
    ],
    requests: flow(2),
  },
]

/** Draws a world: what kinds of candidates and trouble there are is all that it has in common with those above. */
export const drawWorld = (seed: number, dice: Dice): World => {
  const talks = dice() < 0.25
  const perSecond = logBetween(dice, 0.2, 8)
  const level = logBetween(dice, 0.1, 3)
  const candidates = Array.from({ length: 2 + Math.floor(dice() * 6) }, (): CandidateTruth => {
    const input = level * logBetween(dice, 0.4, 2.5)
    const trouble = dice()
    const periodMs = between(dice, 5, 60) * MINUTE
    const forMs = periodMs * between(dice, 0.1, 0.5)
    const offsetMs = dice() * periodMs
    const kinds: ReadonlyArray<State> = [
      { slow: logBetween(dice, 0.4, 4) },
      { errors: between(dice, 0.05, 0.6), errorMs: logBetween(dice, 5, 5_000) },
      { down: "refuses" },
      { down: "hangs" },
    ]
    const state = pick(dice, kinds)
    return {
      price: {
        input,
        output: input * between(dice, 2, 8),
        ...(dice() < 0.6 && { cached: input * pick(dice, [0.1, 0.25, 0.5]) }),
      },
      overheadMs: logBetween(dice, 150, 1_500),
      msPerInputToken: dice() < 0.5 ? logBetween(dice, 0.005, 0.1) : 0,
      msPerOutputToken: logBetween(dice, 3, 25),
      verbosity: logBetween(dice, 0.6, 1.8),
      ...(dice() < 0.2 ? { tail: between(dice, 1.4, 3) } : { sigma: between(dice, 0.1, 0.8) }),
      ...(dice() < 0.2 && { capacity: perSecond * logBetween(dice, 3, 20) }),
      ...(dice() < 0.15 && {
        quota: { perSecond: perSecond * between(dice, 0.2, 0.9), burst: 10, saysWhen: dice() < 0.5 },
      }),
      ...(dice() < 0.7 && { cacheMs: pick(dice, [MINUTE, 5 * MINUTE, 60 * MINUTE]) }),
      ...(trouble < 0.5 && { state: every(periodMs, forMs, state, offsetMs) }),
    }
  })
  // Somebody is always there.
  const [first] = candidates
  if (first?.state !== undefined && candidates.every(({ state }) => state !== undefined)) {
    const { state: _, ...calm } = first
    candidates[0] = calm
  }
  // Several kinds of requests are told apart by the application's system prompt, or not at all: then they are one.
  const sizes = Array.from({ length: dice() < 0.6 ? 1 + Math.floor(dice() * 4) : 1 }, () => ({
    input: logBetween(dice, 100, 8_000),
    output: logBetween(dice, 15, 1_200),
    asks: dice() < 0.3,
  }))
  return {
    name: `drawn ${seed}`,
    why: "drawn",
    candidates,
    requests: talks
      ? conversations({
          perMinute: perSecond,
          turns: [2 + Math.round(dice() * 20), 30 + Math.round(dice() * 100)],
          gapMs: logBetween(dice, 10 * SECOND, 5 * MINUTE),
          firstTokens: logBetween(dice, 500, 10_000),
          tokensPerTurn: logBetween(dice, 100, 800),
        })
      : flow(perSecond, (each) => {
          const size = pick(each, sizes)
          return {
            app: sizes.indexOf(size),
            inputTokens: Math.round(logNormal(each, size.input, 0.6)),
            ...output(each, size.output, 0.5),
            ...(size.asks && { maxTokens: Math.round(size.output * 3) }),
          }
        }),
  }
}
