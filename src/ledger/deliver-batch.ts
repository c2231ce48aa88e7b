import { Effect, Metric, Schedule } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { failureCode } from "../database/failure-code.ts"
import { schemaState } from "../database/migrations.ts"
import { ledgerDropped, ledgerWriteFailures, ledgerWritten } from "../observability/Metrics.ts"
import { type LedgerEntry, withoutFreeForm } from "./ledger-entry.ts"
import type { WriterHealth } from "./WriterHealth.ts"
import { isRecordAtFault, writeBatch } from "./write-batch.ts"

/** A connection that went silent must not hold the ledger for ever; repeating the batch is harmless. */
const WRITE_TIMEOUT = "30 seconds"

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
)

interface Failure {
  readonly error: SqlError.SqlError
  /** Repeating the batch helps nobody: something in it is refused. */
  readonly isOfRecord: boolean
}

/**
 * Gets the whole batch into the database, but for the records that the database refuses. It never fails, it waits.
 */
export const deliverBatch = (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<LedgerEntry>,
  health: WriterHealth,
): Effect.Effect<void> =>
  writeBatch(sql, entries).pipe(
    Effect.catch((error) =>
      Effect.flatMap(isOfRecord(sql, error), (isOfRecord) => Effect.fail<Failure>({ error, isOfRecord })),
    ),
    Effect.timeoutOrElse({ duration: WRITE_TIMEOUT, orElse: () => Effect.fail(unanswered("timeout")) }),
    // A fault in the driver must not end the writer: nobody would notice until the journal is full.
    Effect.catchDefect((defect) => Effect.fail(unanswered(defect))),
    Effect.tapError((failure) => reportFailure(failure, health)),
    Effect.retry({ schedule: backoff, while: (failure) => !failure.isOfRecord }),
    Effect.tap(() => Effect.sync(() => health.answered())),
    Effect.andThen(Metric.update(ledgerWritten, entries.length)),
    Effect.catch(({ error }) => isolate(sql, entries, error, health)),
  )

/**
 * A schema that a newer version has made, and that refuses this one, may refuse any record of it. Such records wait in the
 * journal for a gateway of that version; so they do while nobody can say.
 */
const isOfRecord = (sql: SqlClient.SqlClient, error: SqlError.SqlError): Effect.Effect<boolean> =>
  isRecordAtFault(error)
    ? schemaState.pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.map(({ refuses }) => !refuses),
        Effect.orElseSucceed(() => false),
      )
    : Effect.succeed(false)

/** Halves the batch until the record that the database refuses stands alone, and saves of that what it can. */
const isolate = (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<LedgerEntry>,
  error: SqlError.SqlError,
  health: WriterHealth,
): Effect.Effect<void> => {
  const [first] = entries
  if (first === undefined) return Effect.void
  if (entries.length > 1) {
    const middle = entries.length >> 1
    return Effect.andThen(
      deliverBatch(sql, entries.slice(0, middle), health),
      deliverBatch(sql, entries.slice(middle), health),
    )
  }
  const about = { requestId: first.id, code: failureCode(error) }
  // Those parts alone are as a provider wrote them: nested deeper than the database reads, say.
  const bare = withoutFreeForm(first)
  return bare === undefined
    ? Effect.andThen(
        Metric.update(ledgerDropped("refused"), 1),
        Effect.logError("ledger record refused by the database, dropped", about),
      )
    : Effect.andThen(
        Effect.logWarning("ledger record refused by the database, tried without its usage block", about),
        deliverBatch(sql, [bare], health),
      )
}

const reportFailure = ({ error, isOfRecord }: Failure, health: WriterHealth) => {
  if (isOfRecord) health.answered()
  else health.failed(error)
  return Effect.andThen(
    Metric.update(ledgerWriteFailures, 1),
    Effect.logWarning("ledger batch not written", { reason: error.reason._tag, code: failureCode(error) }),
  )
}

const unanswered = (cause: unknown): Failure => ({
  error: new SqlError.SqlError({
    reason: new SqlError.ConnectionError({ cause, message: "batch not answered", operation: "writeBatch" }),
  }),
  isOfRecord: false,
})
