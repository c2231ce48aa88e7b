import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { Audit, type AuditUnavailable, type InvalidAuditCursor } from "../audit/Audit.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { invalidField } from "./decode.ts"
import { answeringErrors } from "./error-response.ts"

/** Who changed what, for operators. */
export const AuditHandlers = HttpApiBuilder.group(
  AdminApi,
  "audit",
  Effect.fn(function* (handlers) {
    const audit = yield* Audit

    return handlers.handleAll({
      list: ({ query: { from, to, ...rest } }) => {
        const span = { fromMs: from && DateTime.toEpochMillis(from), toMs: to && DateTime.toEpochMillis(to) }
        if (span.fromMs !== undefined && span.toMs !== undefined && span.fromMs >= span.toMs)
          return answeringErrors(Effect.fail(invalidField(["from"], "Expected an instant before `to`")))
        return audit.list({ ...rest, ...span }).pipe(
          Effect.map(({ entries, nextCursor }) => ({ data: entries, next_cursor: nextCursor })),
          Effect.mapError(auditError),
          answeringErrors,
        )
      },
    })
  }),
)

export const auditError = (error: AuditUnavailable | InvalidAuditCursor): GatewayError => {
  switch (error._tag) {
    case "InvalidAuditCursor":
      return invalidField(["cursor"], "Expected next_cursor of a page of this listing")
    case "AuditUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "The audit did not answer in time. Retry shortly.",
      })
  }
}
