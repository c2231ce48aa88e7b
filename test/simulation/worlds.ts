import type { Budget } from "../../src/domain/Budget.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { dispositions, isAboutRequest, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Dice } from "../fuzz/Dice.ts"
import { CLOCK_STEPS } from "../support/stepped-clock.ts"
import { principals } from "./Client.ts"
import { type IdempotencyChanges, type LimitChanges, type ProviderName, providerNames } from "./gateway.ts"
import type { Run } from "./run.ts"
import type {
  Crash,
  Outage,
  Pause,
  Reset,
  Step,
  Stop,
  Trouble,
  Visit,
  Weather,
  World,
  WorldBudgets,
  WorldEvent,
} from "./World.ts"

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Whatever is going on when the last event comes is over after this. */
const AFTERMATH_MS = 5 * MINUTE

export interface WorldKind {
  readonly name: string
  /** Who or what it is about. */
  readonly subject: "providers" | "clients" | "gateways" | "budgets" | "faults"
  /** What is the matter in it. */
  readonly says: string
  /** Draws one of them. */
  readonly draw: (dice: Dice) => Drawn
  /** Number of the fault that it shows, and what must then hold beside the laws of all worlds. */
  readonly row?: number
  readonly promises?: string
  /** Where the same is held with real bytes and sockets. */
  readonly bytes?: string
  readonly expects?: (run: Run) => ReadonlyArray<string>
}

interface Drawn {
  readonly forMs: number
  readonly replicas?: number
  readonly limits?: LimitChanges
  readonly idempotency?: IdempotencyChanges
  readonly journalRecords?: number
  readonly budgets?: WorldBudgets
  readonly events: ReadonlyArray<WorldEvent>
}

// ---- Who comes ----

interface Crowd {
  readonly count: number
  readonly forMs: number
  /** Names of its visits begin with it. */
  readonly name?: string
  /** What its visits have in common. */
  readonly as?: Partial<Visit>
  /** Draws what differs between them. */
  readonly each?: (dice: Dice) => Partial<Visit>
}

const visitOf = (name: string, atMs: number, dice: Dice, more: Partial<Visit>): Visit => ({
  kind: "visit",
  id: RequestId.make(name),
  atMs,
  client: dice.pick(["usual", "usual", "other", "narrow"]),
  credential: "valid",
  replica: dice.below(3),
  uploadMs: dice.below(50),
  readable: true,
  model: "auto",
  stream: dice.chance(0.5),
  dryRun: false,
  mistake: undefined,
  claim: undefined,
  leavesAfterMs: undefined,
  deadlineMs: undefined,
  reads: undefined,
  conversation: undefined,
  promptTokens: dice.between(10, 3_000),
  answerTokens: dice.between(1, 400),
  spelled: false,
  maxTokens: undefined,
  ...more,
})

/** Draws visits: some alone, some several at once. */
const crowd = (dice: Dice, { as = {}, count, each, forMs, name = "r" }: Crowd): ReadonlyArray<Visit> => {
  const visits: Array<Visit> = []
  while (visits.length < count) {
    const atMs = dice.below(forMs)
    const together = dice.chance(0.1) ? dice.between(2, 12) : 1
    for (let i = 0; i < together; i++)
      visits.push(visitOf(`${name}${visits.length}`, atMs + dice.below(5), dice, { ...as, ...each?.(dice) }))
  }
  return visits
}

const leaves = (dice: Dice, share: number): Partial<Visit> =>
  dice.chance(share) ? { leavesAfterMs: dice.below(dice.chance(0.7) ? 1_500 : 20_000) } : {}

const mistakes = (dice: Dice, share: number): Partial<Visit> =>
  dice.chance(share)
    ? { mistake: dice.pick(["bad_request", "content_filter", "context_length_exceeded"] as const) }
    : {}

/** All sorts of clients. */
const mixed = (dice: Dice): Partial<Visit> => ({
  client: dice.pick(["usual", "usual", "other", "limited", "narrow"]),
  ...(dice.chance(0.02) ? { credential: dice.pick(["invalid", "unavailable"] as const) } : {}),
  ...(dice.chance(0.02) ? { uploadMs: dice.below(90 * SECOND) } : {}),
  readable: !dice.chance(0.02),
  model: dice.chance(0.9) ? "auto" : dice.pick(["only-a", "nobody"] as const),
  dryRun: dice.chance(0.03),
  ...(dice.chance(0.05) ? { deadlineMs: dice.between(1, 90 * SECOND) } : {}),
  ...mistakes(dice, 0.05),
  ...leaves(dice, 0.1),
  ...(dice.chance(0.05) ? { reads: slowly(dice), stream: true } : {}),
})

const slowly = (dice: Dice): NonNullable<Visit["reads"]> => ({
  bytes: dice.between(1_000, 16_000),
  everyMs: dice.between(200, 4_000),
})

/** Visits with keys, each of which comes again a few times: at once, while it runs, after it, with another body. */
const keyed = (
  dice: Dice,
  count: number,
  forMs: number,
  each: (dice: Dice) => Partial<Visit> = () => ({}),
) => {
  const visits: Array<Visit> = []
  const add = (atMs: number, more: Partial<Visit>) =>
    visits.push(visitOf(`k${visits.length}`, atMs, dice, more))
  while (visits.length < count) {
    const atMs = dice.below(forMs)
    const first: Partial<Visit> = {
      client: dice.pick(["usual", "other"]),
      stream: dice.chance(0.4),
      claim: { key: `key-${visits.length}`, body: 0 },
      promptTokens: dice.between(10, 2_000),
      answerTokens: dice.between(1, 400),
      ...each(dice),
    }
    add(atMs, { ...first, ...leaves(dice, 0.2) })
    for (let n = dice.below(5); n > 0; n--) {
      const laterMs = dice.pick([0, dice.below(1_000), dice.below(50_000), dice.below(5 * MINUTE)])
      const body = dice.chance(0.12) ? 1 : 0
      add(atMs + laterMs, {
        ...first,
        ...leaves(dice, 0.2),
        claim: { key: first.claim?.key ?? "", body },
      })
    }
  }
  return visits
}

