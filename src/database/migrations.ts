import { Effect, Schedule } from "effect"
import { Migrator, SqlError } from "effect/sql"
import createApiKeys from "../../migrations/0001_create_api_keys.ts"
import createLedger from "../../migrations/0002_create_ledger.ts"
import createIdempotencyClaims from "../../migrations/0003_create_idempotency_claims.ts"
import addStreamAccounting from "../../migrations/0004_add_stream_accounting.ts"
import partitionLedgerByDay from "../../migrations/0005_partition_ledger_by_day.ts"
import repairChangedMigrations from "../../migrations/0006_repair_changed_migrations.ts"
import createApiKeyProofs from "../../migrations/0007_create_api_key_proofs.ts"
import countRefusals from "../../migrations/0008_count_refusals.ts"
import addBilledUsage from "../../migrations/0009_add_billed_usage.ts"
import addWastedCost from "../../migrations/0010_add_wasted_cost.ts"
import addUsageDetails from "../../migrations/0011_add_usage_details.ts"
import addDispatched from "../../migrations/0012_add_dispatched.ts"
import countUnpricedAttempts from "../../migrations/0013_count_unpriced_attempts.ts"
import createTeamsAndBudgets from "../../migrations/0014_create_teams_and_budgets.ts"
import addAttribution from "../../migrations/0015_add_attribution.ts"
import createAudit from "../../migrations/0016_create_audit.ts"
import createLimitBuckets from "../../migrations/0017_create_limit_buckets.ts"
import createBudgetWindows from "../../migrations/0018_create_budget_windows.ts"
import leaseBudgets from "../../migrations/0020_lease_budgets.ts"
import sayOldestGateway from "../../migrations/0021_say_oldest_gateway.ts"
import addOverview from "../../migrations/0022_add_overview.ts"
import readLargeCounts from "../../migrations/0023_read_large_counts.ts"
import keepPermits from "../../migrations/0024_keep_permits.ts"
import splitHours from "../../migrations/0025_split_hours.ts"
import { version } from "../config/version.ts"
import { Database } from "./Database.ts"
import { explainFailure } from "./explain-failure.ts"
import { failureCode } from "./failure-code.ts"
import { isUnavailable } from "./is-unavailable.ts"
import { type SchemaState, schemaStateOf, schemaVersion, UnknownMigrations } from "./schema-state.ts"

/**
 * The schema this version of the code expects. A new migration is a new file, a new line here and one in
 * `migrations/checksums.txt`; a file that has shipped never changes. One that takes away what an older version uses says so
 * in `oldest_gateway`.
 */
export const migrations = {
  "0001_create_api_keys": createApiKeys,
  "0002_create_ledger": createLedger,
  "0003_create_idempotency_claims": createIdempotencyClaims,
  "0004_add_stream_accounting": addStreamAccounting,
  "0005_partition_ledger_by_day": partitionLedgerByDay,
  "0006_repair_changed_migrations": repairChangedMigrations,
  "0007_create_api_key_proofs": createApiKeyProofs,
  "0008_count_refusals": countRefusals,
  "0009_add_billed_usage": addBilledUsage,
  "0010_add_wasted_cost": addWastedCost,
  "0011_add_usage_details": addUsageDetails,
  "0012_add_dispatched": addDispatched,
  "0013_count_unpriced_attempts": countUnpricedAttempts,
  "0014_create_teams_and_budgets": createTeamsAndBudgets,
  "0015_add_attribution": addAttribution,
  "0016_create_audit": createAudit,
  "0017_create_limit_buckets": createLimitBuckets,
  "0018_create_budget_windows": createBudgetWindows,
  "0020_lease_budgets": leaseBudgets,
  "0021_say_oldest_gateway": sayOldestGateway,
  "0022_add_overview": addOverview,
  "0023_read_large_counts": readLargeCounts,
  "0024_keep_permits": keepPermits,
  "0025_split_hours": splitHours,
}

const known = Object.keys(migrations)

/** The state of a database's schema for this version; reads only. */
export const schemaState = schemaStateOf(known)

/** Tells whether the schema is up to date, and fails where another version made one that refuses this; reads only. */
export const hasSchema = Effect.flatMap(schemaState, (state) =>
  state.refuses
    ? Effect.fail(new UnknownMigrations({ state, known }))
    : Effect.succeed(state.pending.length === 0),
)

