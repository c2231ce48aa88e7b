import { Clock, Context, Effect, Layer } from "effect"
import { OperatorRest } from "../domain/OperatorRest.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { CandidateHealth } from "./CandidateHealth.ts"
import { TripReports } from "./TripReports.ts"

/** How candidates are, from calls here and from what others tell. It outlives a change of the configuration. */
export class HealthMemory extends Context.Service<
  HealthMemory,
  {
    /** Health of a candidate of the configuration. */
    readonly healthOf: (key: string) => CandidateHealth
    /** Forgets what is known of a provider's candidates, those of former configurations included. */
    readonly reset: (provider: string) => void
  }
>()("gateway/routing/HealthMemory") {
  static readonly layer = Layer.effect(
    HealthMemory,
    Effect.suspend(() => make()),
  )
}

/** Candidates of which others are heard: those of any configuration, and not whatever somebody says. */
const MAX_HEARD = 10_000

/** Returns the provider of a candidate's key, `provider/model`. */
export const providerOf = (key: string): string => key.slice(0, key.indexOf("/"))

const make = Effect.fnUntraced(function* () {
  const { listen, tell } = yield* TripReports
  const clock = yield* Clock.Clock
  const healths = new Map<string, CandidateHealth>()
  const accounts = new Map<string, OperatorRest>()

  const makeHealth = (key: string) => {
    const account = getOrInsert(accounts, providerOf(key), () => new OperatorRest())
    return new CandidateHealth(account, (news) => tell(key, news))
  }

  const healthOf = (key: string): CandidateHealth => getOrInsert(healths, key, makeHealth)

  yield* listen((key, news) => {
    if (healths.has(key) || healths.size < MAX_HEARD) healthOf(key).hear(monotonicMsUnsafe(clock), news)
  })

  return HealthMemory.of({
    healthOf,
    reset: (provider) => {
      for (const [key, health] of healths) if (providerOf(key) === provider) health.reset()
    },
  })
})
