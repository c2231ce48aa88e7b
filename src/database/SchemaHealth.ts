import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { answerWithin } from "./answer-within.ts"
import { schemaDifferences } from "./schema-differences.ts"

const LOOK_EVERY = "1 minute"
const LOOK_TIMEOUT = "5 seconds"

/** Differences that are named; a table that was restored halfway may have a hundred. */
const MAX_NAMED = 5

/**
 * Knows whether the schema is the one that this version needs. Migrations are not enough to know that: a restore may
 * have been cut off, a column dropped by hand, and a newer version may come while this one runs.
 */
export class SchemaHealth extends Context.Service<
  SchemaHealth,
  {
    /** What is off, in a line; undefined when nothing is, as far as it is known. */
    readonly fault: () => string | undefined
    /** Looks once. What it finds it logs when it is news; a database that does not answer is no finding. */
    readonly look: Effect.Effect<void>
    /** Looks every minute, for ever. To be started when the schema has been migrated. */
    readonly watch: Effect.Effect<never>
  }
>()("gateway/database/SchemaHealth") {
  static readonly layer = Layer.effect(
    SchemaHealth,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      let fault: string | undefined
      const look = schemaDifferences.pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        answerWithin(LOOK_TIMEOUT),
        Effect.map(summarize),
        Effect.flatMap((found) => {
          if (found === fault) return Effect.void
          fault = found
          return found === undefined
            ? Effect.logInfo("The database's schema is whole again")
            : Effect.logError(`The database is not as this version needs it: ${found}`)
        }),
        Effect.ignore,
      )
      return SchemaHealth.of({
        fault: () => fault,
        look,
        watch: Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY), look)),
      })
    }),
  )
}

const summarize = (differences: ReadonlyArray<string>): string | undefined => {
  if (differences.length === 0) return undefined
  const more = differences.length - MAX_NAMED
  return differences.slice(0, MAX_NAMED).join(", ") + (more > 0 ? `, and ${more} more` : "")
}