/** Conversations, each with a prompt that grows from turn to turn. */
const conversations = (dice: Dice, count: number, forMs: number): ReadonlyArray<Visit> => {
  const visits: Array<Visit> = []
  for (let i = 0; visits.length < count; i++) {
    let atMs = dice.below(forMs)
    let promptTokens = dice.between(500, 20_000)
    for (let turn = dice.between(2, 30); turn > 0; turn--) {
      const answerTokens = dice.between(10, 400)
      visits.push(
        visitOf(`c${visits.length}`, atMs, dice, { conversation: `talk ${i}`, promptTokens, answerTokens }),
      )
      promptTokens += answerTokens + dice.between(10, 1_000)
      atMs += dice.between(5 * SECOND, dice.chance(0.8) ? 2 * MINUTE : 20 * MINUTE)
    }
  }
  return visits
}

// ---- What they may spend ----

/** Nano-dollars. */
const CENT = 10_000_000
/** Nobody here ever spends as much. */
export const AMPLE = 1e15

/** Somebody who has a budget, with requests that cost a tenth of a cent, and may cost a tenth to four of them. */
const spender = (dice: Dice): Partial<Visit> => {
  const answerTokens = dice.between(1, 400)
  return {
    client: dice.pick(["thrifty", "thrifty", "one", "another", "wealthy"]),
    model: dice.pick(["auto", "auto", "only-a"]),
    spelled: true,
    answerTokens,
    // Most say how long an answer may be, and just so long it is.
    maxTokens: dice.chance(0.8) ? answerTokens + dice.pick([0, dice.below(300)]) : undefined,
  }
}

/** Budgets: small ones of a key and of two together, and large ones that nobody ever uses up, of keys and of the gateway. */
const budgets = (dice: Dice, windowMs: number, centsEach: number): WorldBudgets => {
  const small = () => Math.round(CENT * centsEach * (0.2 + 1.6 * dice.next()))
  const budget = (scope: Budget["scope"], subject: string, limitNanoUsd: number): Omit<Budget, "id"> => ({
    scope,
    subject,
    period: windowMs === 0 ? "total" : "hour",
    limitNanoUsd,
  })
  const all = [
    budget("key", principals.thrifty.keyId, small()),
    budget("key", principals.wealthy.keyId, AMPLE),
    budget("key", principals.one.keyId, dice.chance(0.5) ? small() : AMPLE),
    budget("tag", "both", small()),
    ...(dice.chance(0.3) ? [budget("gateway", "", AMPLE)] : []),
  ]
  return { windowMs, all: all.map((each, i) => ({ ...each, id: i + 1 })) }
}

// ---- What goes wrong ----

const TROUBLES = Object.keys(dispositions).filter(
  (kind): kind is ProviderErrorKind =>
    kind in dispositions && !isAboutRequest(kind as ProviderErrorKind) && kind !== "timeout",
)
/** Of one candidate, for what is in one request. */
const REFUSALS: ReadonlyArray<ProviderErrorKind> = [
  "unsupported",
  "refused",
  "needs_rewording",
  "too_large",
  "no_answer",
]
const PASSING: ReadonlyArray<ProviderErrorKind> = ["server_error", "overloaded", "bad_response", "reset"]

const weather = (provider: ProviderName, atMs: number, forMs: number, trouble: Trouble): Weather => ({
  kind: "weather",
  id: `${provider} ${trouble.is} ${Math.round(atMs / SECOND)}`,
  atMs,
  forMs,
  provider,
  trouble,
})

const errors = (
  share: number,
  toShare = share,
  kinds: ReadonlyArray<ProviderErrorKind> = PASSING,
  retryAfterMs?: number,
): Extract<Trouble, { is: "errors" }> => ({ is: "errors", share, toShare, kinds, afterMs: 50, retryAfterMs })

const draws: Readonly<Record<Trouble["is"], (dice: Dice) => Trouble>> = {
  down: () => ({ is: "down" }),
  errors: (dice) => ({
    is: "errors",
    share: dice.next(),
    toShare: dice.next(),
    kinds: dice.chance(0.5) ? TROUBLES : [dice.pick(PASSING)],
    afterMs: dice.chance(0.7) ? dice.between(1, 300) : dice.between(300, 12_000),
    retryAfterMs: dice.chance(0.5) ? undefined : dice.below(dice.chance(0.9) ? 20_000 : 300_000),
  }),
  slow: (dice) => ({ is: "slow", times: 1 + dice.below(20), toTimes: 1 + dice.below(30) }),
  quota: (dice) => ({
    is: "quota",
    perMinute: dice.below(10),
    retryAfter: dice.pick(["right", "none", "far too long", "none to wait"]),
  }),
  hangs: (dice) => ({ is: "hangs", where: dice.pick(["head", "body", "middle"]) }),
  cuts: (dice) => ({ is: "cuts", share: dice.next() }),
  mute: () => ({ is: "mute" }),
  locked: (dice) => ({
    is: "locked",
    as: dice.pick(["auth", "quota_exhausted", "model_not_found", "not_enabled"]),
  }),
}

/** Spells of trouble of one provider, with fair weather between them. */
const spells = (
  dice: Dice,
  provider: ProviderName,
  forMs: number,
  kinds: ReadonlyArray<Trouble["is"]>,
  pace = { fairMs: 10 * MINUTE, foulMs: 5 * MINUTE },
): ReadonlyArray<Weather> => {
  const found: Array<Weather> = []
  for (let atMs = dice.below(pace.fairMs); atMs < forMs; ) {
    const lasts = 1 + dice.below(2 * pace.foulMs)
    found.push(weather(provider, atMs, lasts, draws[dice.pick(kinds)](dice)))
    atMs += lasts + dice.below(2 * pace.fairMs)
  }
  return found
}

/** Asks a route that hedges. */
const hedging = (dice: Dice): Partial<Visit> => ({
  model: dice.chance(0.9) ? "hedged" : "auto",
  client: dice.pick(["usual", "other"]),
})

/** The one that is asked first is late now and then, for seconds or minutes; another one has trouble of its own. */
const late = (dice: Dice, forMs: number): ReadonlyArray<Weather> => [
  ...spells(dice, "a", forMs, ["slow", "hangs", "cuts"], { fairMs: 2 * MINUTE, foulMs: MINUTE }),
  ...spells(dice, "b", forMs, ["slow", "errors", "hangs", "cuts"], { fairMs: 6 * MINUTE, foulMs: MINUTE }),
]