/**
 * Applies what is missing and returns it; a `MigrationError` names the migration that failed. Safe in any number of
 * processes at once, and on the embedded database where session advisory locks exclude nobody: the migrator holds
 * `LOCK TABLE … ACCESS EXCLUSIVE` on its own table from reading the latest id to the commit, so the others wait and
 * then find nothing to do. Everything is one transaction: a failed migration leaves the schema as it was.
 */
export const applyMigrations = (record: Parameters<typeof Migrator.fromRecord>[0]) =>
  Migrator.make({})({ loader: Migrator.fromRecord(record) })

/**
 * Does that for this version, says when a newer one has been there, and fails with `UnknownMigrations` when that left a
 * schema which refuses this one. The migrator asks for the list while it holds its lock: who had to wait for a newer
 * version sees what that did.
 */
const migrateLocked = Migrator.make({})({
  loader: schemaState.pipe(
    Effect.mapError((cause) => notLoaded("the migrations that the database has cannot be read", cause)),
    Effect.filterOrFail(
      ({ refuses }) => !refuses,
      (state) => notLoaded("unknown migrations", new UnknownMigrations({ state, known })),
    ),
    Effect.tap(tellNewer),
    Effect.andThen(Migrator.fromRecord(migrations)),
  ),
}).pipe(
  Effect.mapError((error) =>
    error._tag === "MigrationError" && error.cause instanceof UnknownMigrations ? error.cause : error,
  ),
)

/**
 * Does that where something is missing. The migrator's lock is not to be had while a backup reads its table: nobody should
 * wait for it who finds nothing to do.
 */
export const migrate = Effect.flatMap(schemaState, (state) =>
  state.pending.length === 0 && !state.refuses ? Effect.as(tellNewer(state), []) : migrateLocked,
)

function tellNewer({ unknown }: SchemaState) {
  if (unknown.length === 0) return Effect.void
  return Effect.logWarning(
    `The database has the schema of a newer version, which takes this one (${version}, schema ${schemaVersion(known)}) as well`,
    { unknown },
  )
}

const notLoaded = (message: string, cause: unknown) =>
  new Migrator.MigrationError({ kind: "BadState", message, cause })

/** Migrates on a connection of its own without a statement timeout: an index on a large table takes its time. */
const migrateOnce = migrate.pipe(
  Effect.provide(
    Database.layerPool({
      applicationName: "llm-gateway migrations",
      maxConnections: 1,
      statementTimeoutMs: 0,
      // For as long as a migration waits for a table that somebody else reads, everybody who comes later waits behind it, and
      // whoever looks at the schema behind the migrator's own lock: a backup must not become an outage.
      lockTimeoutMs: 2_000,
    }),
  ),
)

/** How long a command waits for others. */
const COMMAND_PATIENCE = "1 minute"

const backoff = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")])

/** Migrates, and does it again while it fails with what `passes`, by the schedule; says each time why it waits. */
const migratePatiently = <A>(
  schedule: Schedule.Schedule<A>,
  passes: (error: SqlError.SqlError) => boolean,
) => {
  const passing = (error: Effect.Error<typeof migrateOnce>) => {
    const cause = error._tag === "MigrationError" ? error.cause : error
    return SqlError.isSqlError(cause) && passes(cause) ? cause : undefined
  }
  return migrateOnce.pipe(
    Effect.tapError((error) => {
      const cause = passing(error)
      return cause === undefined
        ? Effect.void
        : Effect.logWarning(`Migrations wait: ${explainFailure(cause)}`)
    }),
    Effect.retry({ schedule, while: (error) => passing(error) !== undefined }),
  )
}

/** SQLSTATEs of a table that others use: its lock was not to be had in time, or they waited for each other. */
const IN_USE: ReadonlySet<unknown> = new Set(["55P03", "40P01"])

const isInUse = (error: SqlError.SqlError) => IN_USE.has(failureCode(error))

/** Migrates for a command: waits a while for tables that are in use. */
export const migrateDatabase = migratePatiently(
  backoff.pipe(Schedule.upTo({ duration: COMMAND_PATIENCE })),
  isInUse,
)

/**
 * Migrates for a gateway that starts while its server is down, or a table is in use: waits, and fails only on a bad or unknown
 * migration.
 */
export const migrateWhenAvailable = migratePatiently(
  backoff,
  (error) => isUnavailable(error) || isInUse(error),
)
