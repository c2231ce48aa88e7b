import { Context, Effect, Latch, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import type { Attribution } from "../domain/Attribution.ts"
import { BUDGET_PERIODS, type Budget } from "../domain/Budget.ts"

const POLL_EVERY = "300 millis"
const QUERY_TIMEOUT = "3 seconds"

/** Budgets that are no key's and no team's: of the whole gateway, of users and of tags. */
export class SharedBudgets extends Context.Service<
  SharedBudgets,
  {
    /** Returns those that a request counts against; undefined before they could be read. */
    readonly of: (attribution: Attribution) => ReadonlyArray<Budget> | undefined
    /** Waits until they could be read. */
    readonly known: Effect.Effect<void>
  }
>()("gateway/budgets/SharedBudgets") {
  /** Reads them again within a second of a change. While the database does not answer, those hold that were read last. */
  static readonly layer = Layer.effect(
    SharedBudgets,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const known = Latch.makeUnsafe(false)
      let version: bigint | undefined
      let book = new Book([])

      const poll = Effect.gen(function* () {
        const [{ version: latest }] = yield* decodeVersion(yield* sql`SELECT version FROM budget_changes`)
        if (latest === version) return
        // A change between the two statements is seen by the next poll.
        const rows = yield* sql`
          SELECT id::float8, scope, subject, period, limit_nano_usd::float8 AS "limitNanoUsd" FROM budgets
          WHERE scope IN ('gateway', 'user', 'tag') ORDER BY id`
        book = new Book(yield* decodeBudgets(rows))
        version = latest
        known.openUnsafe()
      })
      yield* poll.pipe(
        answerWithin(QUERY_TIMEOUT),
        Effect.catchCause((cause) => Effect.logDebug("budgets cannot be read", cause)),
        Effect.repeat(Schedule.fixed(POLL_EVERY)),
        Effect.forkScoped({ startImmediately: true }),
      )
      return SharedBudgets.of({
        of: (attribution) => (version === undefined ? undefined : book.of(attribution)),
        known: known.await,
      })
    }),
  )

  static readonly layerTest = (budgets: ReadonlyArray<Budget>) => {
    const book = new Book(budgets)
    return Layer.succeed(SharedBudgets, { of: (attribution) => book.of(attribution), known: Effect.void })
  }
}

const NONE: ReadonlyArray<Budget> = []

class Book {
  readonly #everybodys: ReadonlyArray<Budget>
  readonly #bySubject: ReadonlyMap<string, ReadonlyArray<Budget>>

  constructor(budgets: ReadonlyArray<Budget>) {
    this.#everybodys = budgets.filter(({ scope }) => scope === "gateway")
    this.#bySubject = Map.groupBy(
      budgets.filter(({ scope }) => scope !== "gateway"),
      ({ scope, subject }) => `${scope} ${subject}`,
    )
  }

  of({ tags, user }: Attribution): ReadonlyArray<Budget> {
    if (this.#bySubject.size === 0 || (user === undefined && tags.length === 0)) return this.#everybodys
    return [
      ...this.#everybodys,
      ...(user === undefined ? NONE : (this.#bySubject.get(`user ${user}`) ?? NONE)),
      ...tags.flatMap((tag) => this.#bySubject.get(`tag ${tag}`) ?? NONE),
    ]
  }
}

const decodeVersion = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ version: Schema.BigInt })]))
const decodeBudgets = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      id: Schema.Int,
      scope: Schema.Literals(["user", "tag", "gateway"]),
      subject: Schema.String,
      period: Schema.Literals(BUDGET_PERIODS),
      limitNanoUsd: Schema.Int,
    }),
  ),
)
