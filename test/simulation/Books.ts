import { Effect, Layer, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import type { Charge } from "../../src/domain/Budget.ts"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { type ClaimStoreShape, ClaimStoreUnavailable } from "../../src/idempotency/claim.ts"
import { hashKey } from "../../src/idempotency/fingerprint.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { makeMemoryClaims } from "../../src/idempotency/memory-claims.ts"
import type { AttemptRecord } from "../../src/ledger/LedgerRecord.ts"
import type { Dice } from "../fuzz/Dice.ts"
import type { Treasury } from "./Treasury.ts"
import type { Outage } from "./World.ts"

/** A row of `requests`, with its attempts, as the journal's line has it. */
export interface Row {
  readonly id: string
  readonly started_at_ms: number
  readonly latency_ms: number
  readonly key_id: string
  readonly route: string | null
  readonly requested_model: string
  readonly provider: string | null
  readonly model: string | null
  readonly status: number
  readonly error_code: string | null
  readonly stream: boolean
  readonly input_tokens: number | null
  readonly output_tokens: number | null
  readonly cached_tokens: number | null
  readonly usage_estimated: boolean
  readonly cost_nano_usd: number | null
  readonly cost_reason: string | null
  readonly requests: number
  /** Null: none. */
  readonly charges: ReadonlyArray<Charge> | null
  readonly attempts: ReadonlyArray<AttemptRow>
}

export interface AttemptRow {
  readonly provider: string
  readonly model: string
  readonly started_at_ms: number
  readonly latency_ms: number
  readonly outcome: AttemptRecord["outcome"]
  readonly dispatched: AttemptRecord["dispatched"]
  readonly upstream_status: number | null
  readonly input_tokens: number | null
  readonly output_tokens: number | null
  readonly cached_tokens: number | null
  readonly usage_estimated: boolean
  readonly cost_nano_usd: number | null
}

/**
 * Attempts in the order in which they were begun; the books have them as they ended. Without those that were cut off before
 * their calls left.
 */
export const attemptsOf = ({ attempts }: Row): ReadonlyArray<AttemptRow> =>
  attempts
    .filter(
      ({ dispatched, outcome }) => dispatched !== "no" || (outcome !== "cancelled" && outcome !== "hedged"),
    )
    .toSorted((one, other) => one.started_at_ms - other.started_at_ms)

type Fault = Extract<Outage["of"], `database${string}`> | undefined

/** Milliseconds that a statement takes there and back. */
const STATEMENT_MS = 2
/** The longest that anybody waits for one. */
const STATEMENT_TIMEOUT_MS = 1_500

const nameOf = (keyId: string, keyHash: Uint8Array): string =>
  `${keyId} ${Buffer.from(keyHash).toString("hex")}`

/** The database of all gateways: claims by the rules of their SQL, the two tables of the ledger, and the budgets. */
export class Books {
  /** By id: who writes a request again changes nothing. */
  readonly rows = new Map<string, Row>()
  /** Claims that have their answer. */
  readonly #stored = new Set<string>()
  readonly #dice: Dice
  readonly #fault: () => Fault
  readonly #change: (row: Row) => Row | undefined
  readonly #claims: ClaimStoreShape
  readonly #treasury: Treasury

  constructor(
    dice: Dice,
    limits: (typeof IdempotencyLimits)["Service"],
    fault: () => Fault,
    treasury: Treasury,
    change = (row: Row): Row | undefined => row,
  ) {
    this.#dice = dice
    this.#claims = Effect.runSync(Effect.provideService(makeMemoryClaims, IdempotencyLimits, limits))
    this.#fault = fault
    this.#treasury = treasury
    this.#change = change
  }

  /** What the processes see of it: the claims are the same for all of them. */
  get layer() {
    return Layer.merge(
      Layer.succeed(ClaimStore, this.#overTheWire(this.#claims)),
      Layer.effect(SqlClient.SqlClient, this.#sql).pipe(Layer.provide(Reactivity.layer)),
    )
  }

  /** Tells whether an Idempotency-Key has its answer. */
  hasAnswer(keyId: string, key: string): boolean {
    return this.#stored.has(nameOf(keyId, hashKey(key)))
  }

  #overTheWire(claims: ClaimStoreShape): ClaimStoreShape {
    const over = <A>(statement: Effect.Effect<A, ClaimStoreUnavailable>) =>
      Effect.timeoutOrElse(
        this.#statement(statement, () => new ClaimStoreUnavailable({ message: "ConnectionError" })),
        {
          duration: STATEMENT_TIMEOUT_MS,
          orElse: () => Effect.fail(new ClaimStoreUnavailable({ message: "StatementTimeoutError" })),
        },
      )
    return {
      claim: (id, fingerprint, owner) => over(claims.claim(id, fingerprint, owner)),
      renew: (id, owner) => over(claims.renew(id, owner)),
      complete: (id, owner, response) =>
        over(
          Effect.tap(claims.complete(id, owner, response), (isOwn) =>
            Effect.sync(() => isOwn && this.#stored.add(nameOf(id.keyId, id.keyHash))),
          ),
        ),
      fetch: (id, fingerprint) => over(claims.fetch(id, fingerprint)),
      release: (id, owner) => over(claims.release(id, owner)),
      cleanup: (limit) => over(claims.cleanup(limit)),
    }
  }

  /** A statement and its answer on their ways, either of which may be lost. */
  #statement<A, E>(statement: Effect.Effect<A, E>, lost: () => E): Effect.Effect<A, E> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.sleep(STATEMENT_MS / 2)
      const fault = this.#fault()
      if (fault === "database") return yield* Effect.fail(lost())
      if (fault === "database hangs" && this.#dice.chance(0.5)) return yield* Effect.never
      const answer = yield* statement
      yield* Effect.sleep(STATEMENT_MS / 2)
      if (fault === "database hangs") return yield* Effect.never
      if (fault === "database answers" && this.#dice.chance(0.5)) return yield* Effect.fail(lost())
      return answer
    })
  }

  readonly #sql = Effect.suspend(() => {
    const refused = () =>
      new SqlError.SqlError({
        reason: new SqlError.ConnectionError({ cause: "lost", message: "lost", operation: "execute" }),
      })
    const execute: SqlConnection.Connection["execute"] = (sql, params) => {
      const does = this.#meaningOf(sql)
      if (does === undefined) return Effect.die(new Error(`no such statement here: ${sql}`))
      return this.#statement(
        Effect.sync(() => does(params.map(String))),
        refused,
      )
    }
    const connection: SqlConnection.Connection = {
      execute,
      executeRaw: (sql, params) => execute(sql, params, undefined),
      executeStream: () => Stream.die(new Error("not used")),
      executeValues: () => Effect.die(new Error("not used")),
      executeValuesUnprepared: () => Effect.die(new Error("not used")),
      executeUnprepared: execute,
    }
    return SqlClient.make({
      acquirer: Effect.succeed(connection),
      compiler: Statement.makeCompilerSqlite(),
      driver: "books",
      spanAttributes: [],
    })
  })

  /** What a statement does; undefined: there is none like it here. */
  #meaningOf(sql: string): ((params: ReadonlyArray<string>) => ReadonlyArray<object>) | undefined {
    if (sql.includes("INSERT INTO requests")) return ([batch = "[]"]) => this.#insert(batch)
    if (sql.includes("exchange_budget_leases("))
      return ([holder = "", asks = "[]"]) => this.#treasury.exchange(holder, JSON.parse(asks))
    if (sql.includes("UPDATE budget_leases"))
      return ([holder = ""]) => {
        this.#treasury.release(holder)
        return []
      }
    return undefined
  }

  #insert(batch: string): ReadonlyArray<never> {
    const rows: ReadonlyArray<Row> = JSON.parse(batch)
    for (const row of rows) {
      const written = this.#change(row)
      if (written === undefined || this.rows.has(row.id)) continue
      this.rows.set(row.id, written)
      this.#treasury.settle(written.charges ?? [])
    }
    return []
  }
}
