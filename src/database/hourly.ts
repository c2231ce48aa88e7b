import { Effect, Schedule } from "effect"
import type { SqlError } from "effect/sql"
import { failureCode } from "./failure-code.ts"

const INTERVAL = "1 hour"

const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

/** Makes a round of upkeep now and then one every hour, for ever; one that fails is logged as `failed` and tried again soon. */
export const hourly = (failed: string, round: Effect.Effect<void, SqlError.SqlError>): Effect.Effect<never> =>
  round.pipe(
    Effect.tapError((error) =>
      Effect.logWarning(failed, { reason: error.reason._tag, code: failureCode(error) }),
    ),
    // A fault in the driver must not end the gateway.
    Effect.catchDefect((defect) => Effect.andThen(Effect.logError(failed, { defect }), Effect.fail(defect))),
    Effect.retry(backoff),
    Effect.repeat(Schedule.spaced(INTERVAL)),
    // Neither the retry nor the repetition ends.
    Effect.orDie,
    Effect.andThen(Effect.never),
  )
