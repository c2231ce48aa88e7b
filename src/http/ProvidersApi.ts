import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { Audit, type AuditUnavailable } from "../audit/Audit.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { Inference } from "../inference/Inference.ts"
import { Siblings } from "../platform/Siblings.ts"
import { auditError } from "./AuditApi.ts"
import { answeringErrors } from "./error-response.ts"

/** The other workers of the machine forget it too. */
const RESET_TOPIC = "provider-reset"

/** What operators do to providers as routing sees them. */
export const ProvidersHandlers = HttpApiBuilder.group(
  AdminApi,
  "providers",
  Effect.fn(function* (handlers) {
    const inference = yield* Inference
    const audit = yield* Audit
    const siblings = yield* Siblings
    yield* siblings.listen(RESET_TOPIC, (name) => {
      if (typeof name === "string") inference.resetProvider(name)
    })

    return handlers.handleAll({
      models: () => answeringErrors(inference.routedModels),
      reset: ({ params: { name } }) => {
        const reset = Effect.suspend(() => {
          const models = inference.resetProvider(name)
          return models === undefined
            ? Effect.fail(
                new GatewayError({ code: "provider_not_found", detail: "No provider has this name." }),
              )
            : Effect.succeed({ models })
        }).pipe(Effect.tap(() => Effect.sync(() => siblings.tell(RESET_TOPIC, name))))
        return audit
          .change({ action: "provider.reset", subject: name }, reset)
          .pipe(
            Effect.mapBoth({ onSuccess: ({ models }) => ({ provider: name, models }), onFailure: fromAudit }),
            answeringErrors,
          )
      },
    })
  }),
)

const fromAudit = (error: GatewayError | AuditUnavailable): GatewayError =>
  error._tag === "GatewayError" ? error : auditError(error)
