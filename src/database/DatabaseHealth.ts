import { Context, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { answerWithin } from "./answer-within.ts"

const PROBE_EVERY = "2 seconds"
const PROBE_TIMEOUT = "1 second"

/** Reports whether the database answered its last probe; nothing is admitted or refused by it. */
export class DatabaseHealth extends Context.Service<DatabaseHealth, { readonly reachable: () => boolean }>()(
  "gateway/database/DatabaseHealth",
) {
  static readonly layer = Layer.effect(
    DatabaseHealth,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      let reachable = false
      const probe = sql`SELECT 1`.pipe(
        answerWithin(PROBE_TIMEOUT),
        Effect.isSuccess,
        Effect.flatMap((answered) => {
          if (answered === reachable) return Effect.void
          reachable = answered
          return answered
            ? Effect.logInfo("The database answers")
            : Effect.logWarning("The database does not answer")
        }),
      )
      yield* probe
      yield* probe.pipe(Effect.repeat(Schedule.spaced(PROBE_EVERY)), Effect.forkScoped)
      return DatabaseHealth.of({ reachable: () => reachable })
    }),
  )
}