/** Two providers with such trouble, and one without. */
const twoOfThree = (
  dice: Dice,
  forMs: number,
  kinds: ReadonlyArray<Trouble["is"]>,
  pace?: { fairMs: number; foulMs: number },
): ReadonlyArray<Weather> => {
  const spared = dice.pick(providerNames)
  return providerNames.flatMap((name) => (name === spared ? [] : spells(dice, name, forMs, kinds, pace)))
}

const everywhere = (atMs: number, forMs: number, trouble: Trouble): ReadonlyArray<Weather> =>
  providerNames.map((name) => weather(name, atMs, forMs, trouble))

const outages = (
  dice: Dice,
  forMs: number,
  of: ReadonlyArray<Outage["of"]>,
  longestMs = 3 * MINUTE,
): ReadonlyArray<Outage> => {
  const found: Array<Outage> = []
  for (let atMs = dice.below(5 * MINUTE); atMs < forMs; ) {
    const lasts = 1 + dice.below(longestMs)
    found.push({ kind: "outage", id: `outage ${found.length}`, atMs, forMs: lasts, of: dice.pick(of) })
    atMs += lasts + dice.below(15 * MINUTE)
  }
  return found
}

/** Crashes, most of them while somebody is served. */
const crashes = (
  dice: Dice,
  visits: ReadonlyArray<Visit>,
  count: number,
  replicas: number,
): ReadonlyArray<Crash> =>
  Array.from({ length: count }, (_, i) => ({
    kind: "crash" as const,
    id: `crash ${i}`,
    atMs: dice.pick(visits).atMs,
    replica: dice.below(replicas),
    afterSteps: dice.below(dice.chance(0.8) ? 25 : 200),
    downMs: dice.below(dice.chance(0.7) ? 10_000 : 3 * MINUTE),
  }))

const stops = (dice: Dice, count: number, forMs: number, replicas: number): ReadonlyArray<Stop> =>
  Array.from({ length: count }, (_, i) => ({
    kind: "stop" as const,
    id: `stop ${i}`,
    atMs: dice.below(forMs),
    replica: dice.below(replicas),
  }))

const pauses = (dice: Dice, count: number, forMs: number, replicas: number): ReadonlyArray<Pause> =>
  Array.from({ length: count }, (_, i) => ({
    kind: "pause" as const,
    id: `pause ${i}`,
    atMs: dice.below(forMs),
    forMs: dice.between(100, dice.chance(0.5) ? 5_000 : 2 * MINUTE),
    replica: dice.below(replicas),
  }))

const resets = (dice: Dice, count: number, forMs: number, replicas: number): ReadonlyArray<Reset> =>
  Array.from({ length: count }, (_, i) => ({
    kind: "reset" as const,
    id: `reset ${i}`,
    atMs: dice.below(forMs),
    replica: dice.below(replicas),
    provider: dice.pick(providerNames),
  }))

const steps = (dice: Dice, forMs: number, replicas: number): ReadonlyArray<Step> =>
  Array.from({ length: dice.between(3, 40) }, (_, i) => ({
    kind: "step" as const,
    id: `step ${i}`,
    atMs: dice.below(forMs),
    replica: dice.below(replicas),
    ms: dice.pick(CLOCK_STEPS),
  }))

// ---- Shorthand for expectations ----

const expect = (holds: boolean, otherwise: string): ReadonlyArray<string> => (holds ? [] : [otherwise])

/** Visits and calls that come within a time. */
const within = <A extends { readonly atMs: number }>(
  all: ReadonlyArray<A>,
  fromMs: number,
  toMs: number,
): ReadonlyArray<A> => all.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)

const sightsWithin = (run: Run, fromMs: number, toMs: number) =>
  run.sights.filter(({ visit }) => visit.atMs >= fromMs && visit.atMs < toMs)

/** Everybody in a time got a whole answer. */
const allDelivered = (run: Run, fromMs: number, toMs: number): ReadonlyArray<string> => {
  const failed = sightsWithin(run, fromMs, toMs).filter(({ ending }) => ending !== "delivered")
  return expect(
    failed.length === 0,
    `${failed.length} requests were not answered, ${failed[0]?.visit.id} with ${failed[0]?.code}`,
  )
}

/** A storm or an outage of the worlds below: from the tenth minute to the fifteenth. */
const SPELL = { fromMs: 10 * MINUTE, toMs: 15 * MINUTE, forMs: 5 * MINUTE } as const

// ---- Worlds ----

