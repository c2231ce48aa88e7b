import { Clock, Context, Effect, Layer } from "effect"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { monotonicMsUnsafe } from "../../src/platform/monotonic.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import type { TripNews } from "../../src/routing/CandidateHealth.ts"
import { TripReports } from "../../src/routing/TripReports.ts"
import { Dice } from "../fuzz/Dice.ts"
import { makeTimeline, virtualTime } from "./timeline.ts"

interface Plan {
  readonly replicas: number
  readonly failure: Failure
  /** Share of the news that is lost; absent: nobody hears of anybody. */
  readonly lostNews?: number
}

/** How every call fails in the outage. */
export interface Failure {
  readonly kind: ProviderErrorKind
  readonly afterMs: number
}

const KEY = "a/m"
/** Requests a second of each replica. */
const PER_SECOND = 10
const ANSWER_MS = 300
const NEWS_MS = { least: 1, below: 11 }
const [BEFORE_MS, OUTAGE_MS, AFTER_MS] = [5_000, 60_000, 30_000]
const DOWN_MS = BEFORE_MS + OUTAGE_MS
/** A span in which it is counted who was asked. */
const SPAN_MS = 100

/**
 * Many replicas whose best candidate is down for a minute: the real breakers in each, and between them a bus that delays and
 * loses news. Whom to ask is decided as plans do, with one other candidate that is always well.
 */
export const outage = Effect.fnUntraced(
  function* ({ failure, lostNews, replicas: count }: Plan) {
    const dice = new Dice(`outage ${count}`, 0)
    const { later, nowMs, pass } = yield* makeTimeline
    const clock = yield* Clock.Clock
    const listeners: Array<(key: string, news: TripNews) => void> = []
    const toldMs: Array<number> = []

    const reportsOf = (own: number): (typeof TripReports)["Service"] => ({
      tell: (key, news) => {
        toldMs.push(nowMs())
        if (lostNews === undefined) return
        for (const [i, hear] of listeners.entries()) {
          if (i === own || dice.chance(lostNews)) continue
          later(dice.between(NEWS_MS.least, NEWS_MS.below), () => hear(key, news))
        }
      },
      listen: (hear) =>
        Effect.sync(() => {
          listeners[own] = hear
        }),
    })
    const replicas: Array<Breakers["Service"]> = []
    for (let i = 0; i < count; i++) {
      const context = yield* Layer.build(Layer.fresh(Breakers.layer)).pipe(
        Effect.provideService(TripReports, reportsOf(i)),
      )
      replicas.push(Context.get(context, Breakers))
    }

    const call = ({ run }: Breakers["Service"], isDown: boolean) => {
      let isAnswered = false
      const attempt = isDown
        ? Effect.andThen(
            Effect.sleep(failure.afterMs),
            new ProviderError({ kind: failure.kind, provider: "a", model: "m" }),
          )
        : Effect.andThen(
            Effect.sleep(ANSWER_MS),
            Effect.sync(() => {
              isAnswered = true
            }),
          )
      const forecast = {
        ...{ expectedMs: ANSWER_MS, lateAfterMs: 3 * ANSWER_MS },
        tookMs: () => ANSWER_MS,
        isAnswering: () => isAnswered,
      }
      return Effect.ignore(run(KEY, forecast, attempt))
    }

    /** Which replicas have left the candidate alone since it is down. */
    const knowing = new Set<number>()
    let unwarned = 0
    const probesMs: Array<number> = []
    const asked = Array.from({ length: (DOWN_MS + AFTER_MS) / SPAN_MS }, () => ({ all: 0, first: 0 }))

    const arrive = Effect.suspend(() => {
      const isDown = nowMs() >= BEFORE_MS && nowMs() < DOWN_MS
      const which = dice.below(count)
      const replica = replicas[which]
      if (replica === undefined) return Effect.void
      const health = replica.healthOf(KEY)
      const monotonic = monotonicMsUnsafe(clock)
      const isBehind = health.trippedForMs(monotonic) > 0 || health.isAtLimit || health.isSuspect(monotonic)
      if (isBehind && isDown) knowing.add(which)
      const isAsked = !isBehind || health.offersProbe(monotonic, ANSWER_MS, 0.5)
      const span = asked[Math.floor(nowMs() / SPAN_MS)]
      if (span !== undefined) span.all += 1
      if (!isAsked) return Effect.void
      if (span !== undefined) span.first += 1
      if (isDown && knowing.has(which)) probesMs.push(nowMs())
      else if (isDown) unwarned += 1
      return Effect.asVoid(Effect.forkDetach(call(replica, isDown), { startImmediately: true }))
    })
    yield* pass((DOWN_MS + AFTER_MS) / 1_000, PER_SECOND * count, dice, arrive)

    const backMs = (() => {
      for (let at = DOWN_MS; at < DOWN_MS + AFTER_MS; at += SPAN_MS) {
        const second = asked.slice(at / SPAN_MS, (at + 1_000) / SPAN_MS)
        const sum = (field: "all" | "first") => second.reduce((total, span) => total + span[field], 0)
        if (sum("first") >= 0.95 * sum("all")) return at - DOWN_MS
      }
      return Number.POSITIVE_INFINITY
    })()
    return {
      /** Calls of replicas that did not know yet. */
      unwarned,
      /** Calls that failed after their replica knew, and the most of them that began in one second. */
      probes: probesMs.length,
      mostProbes: mostInASecond(probesMs),
      /** Notifications sent, and the most in one second. */
      told: toldMs.length,
      mostTold: mostInASecond(toldMs),
      /** Milliseconds from its return until 95 % of the requests of a second are sent to it again. */
      backMs,
    }
  },
  Effect.provide(virtualTime),
  Effect.scoped,
)

const mostInASecond = (times: ReadonlyArray<number>): number => {
  let [first, most] = [0, 0]
  for (const [i, ms] of times.entries()) {
    while ((times[first] ?? ms) <= ms - 1_000) first += 1
    most = Math.max(most, i - first + 1)
  }
  return most
}
