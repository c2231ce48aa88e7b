import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type SchemaState, schemaState } from "../database/schema-state.ts"
import { type Finding, fail, ok, several, warn } from "./Finding.ts"
import { reading } from "./reading.ts"

/** The server, its schema, its clock, and the trigger that tells gateways of revoked keys. */

/** `date_bin`. */
const OLDEST_VERSION = 140_000

/** Leases, retention and revocation follow the database's clock, the times of requests the gateway's. */
const SKEW_WARN_MS = 2_000
const SKEW_FAIL_MS = 60_000

export const checkServer = (kind: "server" | "embedded") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* reading(
      sql,
      sql<{ version: string; number: number; standby: boolean; frozen: boolean }>`
        SELECT
          current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
          pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS frozen`,
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
  const [row] = yield* sql<{ ms: number }>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`
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

export const checkSchema = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const state = yield* reading(sql, Effect.provideService(schemaState, SqlClient.SqlClient, sql))
  return { state, finding: schemaFinding(state) }
})

const schemaFinding = ({ applied, pending, unknown }: SchemaState): Finding => {
  const numbers = { applied, pending: pending.length, unknown }
  if (pending.length > 0) {
    return fail("schema", {
      summary: `${several(pending.length, "migration")} missing`,
      numbers,
      examples: pending,
      next: "Run: llm-gateway migrate. A gateway does it when it starts.",
    })
  }
  return unknown > 0
    ? warn("schema", {
        summary: `up to date, with ${several(unknown, "migration")} that this version does not know`,
        numbers,
        next: "A newer version has used this database: run that one.",
      })
    : ok("schema", { summary: `up to date, ${several(applied, "migration")}`, numbers })
}

/** Gateways hear of changes by the notification of this trigger or poll the number it counts. */
export const checkKeys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* reading(
    sql,
    sql<{ enabled: number; keys: number }>`
      SELECT
        (
          SELECT count(*)::int FROM pg_trigger
          WHERE tgrelid = 'api_keys'::regclass AND tgname = 'api_keys_announce' AND tgenabled IN ('O', 'A')
        ) AS enabled,
        (
          SELECT count(*)::int FROM api_keys
          WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ) AS keys`,
  )
  const { enabled = 0, keys = 0 } = row ?? {}
  const numbers = { active: keys }
  if (enabled === 0) {
    return fail("keys", {
      summary:
        "the trigger that announces changes of API keys is not there or off: revoked keys keep working",
      numbers,
      next: "Restart the gateways now, which forgets every key, and bring api_keys_announce back as migration 0001 makes it.",
    })
  }
  return ok("keys", { summary: `${several(keys, "active key")}; changes are announced`, numbers })
})

/** Gateways clean up every five minutes, as much as there is. */
const CLEANUP_LATE = "15 minutes"

/** A crashed owner's claim is taken over by the next repetition, or removed when it expires. */
const LEASE_OVER = "1 minute"

export const checkClaims = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* reading(
    sql,
    sql<{ claims: number; expired: number; abandoned: number }>`
      SELECT
        count(*)::float8 AS claims,
        count(*) FILTER (
          WHERE greatest(expires_at, lease_until) < now() - ${CLEANUP_LATE}::interval
        )::float8 AS expired,
        count(*) FILTER (
          WHERE response_status IS NULL AND lease_until < now() - ${LEASE_OVER}::interval AND expires_at > now()
        )::float8 AS abandoned
      FROM idempotency_claims`,
  )
  const { claims = 0, expired = 0, abandoned = 0 } = row ?? {}
  const numbers = { claims, expired, abandoned }
  const found = [
    ...(expired > 0 ? [`${several(expired, "expired claim")} not cleaned up`] : []),
    ...(abandoned > 0 ? [`${several(abandoned, "running claim")} whose gateway let the lease run out`] : []),
  ]
  return found.length === 0
    ? ok("claims", { summary: `${several(claims, "claim")}, none left over`, numbers })
    : warn("claims", {
        summary: found.join("; "),
        numbers,
        next:
          "Expired ones go when a gateway runs. The others were cut off by a crash: what became of their calls is " +
          "unknown, and the same request with the same Idempotency-Key runs again.",
      })
})