const general: ReadonlyArray<WorldKind> = [
  {
    name: "fair weather",
    subject: "clients",
    says: "nothing goes wrong but what clients do",
    draw: (dice) => ({ forMs: HOUR, events: crowd(dice, { count: 250, forMs: HOUR, each: mixed }) }),
  },
  {
    name: "outages",
    subject: "providers",
    says: "two of three providers are down again and again",
    draw: (dice) => ({
      forMs: 2 * HOUR,
      events: [...crowd(dice, { count: 250, forMs: 2 * HOUR }), ...twoOfThree(dice, 2 * HOUR, ["down"])],
    }),
  },
  {
    name: "brown-outs",
    subject: "providers",
    says: "two of three providers fail a share of their calls, of every kind of failure",
    draw: (dice) => ({
      forMs: 2 * HOUR,
      events: [...crowd(dice, { count: 250, forMs: 2 * HOUR }), ...twoOfThree(dice, 2 * HOUR, ["errors"])],
    }),
  },
  {
    name: "ramps",
    subject: "providers",
    says: "answers take longer and longer, up to thirty times as long",
    draw: (dice) => ({
      forMs: 2 * HOUR,
      events: [...crowd(dice, { count: 250, forMs: 2 * HOUR }), ...twoOfThree(dice, 2 * HOUR, ["slow"])],
    }),
  },
  {
    name: "quotas",
    subject: "providers",
    says: "429 beyond a few calls a minute, with a Retry-After that is right, missing, a day or zero",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 270, forMs: HOUR }),
        ...crowd(dice, { count: 30, forMs: HOUR, name: "only", as: { client: "usual", model: "only-a" } }),
        ...twoOfThree(dice, HOUR, ["quota"]),
      ],
    }),
  },
  {
    name: "silence",
    subject: "providers",
    says: "providers hang: without a head, after it, amid a stream",
    draw: (dice) => ({
      forMs: HOUR,
      events: [...crowd(dice, { count: 250, forMs: HOUR }), ...twoOfThree(dice, HOUR, ["hangs", "mute"])],
    }),
  },
  {
    name: "cut streams",
    subject: "providers",
    says: "streams end amid what they say",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR, each: (dice) => ({ stream: dice.chance(0.8) }) }),
        ...twoOfThree(dice, HOUR, ["cuts"]),
      ],
    }),
  },
  {
    name: "flapping",
    subject: "providers",
    says: "two of three providers come and go every few seconds",
    draw: (dice) => ({
      forMs: 30 * MINUTE,
      events: [
        ...crowd(dice, { count: 300, forMs: 30 * MINUTE }),
        ...twoOfThree(dice, 30 * MINUTE, ["down", "errors"], { fairMs: 10 * SECOND, foulMs: 10 * SECOND }),
      ],
    }),
  },
  {
    name: "slow recovery",
    subject: "providers",
    says: "after an outage a provider fails less and less",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR }),
        ...(["a", "b"] as const).flatMap((name) => {
          const atMs = dice.below(20 * MINUTE)
          return [
            weather(name, atMs, 5 * MINUTE, { is: "down" }),
            weather(name, atMs + 5 * MINUTE, 20 * MINUTE, errors(1, 0)),
          ]
        }),
      ],
    }),
  },
  {
    name: "all at once",
    subject: "providers",
    says: "every provider fails at the same time, in the same way or each in its own",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR, each: mixed }),
        ...[10 * MINUTE, 30 * MINUTE].flatMap((atMs) => {
          const trouble = draws[dice.pick(Object.keys(draws) as ReadonlyArray<Trouble["is"]>)](dice)
          const forMs = dice.below(10 * MINUTE) + SECOND
          return dice.chance(0.5)
            ? everywhere(atMs, forMs, trouble)
            : providerNames.map((name) =>
                weather(
                  name,
                  atMs,
                  forMs,
                  draws[dice.pick(Object.keys(draws) as ReadonlyArray<Trouble["is"]>)](dice),
                ),
              )
        }),
      ],
    }),
  },
  {
    name: "conversations",
    subject: "providers",
    says: "prompts grow, and providers keep them in caches for five minutes",
    draw: (dice) => ({
      forMs: 2 * HOUR,
      events: [...conversations(dice, 250, HOUR), ...twoOfThree(dice, 2 * HOUR, ["down", "quota", "slow"])],
    }),
  },
  {
    name: "departures",
    subject: "clients",
    says: "most clients leave, at any moment",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 300, forMs: HOUR, each: (dice) => leaves(dice, 0.7) }),
        ...twoOfThree(dice, HOUR, ["slow", "hangs", "errors"]),
      ],
    }),
  },
  {
    name: "slow readers",
    subject: "clients",
    says: "clients read long answers slowly, and some give up",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, {
          count: 120,
          forMs: HOUR,
          each: (dice) => ({ stream: true, reads: slowly(dice), ...leaves(dice, 0.2) }),
        }),
        ...twoOfThree(dice, HOUR, ["cuts", "hangs"]),
      ],
    }),
  },
  {
    name: "mistaken clients",
    subject: "clients",
    says: "most requests are wrong in themselves, and one key sends far more than it may",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 200, forMs: HOUR, each: (dice) => mistakes(dice, 0.8) }),
        ...crowd(dice, { count: 100, forMs: 3 * MINUTE, name: "limited", as: { client: "limited" } }),
      ],
    }),
  },
  {
    name: "hurried clients",
    subject: "clients",
    says: "deadlines of clients' own, and bodies that arrive when next to no time is left, at providers that are well",
    draw: (dice) => ({
      forMs: HOUR,
      events: crowd(dice, {
        count: 250,
        forMs: HOUR,
        each: (dice) => ({
          stream: false,
          ...(dice.chance(0.5)
            ? { uploadMs: dice.between(58 * SECOND, 60 * SECOND) }
            : { deadlineMs: dice.between(1, 2_000), stream: dice.chance(0.5) }),
        }),
      }),
    }),
  },
  {
    name: "keys",
    subject: "clients",
    says: "requests with an Idempotency-Key come again, at three gateways, with other bodies too",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 3,
      events: [
        ...keyed(dice, 250, HOUR),
        ...twoOfThree(dice, HOUR, ["down", "errors", "cuts", "slow", "slow"]),
        // Runs that take longer than a lease.
        ...everywhere(20 * MINUTE, 5 * MINUTE, { is: "hangs", where: "head" }),
      ],
    }),
  },
  {
    name: "old keys",
    subject: "clients",
    says: "keys come again when their answers are about to expire, and after that",
    draw: (dice) => ({
      forMs: 2 * HOUR,
      replicas: 2,
      idempotency: { expireMs: 10 * MINUTE, cleanupEveryMs: MINUTE },
      events: [
        ...Array.from({ length: 40 }, (_, i) => {
          const first = visitOf(`old${i} `, dice.below(HOUR), dice, {
            client: "usual",
            claim: { key: `old ${i}`, body: 0 },
          })
          const again = [10 * MINUTE - dice.below(20), 10 * MINUTE + dice.below(20), 15 * MINUTE]
          return [
            first,
            ...again.map((laterMs, n) => ({
              ...first,
              id: RequestId.make(`old${i} again ${n}`),
              atMs: first.atMs + laterMs,
              replica: dice.below(2),
              claim: { key: `old ${i}`, body: dice.chance(0.2) ? 1 : 0 },
            })),
          ]
        }).flat(),
        ...twoOfThree(dice, 2 * HOUR, ["errors", "slow"]),
      ],
    }),
  },
  {
    name: "large answers",
    subject: "clients",
    says: "keyed streams that are longer than what is kept of them, read slowly and by several at once",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 2,
      idempotency: { maxStoredBytes: 60_000, maxReplayBytes: 200_000, maxRunning: 12 },
      events: [
        ...keyed(dice, 200, HOUR, (dice) => ({
          stream: true,
          reads: dice.chance(0.7) ? slowly(dice) : undefined,
          answerTokens: dice.between(1, 400),
        })),
        ...twoOfThree(dice, HOUR, ["cuts", "hangs"]),
      ],
    }),
  },
  {
    name: "database outages",
    subject: "gateways",
    says: "the database is away, hangs, or its answers are lost, while keyed and other requests come",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 2,
      events: [
        ...keyed(dice, 120, HOUR),
        ...crowd(dice, { count: 120, forMs: HOUR }),
        ...outages(dice, HOUR, ["database", "database hangs", "database answers"]),
        ...twoOfThree(dice, HOUR, ["errors"]),
      ],
    }),
  },
  {
    name: "full disk",
    subject: "gateways",
    says: "the journals' disk takes nothing for minutes",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR, each: mixed }),
        ...outages(dice, HOUR, ["disk"]),
        ...outages(dice, HOUR, ["database"]),
      ],
    }),
  },
  {
    name: "full journal",
    subject: "gateways",
    says: "the database is away until the journals are full, and what comes then waits in memory",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 2,
      journalRecords: dice.between(1, 12),
      events: [
        ...crowd(dice, { count: 200, forMs: HOUR, each: mixed }),
        ...keyed(dice, 60, HOUR),
        ...outages(dice, HOUR, ["database", "database hangs", "database answers"], 10 * MINUTE),
        ...stops(dice, 3, HOUR, 2),
        ...twoOfThree(dice, HOUR, ["errors"]),
      ],
    }),
  },
  {
    name: "crashes",
    subject: "gateways",
    says: "gateways die at any of their awaits, and start anew",
    draw: (dice) => {
      const visits = [...crowd(dice, { count: 150, forMs: HOUR, each: mixed }), ...keyed(dice, 100, HOUR)]
      return {
        forMs: HOUR,
        replicas: 2,
        events: [
          ...visits,
          ...crashes(dice, visits, 25, 2),
          ...twoOfThree(dice, HOUR, ["errors", "slow", "cuts"]),
        ],
      }
    },
  },
  {
    name: "crashes without a database",
    subject: "gateways",
    says: "gateways die while the database is away",
    draw: (dice) => {
      const visits = [...crowd(dice, { count: 150, forMs: HOUR }), ...keyed(dice, 100, HOUR)]
      return {
        forMs: HOUR,
        replicas: 2,
        events: [
          ...visits,
          ...crashes(dice, visits, 20, 2),
          ...outages(dice, HOUR, ["database", "database hangs", "database answers"]),
        ],
      }
    },
  },
  {
    name: "new versions",
    subject: "gateways",
    says: "gateways are told to stop and replaced, while streams, keyed and other requests are under way",
    draw: (dice) => {
      const visits = [
        ...crowd(dice, { count: 150, forMs: HOUR, each: mixed }),
        ...keyed(dice, 100, HOUR),
        ...crowd(dice, {
          count: 40,
          forMs: HOUR,
          name: "slow",
          each: (dice) => ({ stream: true, reads: slowly(dice) }),
        }),
      ]
      const some = stops(dice, 25, HOUR, 2).map((stop) => ({
        ...stop,
        atMs: dice.pick(visits).atMs + dice.below(2_000),
      }))
      return {
        forMs: HOUR,
        replicas: 2,
        events: [
          ...visits,
          ...some,
          ...twoOfThree(dice, HOUR, ["errors", "slow", "hangs", "cuts"]),
          ...everywhere(30 * MINUTE, 5 * MINUTE, { is: "hangs", where: dice.pick(["head", "middle"]) }),
          ...(dice.chance(0.5) ? outages(dice, HOUR, ["database"]) : []),
        ],
      }
    },
  },
  {
    name: "accounts",
    subject: "providers",
    says: "our accounts are refused, one after the other and all at once",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 200, forMs: HOUR }),
        ...crowd(dice, { count: 50, forMs: HOUR, name: "only", as: { client: "usual", model: "only-a" } }),
        ...providerNames.flatMap((name) => spells(dice, name, HOUR / 2, ["locked"])),
        ...everywhere(35 * MINUTE, 5 * MINUTE, { is: "locked", as: "auth" }),
        ...everywhere(50 * MINUTE, 5 * MINUTE, draws.locked(dice)),
      ],
    }),
  },
  {
    name: "pauses",
    subject: "gateways",
    says: "gateways stand still for seconds or minutes, longer than leases, deadlines and timeouts",
    draw: (dice) => {
      const visits = [...keyed(dice, 200, HOUR), ...crowd(dice, { count: 80, forMs: HOUR })]
      const some = pauses(dice, 40, HOUR, 2).map((pause) => ({
        ...pause,
        atMs: dice.pick(visits).atMs + dice.below(1_500),
      }))
      return { forMs: HOUR, replicas: 2, events: [...visits, ...some, ...twoOfThree(dice, HOUR, ["cuts"])] }
    },
  },
  {
    name: "budgets",
    subject: "budgets",
    says: "clients spend all that they may, alone and together, at three gateways and in one window after the other",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 3,
      budgets: budgets(dice, dice.pick([0, 7 * MINUTE, 20 * MINUTE]), dice.between(2, 12)),
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR, each: spender }),
        ...crowd(dice, { count: 30, forMs: HOUR, name: "other" }),
        ...twoOfThree(dice, HOUR, ["errors", "cuts", "slow"]),
      ],
    }),
  },
  {
    name: "budgets at their end",
    subject: "budgets",
    says: "many requests at once, at three gateways, for the little that is left of a budget",
    draw: (dice) => ({
      forMs: 20 * MINUTE,
      replicas: 3,
      limits: { requestsPerMinute: 6_000 },
      budgets: budgets(dice, dice.pick([0, 2 * MINUTE, 5 * MINUTE]), dice.between(1, 6)),
      events: [
        ...Array.from({ length: 20 }, (_, i) => {
          const fromMs = dice.below(20 * MINUTE)
          return crowd(dice, {
            count: dice.between(2, 20),
            forMs: dice.between(1, 2_000),
            name: `burst${i} `,
            each: spender,
          }).map((visit) => ({ ...visit, atMs: fromMs + visit.atMs }))
        }).flat(),
        ...crowd(dice, { count: 60, forMs: 20 * MINUTE, each: spender }),
      ],
    }),
  },
  {
    name: "budgets and crashes",
    subject: "budgets",
    says: "gateways die at any of their awaits, stop or stand still, while what they hold of budgets is spent",
    draw: (dice) => {
      const visits = [
        ...crowd(dice, {
          count: 200,
          forMs: HOUR,
          each: (dice) => ({ ...spender(dice), ...leaves(dice, 0.2) }),
        }),
        ...keyed(dice, 50, HOUR, spender),
      ]
      return {
        forMs: HOUR,
        replicas: 3,
        budgets: budgets(dice, dice.pick([0, 10 * MINUTE]), dice.between(2, 15)),
        events: [
          ...visits,
          ...crashes(dice, visits, 20, 3),
          ...stops(dice, 6, HOUR, 3),
          ...pauses(dice, 12, HOUR, 3).map((pause) => ({
            ...pause,
            atMs: dice.pick(visits).atMs + dice.below(1_500),
          })),
          ...twoOfThree(dice, HOUR, ["errors", "cuts", "hangs"]),
        ],
      }
    },
  },
  {
    name: "budgets without a database",
    subject: "budgets",
    says: "the database is away, hangs, or its answers are lost, while clients spend and gateways stop and die",
    draw: (dice) => {
      const out = outages(dice, HOUR, ["database", "database hangs", "database answers"])
      const visits = [
        ...crowd(dice, { count: 180, forMs: HOUR, each: spender }),
        // Who stops then holds what it cannot give back.
        ...out.flatMap(({ atMs }, i) =>
          crowd(dice, { count: 6, forMs: 3 * SECOND, name: `before${i} `, each: spender }).map((visit) => ({
            ...visit,
            atMs: Math.max(0, atMs - 3 * SECOND) + visit.atMs,
          })),
        ),
      ]
      return {
        forMs: HOUR,
        replicas: 2,
        budgets: budgets(dice, dice.pick([0, 10 * MINUTE]), dice.between(2, 15)),
        events: [
          ...visits,
          ...out,
          ...out.map(({ atMs }, i) => ({
            kind: "stop" as const,
            id: `stop then ${i}`,
            atMs: Math.max(0, atMs - dice.below(30 * SECOND)),
            replica: dice.below(2),
          })),
          ...(dice.chance(0.5) ? crashes(dice, visits, 8, 2) : []),
          ...twoOfThree(dice, HOUR, ["errors"]),
        ],
      }
    },
  },
  {
    name: "hedges",
    subject: "providers",
    says: "a second provider is asked when the first is late, and the first is slow, silent or cut off now and then",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, {
          count: 300,
          forMs: HOUR,
          each: (dice) => ({ ...leaves(dice, 0.05), ...hedging(dice) }),
        }),
        ...late(dice, HOUR),
      ],
    }),
  },
  {
    name: "hedges and budgets",
    subject: "budgets",
    says: "both calls of a hedged request count, while gateways die, stop or stand still",
    draw: (dice) => {
      const visits = crowd(dice, {
        count: 300,
        forMs: HOUR,
        each: (dice) => ({ ...hedging(dice), ...spender(dice), model: "hedged" }),
      })
      return {
        forMs: HOUR,
        replicas: 2,
        budgets: budgets(dice, dice.pick([0, 15 * MINUTE]), dice.between(10, 30)),
        events: [
          ...visits,
          ...late(dice, HOUR),
          ...(dice.chance(0.7) ? crashes(dice, visits, 6, 2) : []),
          ...stops(dice, 2, HOUR, 2),
          ...pauses(dice, 3, HOUR, 2),
          ...(dice.chance(0.3) ? outages(dice, HOUR, ["database", "database answers"], MINUTE) : []),
        ],
      }
    },
  },
  {
    name: "refusals",
    subject: "providers",
    says: "providers refuse single requests for reasons of their own, which says nothing of the next request",
    draw: (dice) => ({
      forMs: HOUR,
      events: [
        ...crowd(dice, { count: 250, forMs: HOUR }),
        ...providerNames.flatMap((name) =>
          spells(dice, name, HOUR, ["down"]).map((spell) => ({
            ...spell,
            trouble: errors(dice.next(), dice.next(), REFUSALS),
          })),
        ),
      ],
    }),
  },
  {
    name: "flood",
    subject: "clients",
    says: "one key sends far more than the gateway takes, at providers that are slow or hang",
    draw: (dice) => ({
      forMs: 20 * MINUTE,
      limits: {
        maxInFlight: 12,
        maxStreams: 12,
        requestsPerMinute: 6_000,
        // Nothing but the bound for one candidate is in the way of a single key then.
        ...(dice.chance(0.3) ? { maxKeyShare: 1 } : {}),
      },
      events: [
        ...crowd(dice, {
          count: 400,
          forMs: 3 * MINUTE,
          name: "flood",
          as: { client: "usual", answerTokens: 400 },
        }),
        ...crowd(dice, { count: 60, forMs: 10 * MINUTE, as: { client: "other" } }),
        ...crowd(dice, { count: 30, forMs: 1, name: "burst", as: { client: "usual" } }),
        ...everywhere(SECOND, 10 * MINUTE, { is: "slow", times: 10, toTimes: 20 }),
        weather("a", 0, dice.below(10 * MINUTE), { is: "hangs", where: "head" }),
      ],
    }),
  },
  {
    name: "anything",
    subject: "gateways",
    says: "all of the above together, as the seed has it",
    draw: (dice) => {
      const forMs = dice.between(10 * MINUTE, 3 * HOUR)
      const replicas = dice.between(1, 4)
      const all = Object.keys(draws) as ReadonlyArray<Trouble["is"]>
      const isBounded = dice.chance(0.6)
      const visits = [
        ...crowd(dice, { count: dice.between(50, 200), forMs, each: mixed }),
        ...(dice.chance(0.7) ? keyed(dice, 80, forMs) : []),
        ...(dice.chance(0.3) ? conversations(dice, 60, forMs) : []),
        ...(isBounded ? crowd(dice, { count: 60, forMs, name: "spender", each: spender }) : []),
        ...(dice.chance(0.5)
          ? crowd(dice, {
              count: 80,
              forMs,
              name: "hedged",
              each: (dice) => ({ ...(isBounded ? spender(dice) : { client: "usual" }), model: "hedged" }),
            })
          : []),
      ]
      return {
        forMs,
        replicas,
        ...(isBounded && {
          budgets: budgets(dice, dice.pick([0, 5 * MINUTE, 20 * MINUTE]), dice.between(2, 12)),
        }),
        events: [
          ...visits,
          ...(dice.chance(0.7)
            ? twoOfThree(dice, forMs, all)
            : providerNames.flatMap((name) => spells(dice, name, forMs, all))),
          ...(dice.chance(0.5) ? crashes(dice, visits, dice.between(1, 15), replicas) : []),
          ...(dice.chance(0.4)
            ? outages(dice, forMs, ["database", "database hangs", "database answers", "keys"])
            : []),
          ...(dice.chance(0.2) ? outages(dice, forMs, ["disk"]) : []),
          ...(dice.chance(0.4) ? steps(dice, forMs, replicas) : []),
          ...(dice.chance(0.4) ? stops(dice, dice.between(1, 8), forMs, replicas) : []),
          ...(dice.chance(0.2) ? pauses(dice, dice.between(1, 10), forMs, replicas) : []),
          ...(dice.chance(0.2) ? resets(dice, dice.between(1, 20), forMs, replicas) : []),
        ],
      }
    },
  },
]

