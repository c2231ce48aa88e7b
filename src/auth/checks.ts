import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { reading } from "../database/reading.ts"
import { fail, ok, several } from "../domain/Finding.ts"

const decodeCounts = decodeRows(Schema.Struct({ enabled: Schema.Int, keys: Schema.Int }))

/** Checks the trigger of `api_keys`: gateways hear of changes by its notification, or poll the number it counts. */
export const checkKeys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* reading(
    sql,
    decodeCounts(sql`
      SELECT
        (
          SELECT count(*)::int FROM pg_trigger
          WHERE tgrelid = 'api_keys'::regclass AND tgname = 'api_keys_announce' AND tgenabled IN ('O', 'A')
        ) AS enabled,
        (
          SELECT count(*)::int FROM api_keys
          WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ) AS keys`),
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
