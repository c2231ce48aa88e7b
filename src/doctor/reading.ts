import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import type { Span } from "../ledger/tables/partitions.ts"

/** Nothing is read in one go that could take longer than this, or hold up an embedded database noticeably. */
const PATIENCE = "1 minute"

/** A statement that the database itself keeps from changing anything. */
export const reading = <A>(
  sql: SqlClient.SqlClient,
  statement: Effect.Effect<A, SqlError.SqlError>,
): Effect.Effect<A, SqlError.SqlError> =>
  sql`SET TRANSACTION READ ONLY`.pipe(Effect.andThen(statement), sql.withTransaction, answerWithin(PATIENCE))

/** How far a check that takes long has come. */
export type Progress = (done: number, total: number, what: string) => Effect.Effect<void>

/** What the checks of the ledger's rows and rollups are about. */
export interface Subject {
  readonly sql: SqlClient.SqlClient
  readonly span: Span
  /** The database's clock. */
  readonly nowMs: number
  readonly retentionDays: number | undefined
  /** A check ends after this long with what it has seen. */
  readonly budgetMs: number
  readonly progress: Progress
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

export const isoOf = (ms: number): string => new Date(ms).toISOString()

/** Whole UTC hours or days around a span. */
export const widened = ({ fromMs, toMs }: Span, unitMs: number): Span => ({
  fromMs: Math.floor(fromMs / unitMs) * unitMs,
  toMs: Math.ceil(toMs / unitMs) * unitMs,
})
