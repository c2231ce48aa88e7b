import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { CurrentActor } from "./Actor.ts"
import { snapshot, storedText } from "./snapshot.ts"

/** A change that was made: what its subject was and is, `null` where it was or is not there. Holds no secret. */
interface Change {
  readonly before: object | null
  readonly after: object | null
}

/**
 * Makes a change and writes its row in one transaction, so that neither is there without the other. What is the same before
 * and after was no change and has no row, nor has `undefined`, for a subject that is not there.
 */
export const audited = <C extends Change | undefined, E, R>(
  sql: SqlClient.SqlClient,
  {
    action,
    subject,
  }: { readonly action: string; readonly subject: string | ((changed: NonNullable<C>) => string) },
  change: Effect.Effect<C, E, R>,
): Effect.Effect<C, E | SqlError.SqlError, R> =>
  Effect.gen(function* () {
    const changed = yield* change
    if (changed === undefined) return changed
    const [before, after] = [snapshot(changed.before), snapshot(changed.after)]
    if (before !== null && before === after) return changed
    const { name, requestId = null, via } = yield* CurrentActor
    yield* sql`
      INSERT INTO audit_log (actor, via, action, subject, before, after, request_id)
      VALUES (
        ${storedText(name)}, ${via}, ${action}, ${storedText(typeof subject === "string" ? subject : subject(changed))}, ${before}::jsonb, ${after}::jsonb, ${requestId}
      )`
    return changed
  }).pipe(sql.withTransaction)
