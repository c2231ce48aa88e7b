import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { reading } from "../database/reading.ts"
import { ok, several, warn } from "../domain/Finding.ts"

/** Gateways clean up every five minutes, as much as there is. */
const CLEANUP_LATE = "15 minutes"

/** A crashed owner's claim is taken over by the next repetition, or removed when it expires. */
const LEASE_OVER = "1 minute"

const decodeCounts = decodeRows(
  Schema.Struct({ claims: Schema.Finite, expired: Schema.Finite, abandoned: Schema.Finite }),
)

/** Checks `idempotency_claims` for what should have been cleaned up, and for runs that were cut off. */
export const checkClaims = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* reading(
    sql,
    decodeCounts(sql`
      SELECT
        count(*)::float8 AS claims,
        count(*) FILTER (
          WHERE greatest(expires_at, lease_until) < now() - ${CLEANUP_LATE}::interval
        )::float8 AS expired,
        count(*) FILTER (
          WHERE response_status IS NULL AND lease_until < now() - ${LEASE_OVER}::interval AND expires_at > now()
        )::float8 AS abandoned
      FROM idempotency_claims`),
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
