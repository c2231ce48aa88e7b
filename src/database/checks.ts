import { Clock, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { version } from "../config/version.ts"
import { type Finding, fail, ok, several, warn } from "../domain/Finding.ts"
import { decodeRows } from "./decode-rows.ts"
import { schemaState } from "./migrations.ts"
import { reading } from "./reading.ts"
import { schemaDifferences } from "./schema-differences.ts"
import type { SchemaState } from "./schema-state.ts"

/** Checks of the server, its clock and its schema. */

/** PostgreSQL 14, the first with `date_bin`. */
const OLDEST_VERSION = 140_000

const decodeServers = decodeRows(
  Schema.Struct({
    version: Schema.String,
    number: Schema.Int,
    standby: Schema.Boolean,
    frozen: Schema.Boolean,
  }),
)

const decodeClocks = decodeRows(Schema.Struct({ ms: Schema.Finite }))

/** Leases, retention and revocation follow the database's clock, the times of requests the gateway's. */
const SKEW_WARN_MS = 2_000
const SKEW_FAIL_MS = 60_000

export const checkServer = (kind: "server" | "embedded") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* reading(
      sql,
      decodeServers(sql`
        SELECT
          current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
          pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS frozen`),
    )
    const { version = "", number = 0, standby = false, frozen = false } = row ?? {}
    const summary = `${kind === "embedded" ? "the embedded one in DATA_DIR" : "the server"} answers, PostgreSQL ${version}`
    const numbers = { version: number }
    if (standby || frozen) {
      return fail("database", {
        summary: `${summary}, and takes no writes${standby ? ": it is a standby" : ""}`,
        numbers,
        next: "Point DATABASE_URL to the primary, or end default_transaction_read_only.",
      })
    }
    return number >= OLDEST_VERSION
      ? ok("database", { summary, numbers })
      : fail("database", { summary, numbers, next: "PostgreSQL 14 is the oldest that works. Upgrade." })
  })

export const checkClock = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const clock = yield* Clock.Clock
  const askedMs = clock.currentTimeMillisUnsafe()
  const [row] = yield* decodeClocks(sql`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`)
  const answeredMs = clock.currentTimeMillisUnsafe()
  const databaseMs = row?.ms ?? answeredMs
  // The answer's way there and back is in doubt.
  const aheadMs = Math.round(databaseMs - (askedMs + answeredMs) / 2)
  const skewMs = Math.max(0, Math.abs(aheadMs) - (answeredMs - askedMs) / 2)
  return { databaseMs, finding: clockFinding(aheadMs, skewMs) }
})

export const clockFinding = (aheadMs: number, skewMs: number): Finding => {
  const numbers = { ahead_ms: aheadMs }
  const summary = `the database's clock is ${Math.abs(aheadMs).toLocaleString("en")} ms ${aheadMs < 0 ? "behind" : "ahead of"} this machine's`
  const next = "Keep both in step with NTP."
  if (skewMs >= SKEW_FAIL_MS) return fail("clock", { summary, numbers, next })
  return skewMs >= SKEW_WARN_MS
    ? warn("clock", { summary, numbers, next })
    : ok("clock", { summary, numbers })
}

/** `usable`: the other checks can read what they need. */
export const checkSchema = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [state, differences] = yield* reading(
    sql,
    Effect.all([schemaState, schemaDifferences]).pipe(Effect.provideService(SqlClient.SqlClient, sql)),
  )
  return {
    usable: state.pending.length === 0 && differences.length === 0,
    finding: schemaFinding(state, differences),
  }
})

const schemaFinding = (
  { applied, pending, refuses, unknown }: SchemaState,
  differences: ReadonlyArray<string>,
): Finding => {
  const numbers = {
    applied,
    pending: pending.length,
    unknown: unknown.length,
    differences: differences.length,
  }
  if (refuses) {
    return fail("schema", {
      summary: `${several(unknown.length, "migration")} that this version (${version}) does not know`,
      numbers,
      examples: unknown,
      next: "Run the version that made them, or restore a backup from before: this one refuses to start.",
    })
  }
  if (pending.length > 0) {
    return fail("schema", {
      summary: `${several(pending.length, "migration")} missing`,
      numbers,
      examples: pending,
      next: "Run: llm-gateway migrate. A gateway does it when it starts.",
    })
  }
  if (differences.length > 0) {
    return fail("schema", {
      summary: "not as this version needs it, though every migration is there",
      numbers,
      examples: differences,
      next: "No migration makes it again: restore a backup, or make by hand what the files in migrations/ make.",
    })
  }
  if (unknown.length > 0) {
    return warn("schema", {
      summary: `of a newer version, which takes this one (${version}) as well`,
      numbers,
      examples: unknown,
      next: "Go on to the newer version. Until then its counts wait, and what it alone knows does not hold here.",
    })
  }
  return ok("schema", { summary: `up to date, ${several(applied, "migration")}`, numbers })
}
