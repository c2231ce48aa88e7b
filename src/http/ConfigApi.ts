import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { Audit } from "../audit/Audit.ts"
import { GatewayReload, RELOAD_TOPIC } from "../config/GatewayReload.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { Siblings } from "../platform/Siblings.ts"
import { auditError } from "./AuditApi.ts"
import { answeringErrors } from "./error-response.ts"

/** What operators do to the configuration. */
export const ConfigHandlers = HttpApiBuilder.group(
  AdminApi,
  "config",
  Effect.fn(function* (handlers) {
    const { reload } = yield* GatewayReload
    const audit = yield* Audit
    const siblings = yield* Siblings

    return handlers.handleAll({
      reload: () =>
        audit.change({ action: "config.reload", subject: "gateway" }, reload).pipe(
          Effect.tap(() => Effect.sync(() => siblings.tell(RELOAD_TOPIC, null))),
          Effect.mapBoth({
            onSuccess: ({ atNextStart }) => ({ at_next_start: atNextStart }),
            onFailure: (error) =>
              error._tag === "SettingsError"
                ? new GatewayError({ code: "config_refused", detail: error.faults.join("; ") })
                : auditError(error),
          }),
          answeringErrors,
        ),
    })
  }),
)
