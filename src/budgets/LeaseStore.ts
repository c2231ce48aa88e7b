import { Context, Data, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"

/** What a process asks for of one budget: sums as of now, so that asking again changes nothing twice. */
export interface LeaseAsk {
  readonly budgetId: number
  /** Window of the lease that the process has; null: it has none, or one of the window that has no beginning. */
  readonly startsAtMs: number | null
  readonly returned: number
  /** Null: it does not remember. */
  readonly charged: number | null
  /** The smallest of the requests that wait, 0 for none, and all of them together. */
  readonly least: number
  readonly need: number
  /** What it would like to have free. */
  readonly want: number
}

/** What the database says of a budget in its present window. */
export interface LeaseAnswer {
  readonly budgetId: number
  readonly startsAtMs: number | null
  /** Null: never. */
  readonly endsInMs: number | null
  readonly granted: number
  readonly returned: number
  readonly charged: number
  readonly limitNanoUsd: number
  /** What neither was spent nor is held by anybody; less than 0 where the limit was lowered. */
  readonly leftNanoUsd: number
}

class LeasesUnavailable extends Data.TaggedError("LeasesUnavailable")<{ readonly cause: unknown }> {}

const ANSWER_TIMEOUT = "800 millis"

/** Keeps what every process holds of every budget. */
export class LeaseStore extends Context.Service<
  LeaseStore,
  {
    /** Budgets that do not exist have no answer. */
    readonly exchange: (
      asks: ReadonlyArray<LeaseAsk>,
    ) => Effect.Effect<ReadonlyArray<LeaseAnswer>, LeasesUnavailable>
  }
>()("gateway/budgets/LeaseStore") {
  /** `holder` names the process in what it settles too. */
  static readonly layerPostgres = (holder: string) =>
    Layer.effect(
      LeaseStore,
      Effect.map(SqlClient.SqlClient, (sql) =>
        LeaseStore.of({
          exchange: (asks) =>
            sql`
              SELECT
                budget::float8 AS "budgetId", starts_at_ms AS "startsAtMs", ends_in_ms AS "endsInMs",
                granted::float8, returned::float8, charged::float8,
                limit_nano_usd::float8 AS "limitNanoUsd", left_nano_usd::float8 AS "leftNanoUsd"
              FROM exchange_budget_leases(${holder}, ${JSON.stringify(asks.map(toLine))}::jsonb)`.pipe(
              Effect.flatMap(decodeAnswers),
              answerWithin(ANSWER_TIMEOUT),
              Effect.mapError((cause) => new LeasesUnavailable({ cause })),
            ),
        }),
      ),
    )
}

const toLine = ({ budgetId, startsAtMs, returned, charged, least, need, want }: LeaseAsk) => ({
  budget: budgetId,
  starts_at_ms: startsAtMs,
  ...{ returned, charged, least, need, want },
})

const decodeAnswers = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      budgetId: Schema.Int,
      startsAtMs: Schema.NullOr(Schema.Finite),
      endsInMs: Schema.NullOr(Schema.Finite),
      granted: Schema.Int,
      returned: Schema.Int,
      charged: Schema.Int,
      limitNanoUsd: Schema.Int,
      leftNanoUsd: Schema.Int,
    }),
  ),
)
