import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { TimeRange } from "../../domain/TimeRange.ts"

/** Reports how far a check that takes long has come. */
export type CheckProgress = (done: number, total: number, what: string) => Effect.Effect<void>

/** The part of the ledger that its checks look at, and their limits. */
export interface LedgerSubject {
  readonly sql: SqlClient.SqlClient
  readonly span: TimeRange
  /** The database's clock. */
  readonly nowMs: number
  readonly retentionDays: number | undefined
  /** A check ends after this long with what it has seen. */
  readonly budgetMs: number
  readonly progress: CheckProgress
}
