import { Context, Effect, type Scope } from "effect"
import type { TripNews } from "./CandidateHealth.ts"

/** How processes that ask the same providers tell each other of trips. By itself, nobody is told. */
export const TripReports = Context.Reference<{
  /** Tells all others of a candidate's trip. `key` is `provider/model`. */
  readonly tell: (key: string, news: TripNews) => void
  /** Hears of theirs, for as long as the scope lasts. */
  readonly listen: (hear: (key: string, news: TripNews) => void) => Effect.Effect<void, never, Scope.Scope>
}>("gateway/routing/TripReports", { defaultValue: () => ({ tell: () => {}, listen: () => Effect.void }) })
