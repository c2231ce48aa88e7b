import { type Duration, Effect, Fiber } from "effect"
import { SqlError } from "effect/sql"
import { deadline } from "../platform/deadline.ts"

/**
 * Sets a deadline for a database call on a request's path. `Effect.timeout` is not enough: the interruption of a
 * statement waits up to five seconds for the server's goodbye, and the one that hangs never says it. Here the caller
 * leaves at the deadline and the statement is cleaned up behind it. Covers waiting for a connection too.
 */
export const answerWithin =
  (duration: Duration.Input) =>
  <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.flatMap(Effect.forkDetach(call, { startImmediately: true }), (fiber) =>
      Fiber.join(fiber).pipe(
        Effect.raceFirst(deadline(duration, noAnswer)),
        Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe())),
      ),
    )

function noAnswer(): SqlError.SqlError {
  const message = "The database did not answer in time"
  return new SqlError.SqlError({
    reason: new SqlError.ConnectionError({ message, cause: new Error(message), operation: "query" }),
  })
}