/** Rows 36 to 45 of the list of faults that the gateway was specified with, each with what it promises. */
const faults: ReadonlyArray<WorldKind> = [
  {
    name: "clock jumps",
    subject: "faults",
    says: "wall clocks are set by a second, an hour, a day",
    row: 36,
    promises: "limits, breakers, leases and deadlines do not notice; no Retry-After is negative",
    draw: (dice) => ({
      forMs: HOUR,
      replicas: 2,
      events: [
        ...crowd(dice, { count: 120, forMs: HOUR, each: mixed }),
        ...crowd(dice, { count: 60, forMs: 6 * MINUTE, name: "limited", as: { client: "limited" } }),
        ...keyed(dice, 60, HOUR),
        ...twoOfThree(dice, HOUR, ["errors", "quota"]),
        ...steps(dice, HOUR, 2),
      ],
    }),
  },
  {
    name: "429 storm",
    subject: "faults",
    says: "two providers answer everything with 429 and Retry-After 30 for five minutes, then all three do",
    row: 37,
    promises:
      "with one that is well at most 1.2 calls a request, and all are answered; with none each is asked once, unless the time that it says fits the deadline, and the client told at once",
    draw: (dice) => ({
      forMs: 40 * MINUTE,
      events: [
        ...crowd(dice, { count: 150, forMs: 40 * MINUTE }),
        ...[SPELL.fromMs, 25 * MINUTE].flatMap((fromMs) =>
          crowd(dice, { count: 300, forMs: SPELL.forMs, name: `storm${fromMs} ` }).map((visit) => ({
            ...visit,
            atMs: fromMs + visit.atMs,
          })),
        ),
        ...(["a", "b"] as const).map((name) =>
          weather(name, SPELL.fromMs, SPELL.forMs, errors(1, 1, ["rate_limited"], 30 * SECOND)),
        ),
        ...everywhere(25 * MINUTE, 5 * MINUTE, errors(1, 1, ["rate_limited"], 30 * SECOND)),
      ],
    }),
    expects: (run) => {
      const offered = sightsWithin(run, SPELL.fromMs, SPELL.toMs).length
      const calls = within(run.calls, SPELL.fromMs, SPELL.toMs).length
      const storm = sightsWithin(run, 25 * MINUTE, 30 * MINUTE - 5 * SECOND)
      return [
        ...expect(calls <= 1.2 * offered + 4, `${calls} calls for ${offered} requests in the storm`),
        ...allDelivered(run, SPELL.fromMs, SPELL.toMs + 5 * MINUTE),
        ...storm.flatMap(({ code, endedAtMs = 0, ending, retryAfterMs, visit }) => {
          const asked = run.callsOf(visit)
          const waited = asked.length > 3
          return [
            ...expect(
              // A stream that was kept alive has no head any more that could tell.
              code === "upstream_rate_limited" && (ending === "broken" || (retryAfterMs ?? 0) > 0),
              `${visit.id} got ${code}, to come back after ${retryAfterMs}`,
            ),
            // Whoever comes before all are tripped, and has the time, waits as it was told.
            ...expect(
              endedAtMs - visit.atMs < (waited ? 32 : 2) * SECOND,
              `${visit.id} was not told at once`,
            ),
          ]
        }),
        ...expect(
          storm.filter(({ visit }) => run.callsOf(visit).length > 3).length <= 0.2 * storm.length,
          "many ask again of whom all are told to stay away",
        ),
        // Cooldowns of what the last calls were told are over.
        ...allDelivered(run, 30 * MINUTE + 35 * SECOND, 40 * MINUTE),
      ]
    },
  },
  {
    name: "quota used up",
    subject: "faults",
    says: "one provider's account is out of credit for twenty minutes",
    row: 38,
    promises: "one call, and then none for five minutes; nobody notices",
    draw: (dice) => ({
      forMs: 40 * MINUTE,
      events: [
        ...crowd(dice, { count: 250, forMs: 40 * MINUTE }),
        weather("a", SPELL.fromMs, 20 * MINUTE, { is: "locked", as: "quota_exhausted" }),
      ],
    }),
    expects: (run) => {
      const refused = run.calls.filter(({ outcome }) => outcome === "quota_exhausted")
      return [
        ...refused.flatMap((call) =>
          refused
            .filter((other) => {
              const sinceMs = other.atMs - (call.endedAtMs ?? 0)
              return sinceMs > 0 && sinceMs < 5 * MINUTE
            })
            .map(
              (other) =>
                `call ${other.number} is made ${other.atMs - (call.endedAtMs ?? 0)} ms after another was refused`,
            ),
        ),
        ...allDelivered(run, 0, 40 * MINUTE),
      ]
    },
  },
  {
    name: "half fails",
    subject: "faults",
    says: "one provider answers half of its calls with 500; another one takes twenty times as long, or longer and longer",
    row: 39,
    promises: "999 of 1,000 are answered, with one that is well",
    draw: (dice) => ({
      forMs: 40 * MINUTE,
      events: [
        ...crowd(dice, { count: 300, forMs: 40 * MINUTE }),
        weather("a", SPELL.fromMs, 20 * MINUTE, errors(0.5, 0.5, ["server_error"])),
        weather("b", SPELL.fromMs, 20 * MINUTE, {
          is: "slow",
          times: dice.chance(0.5) ? 20 : 1,
          toTimes: 20,
        }),
      ],
    }),
    expects: (run) => allDelivered(run, 0, 40 * MINUTE),
  },
  {
    name: "all down",
    subject: "faults",
    says: "no provider can be reached for five minutes",
    row: 40,
    promises:
      "503 with a Retry-After, at once and without a storm of retries; traffic flows as soon as one is back, tripped or not",
    draw: (dice) => ({
      forMs: 30 * MINUTE,
      events: [
        ...crowd(dice, { count: 300, forMs: 30 * MINUTE }),
        ...everywhere(SPELL.fromMs, SPELL.forMs, { is: "down" }),
      ],
    }),
    expects: (run) => [
      ...sightsWithin(run, SPELL.fromMs, SPELL.toMs - 5 * SECOND).flatMap(
        ({ endedAtMs, retryAfterMs, status, visit }) => [
          ...expect(
            status === 503 && (retryAfterMs ?? 0) > 0,
            `${visit.id} got ${status}, to come back after ${retryAfterMs} ms`,
          ),
          ...expect((endedAtMs ?? 0) - visit.atMs < 5 * SECOND, `${visit.id} was not told at once`),
        ],
      ),
      ...allDelivered(run, SPELL.toMs, 30 * MINUTE),
    ],
  },
  {
    name: "answers that are none",
    subject: "faults",
    says: "what providers send is no answer: HTML, nothing, a redirect, too much",
    row: 41,
    promises: "whoever is well answers; with none it is a 502 of ours",
    bytes: "test/http/upstream-faults.test.ts",
    draw: (dice) => ({
      forMs: 30 * MINUTE,
      events: [
        ...crowd(dice, { count: 200, forMs: 30 * MINUTE }),
        weather("a", 0, SPELL.fromMs, errors(1, 1, ["bad_response"])),
        ...everywhere(SPELL.fromMs, SPELL.forMs, errors(1, 1, ["bad_response"])),
      ],
    }),
    expects: (run) => [
      ...allDelivered(run, 0, SPELL.fromMs - 5 * SECOND),
      ...sightsWithin(run, SPELL.fromMs, SPELL.toMs - 5 * SECOND).flatMap(({ code, visit }) =>
        expect(code === "upstream_bad_response", `${visit.id} got ${code}`),
      ),
    ],
  },
  ...(
    [
      ["no TLS", "one provider's certificate does not hold, or its handshake stalls", 42],
      ["no address", "one provider's name leads nowhere", 43],
    ] as const
  ).map(
    ([name, says, row]): WorldKind => ({
      name,
      subject: "faults",
      says,
      row,
      promises: "it is told nothing, another one is asked, and nobody notices",
      bytes: "test/http/provider-sockets.test.ts",
      draw: (dice) => ({
        forMs: 30 * MINUTE,
        events: [
          ...crowd(dice, { count: 200, forMs: 30 * MINUTE }),
          weather("a", 0, 20 * MINUTE, {
            ...errors(1, 1, ["connect"]),
            afterMs: row === 42 && dice.chance(0.5) ? 3 * SECOND : 5,
          }),
        ],
      }),
      expects: (run) => allDelivered(run, 0, 30 * MINUTE),
    }),
  ),
  {
    name: "content filter",
    subject: "faults",
    says: "prompts that providers refuse for what is in them",
    row: 44,
    promises: "nobody else is asked, and the client is told so",
    draw: (dice) => ({
      forMs: 30 * MINUTE,
      events: crowd(dice, {
        count: 200,
        forMs: 30 * MINUTE,
        each: (dice) => (dice.chance(0.5) ? { mistake: "content_filter" } : {}),
      }),
    }),
    expects: (run) =>
      run.sights.flatMap(({ code, visit }) =>
        visit.mistake === undefined
          ? []
          : expect(
              run.callsOf(visit).length === 1 && code === "content_filter",
              `${visit.id} asked ${run.callsOf(visit).length} times, and got ${code}`,
            ),
      ),
  },
  {
    name: "too long",
    subject: "faults",
    says: "prompts that are too long for all models but the one for long prompts",
    row: 45,
    promises: "that one alone is asked then, and answers",
    draw: (dice) => ({
      forMs: 30 * MINUTE,
      events: crowd(dice, {
        count: 200,
        forMs: 30 * MINUTE,
        each: (dice) => (dice.chance(0.5) ? { mistake: "context_length_exceeded" } : {}),
      }),
    }),
    expects: (run) =>
      run.sights.flatMap(({ ending, visit }) => {
        const asked = run.callsOf(visit).map(({ target }) => target)
        return visit.mistake === undefined
          ? []
          : expect(
              asked.length === 2 && asked[1] === "b/big" && ending === "delivered",
              `${visit.id} was ${ending} after ${asked}`,
            )
      }),
  },
]

