import { Effect } from "effect"
import { type Failure, outage } from "./breakers.ts"
import { spendTogether } from "./budgets.ts"
import { enterTogether, limitTogether } from "./limits.ts"
import { modelOf } from "./model.ts"

/** A table of docs/scaling.md that the code makes. */
export interface PageTable {
  readonly name: string
  readonly head: ReadonlyArray<string>
  /** What each row is of: replicas of a simulated fleet, or requests a second. */
  readonly sizes: ReadonlyArray<number>
  readonly row: (size: number) => Effect.Effect<ReadonlyArray<string>>
}

const SIZES = [1, 3, 10, 30, 100]

export const whole = (n: number): string => Math.round(n).toLocaleString("en")
const tenths = (n: number): string => n.toFixed(1)
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const limits: PageTable = {
  name: "limits",
  sizes: SIZES,
  head: [
    "replicas",
    "600 a minute, as many asked",
    "60,000, as many",
    "6,000, five times as many",
    "of that used, even",
    "one hot",
    "over it",
    "500 in flight: used",
  ],
  row: (replicas) =>
    Effect.sync(() => {
      const full = limitTogether({ replicas, limit: 6_000, times: 5 })
      const hot = limitTogether({ replicas, limit: 6_000, times: 5, isHot: true })
      return [
        whole(replicas),
        tenths(limitTogether({ replicas, limit: 600, times: 1 }).perSecond),
        tenths(limitTogether({ replicas, limit: 60_000, times: 1 }).perSecond),
        tenths(full.perSecond),
        percent(full.share),
        percent(hot.share),
        percent(Math.max(full.beyond, hot.beyond) / 6_000),
        percent(enterTogether(replicas, 500).share),
      ]
    }),
}

/** Ten seconds of what is asked for at the end of a budget, as calls cost on average. */
const END = { room: 1_200, seconds: 30, perSecond: 200 }

const budgets: PageTable = {
  name: "budgets",
  sizes: SIZES,
  head: [
    "replicas",
    "exchanges/s, ten requests/s each",
    "most in a second",
    "at the end",
    "used at the first refusal",
    "used at last",
    "the same, one hot",
    "held by the dead tenth",
  ],
  row: Effect.fnUntraced(function* (replicas) {
    const usual = yield* spendTogether({ replicas, room: 1e6, seconds: 20, perSecond: 10 * replicas })
    const end = yield* spendTogether({ replicas, ...END })
    const hot = yield* spendTogether({ replicas, ...END, isHot: true })
    const crashed = yield* spendTogether({ replicas, ...END, room: 2_000, crashAtS: 5 })
    return [
      whole(replicas),
      tenths(usual.perSecond),
      whole(usual.mostPerSecond),
      tenths(end.perSecond),
      percent(end.usedWhenRefused),
      percent(end.used),
      percent(hot.used),
      `${whole(crashed.heldCalls)} calls`,
    ]
  }),
}

const breakers = (name: string, failure: Failure): PageTable => ({
  name,
  sizes: SIZES,
  head: [
    "replicas",
    "failed before its replica knew: alone",
    "with news",
    "probes that failed: alone",
    "with news",
    "notifications",
    "most in a second",
    "back after: alone",
    "with news",
  ],
  row: Effect.fnUntraced(function* (replicas) {
    const alone = yield* outage({ replicas, failure })
    const heard = yield* outage({ replicas, failure, lostNews: 0.01 })
    return [
      whole(replicas),
      whole(alone.unwarned),
      whole(heard.unwarned),
      whole(alone.probes),
      whole(heard.probes),
      whole(heard.told),
      whole(heard.mostTold),
      `${tenths(alone.backMs / 1_000)} s`,
      `${tenths(heard.backMs / 1_000)} s`,
    ]
  }),
})

const model: PageTable = {
  name: "model",
  sizes: [1e3, 1e4, 1e5, 1e6],
  head: [
    "requests/s",
    "replicas, whole answers",
    "replicas, streams",
    "open streams",
    "their memory",
    "connections",
    "ledger: batches/s",
    "its cores",
    "GB a day",
    "limits: cores",
    "one budget: exchanges/s",
    "all else: cores",
  ],
  row: (perSecond) =>
    Effect.sync(() => {
      const made = modelOf(perSecond)
      return [
        ...[perSecond, made.wholeReplicas, made.replicas, made.openStreams].map(whole),
        `${tenths(made.streamGiB)} GiB`,
        ...[made.connections, made.batches].map(whole),
        tenths(made.ledgerCores),
        whole(made.gigabytesADay),
        tenths(made.limitCores),
        whole(made.budgetExchanges),
        tenths(made.otherCores),
      ]
    }),
}

export const tables: ReadonlyArray<PageTable> = [
  model,
  limits,
  budgets,
  breakers("refuses", { kind: "connect", afterMs: 5 }),
  breakers("fails", { kind: "server_error", afterMs: 300 }),
  breakers("hangs", { kind: "timeout", afterMs: 10_000 }),
]
