import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { checkKeys } from "../auth/checks.ts"
import { checkPrices, checkProviders } from "../config/checks.ts"
import { Settings } from "../config/Settings.ts"
import { checkClock, checkSchema, checkServer } from "../database/checks.ts"
import { Database } from "../database/Database.ts"
import { hasDatabase } from "../database/embedded/Embedded.ts"
import { failureCode } from "../database/failure-code.ts"
import { type Finding, fail, ok, several, skipped, warn } from "../domain/Finding.ts"
import { HOUR_MS, type TimeRange } from "../domain/TimeRange.ts"
import { checkClaims } from "../idempotency/checks.ts"
import { checkJournal } from "../ledger/checks/check-journal.ts"
import { checkPartitions } from "../ledger/checks/check-partitions.ts"
import { checkRollupLevels } from "../ledger/checks/check-rollup-levels.ts"
import { checkRollups } from "../ledger/checks/check-rollups.ts"
import { checkRows } from "../ledger/checks/check-rows.ts"
import { checkWriting } from "../ledger/checks/check-writing.ts"
import type { CheckProgress, LedgerSubject } from "../ledger/checks/LedgerSubject.ts"

/** Length of the span that is checked by default, and how long each check of it may take. */
const DEFAULT_HOURS = 24
const BUDGET_MS = 2 * 60_000

interface Diagnosis {
  readonly span: TimeRange
  readonly findings: ReadonlyArray<Finding>
}

interface Asked {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly progress: CheckProgress
}

/** Connections of its own, where the server ends what takes too long. */
const pool = Database.layerPool({
  applicationName: "llm-gateway doctor",
  maxConnections: 1,
  statementTimeoutMs: 55_000,
})

const ledgerChecks = ["ledger", "partitions", "rollups", "rollup_levels", "attempts", "costs", "values"]

/**
 * Looks at everything that can be looked at without changing it. A check that could not be made says so, and none keeps
 * the others from being made.
 */
export const diagnose = (asked: Asked): Effect.Effect<Diagnosis, never, Settings> =>
  Effect.gen(function* () {
    const { dataDir, databaseUrl, retentionDays, gateway } = yield* Settings
    const nowMs = yield* Clock.currentTimeMillis
    const findings: Array<Finding> = [
      ok("settings", {
        summary: `right; requests are kept ${retentionDays === undefined ? "for ever" : `for ${several(retentionDays, "day")}`}`,
      }),
      checkProviders(gateway),
      checkPrices(gateway),
    ]
    const toMs = asked.toMs ?? nowMs
    const span = { fromMs: asked.fromMs ?? toMs - DEFAULT_HOURS * HOUR_MS, toMs }
    // Opening an embedded database would make it.
    const nothingYet = databaseUrl === undefined && !hasDatabase(dataDir)
    const database = nothingYet
      ? undefined
      : yield* Effect.result(Layer.build(Layer.fresh(pool.pipe(Layer.provideMerge(Database.layerClient)))))
    if (database === undefined) {
      findings.push(
        warn("database", {
          summary: "DATA_DIR has no database yet: no gateway has run here",
          next: "Run: npm start",
        }),
      )
    } else if (database._tag === "Failure") {
      findings.push(fail("database", { summary: database.failure.message, next: "Mend that first." }))
    }
    const services = database?._tag === "Success" ? database.success : undefined
    const fromDatabase =
      services === undefined
        ? undefined
        : yield* Effect.provide(
            diagnoseDatabase({
              ...asked,
              span,
              nowMs,
              retentionDays,
              budgetMs: asked.fromMs === undefined ? BUDGET_MS : Number.POSITIVE_INFINITY,
            }),
            services,
          )
    findings.push(...(fromDatabase?.findings ?? []))
    const known = new Set(findings.map(({ check }) => check))
    for (const check of ["clock", "schema", "keys", "claims", ...ledgerChecks]) {
      if (!known.has(check)) findings.push(skipped(check, "not checked without the database's schema"))
    }
    const sql =
      services !== undefined && fromDatabase?.usable === true
        ? Context.get(services, SqlClient.SqlClient)
        : undefined
    findings.push(yield* checkJournal(dataDir, gateway.ledger, nowMs, sql))
    return { span, findings }
  }).pipe(Effect.scoped)

const diagnoseDatabase = Effect.fnUntraced(function* (options: Omit<LedgerSubject, "sql">) {
  const { kind } = yield* Database
  const sql = yield* SqlClient.SqlClient
  const findings: Array<Finding> = []
  const server = yield* Effect.result(checkServer(kind))
  if (server._tag === "Failure") {
    findings.push(unanswered("database", server.failure))
    return { findings, usable: false }
  }
  findings.push(server.success)
  const clock = yield* Effect.result(checkClock)
  findings.push(clock._tag === "Success" ? clock.success.finding : unanswered("clock", clock.failure))
  const schema = yield* Effect.result(checkSchema)
  findings.push(schema._tag === "Success" ? schema.success.finding : unanswered("schema", schema.failure))
  if (schema._tag === "Failure" || !schema.success.usable) return { findings, usable: false }

  const subject: LedgerSubject = {
    ...options,
    sql,
    nowMs: clock._tag === "Success" ? clock.success.databaseMs : options.nowMs,
  }
  const single = (check: string, finding: Effect.Effect<Finding, SqlError.SqlError, SqlClient.SqlClient>) =>
    Effect.catch(finding, (error) => Effect.succeed(unanswered(check, error)))
  findings.push(
    yield* single("keys", checkKeys),
    yield* single("claims", checkClaims),
    yield* checkWriting(subject),
    yield* single("partitions", checkPartitions(subject)),
    yield* single("rollups", checkRollups(subject)),
    yield* single("rollup_levels", checkRollupLevels(subject)),
    ...(yield* Effect.catch(checkRows(subject), (error) =>
      Effect.succeed(["attempts", "costs", "values"].map((check) => unanswered(check, error))),
    )),
  )
  return { findings, usable: true }
})

/** Makes the finding of a check that got no answer; by 57014 the server ends a statement that takes too long. */
const unanswered = (check: string, error: SqlError.SqlError): Finding => {
  const code = failureCode(error)
  return code === "57014"
    ? warn(check, {
        summary: "took too long and was left",
        next: "Ask for a shorter span with --from and --to.",
      })
    : fail(check, {
        summary: `the database did not answer (${[error.reason._tag, ...(code === undefined ? [] : [code])].join(", ")})`,
        next: "Check DATABASE_URL or DATA_DIR, and that the server runs and takes connections.",
      })
}