export const worldKinds: ReadonlyArray<WorldKind> = [...general, ...faults]

/** Visits of the end begin with it: all trouble is over by then. */
export const AFTERWARDS = "afterwards"

/** Comes to every gateway in every way, to see that nothing is left of what happened. */
const afterwards = (dice: Dice, atMs: number, replicas: number): ReadonlyArray<Visit> => {
  const ways: ReadonlyArray<Partial<Visit>> = [
    {},
    {},
    { stream: true },
    { stream: true },
    { stream: true, reads: { bytes: 16_000, everyMs: 200 } },
    { claim: { key: "afterwards", body: 0 } },
    { claim: { key: "afterwards, streamed", body: 0 }, stream: true },
  ]
  return Array.from({ length: replicas }, (_, replica) =>
    ways.flatMap((way, i) =>
      [0, 10 * SECOND].map((laterMs) =>
        visitOf(`${AFTERWARDS} ${replica} ${i} ${laterMs}`, atMs + i * SECOND + laterMs, dice, {
          client: "usual",
          stream: false,
          replica,
          promptTokens: 100,
          answerTokens: 50,
          ...way,
        }),
      ),
    ),
  ).flat()
}

/** Makes the world that a kind and a seed have. */
export const makeWorld = (kind: WorldKind, seed: string): World => {
  const {
    events,
    forMs,
    idempotency = {},
    budgets,
    journalRecords = Number.POSITIVE_INFINITY,
    limits = {},
    replicas = 1,
  } = kind.draw(new Dice(`${kind.name} ${seed}`, 0))
  const last = Math.max(forMs, ...events.map((event) => event.atMs + ("forMs" in event ? event.forMs : 0)))
  return {
    name: kind.name,
    seed,
    replicas,
    limits,
    idempotency,
    journalRecords,
    budgets,
    events: [...events, ...afterwards(new Dice(`${kind.name} ${seed} end`, 0), last + AFTERMATH_MS, replicas)]
      // Whose prompts are estimated at a fraction of what they are would teach the gateway to reserve as much more of others.
      .map((event) => (budgets !== undefined && event.kind === "visit" ? { ...event, spelled: true } : event))
      .toSorted((one, other) => one.atMs - other.atMs),
    endMs: last + 2 * AFTERMATH_MS,
  }
}
