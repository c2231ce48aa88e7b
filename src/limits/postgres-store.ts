import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import type { Exchange, LimitStore } from "./limit-store.ts"

/** The longest that a request waits. */
const TIMEOUT_MS = 250

/** Makes the store that is in the functions and tables of migrations 0017 and 0024. */
export const makePostgresStore = Effect.fnUntraced(function* (timeoutMs: number = TIMEOUT_MS) {
  const sql = yield* SqlClient.SqlClient
  const exchange = Effect.fnUntraced(function* (asked: Exchange) {
    const rows = yield* sql`
      SELECT name, granted, used, asked, epoch, now_ms AS "nowMs", replicas
      FROM exchange_limits(
        ${asked.holder}, ${asked.expectedMs}::float8, ${asked.replicas}::int, ${JSON.stringify(asked.asks)}::json
      )`
    const answers = yield* decodeAnswers(rows)
    const { nowMs, replicas } = answers.at(-1) ?? { nowMs: 0, replicas: 1 }
    return { nowMs, replicas, answers: new Map(answers.map((answer) => [answer.name, answer])) }
  }, answerWithin(timeoutMs))
  const store: LimitStore = {
    exchange: (asked) =>
      asked.sweeps
        ? Effect.tap(exchange(asked), () => Effect.forkDetach(Effect.ignore(sql`SELECT sweep_limits()`)))
        : exchange(asked),
  }
  return store
})

const decodeAnswers = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      granted: Schema.Finite,
      used: Schema.Finite,
      asked: Schema.Finite,
      epoch: Schema.Finite,
      nowMs: Schema.Finite,
      replicas: Schema.Int,
    }),
  ),
)
