import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { Inference } from "../inference/Inference.ts"
import { answeringErrors } from "./error-response.ts"

/** What operators do to providers as routing sees them. */
export const ProvidersHandlers = HttpApiBuilder.group(
  AdminApi,
  "providers",
  Effect.fn(function* (handlers) {
    const inference = yield* Inference

    return handlers.handleAll({
      models: () => answeringErrors(Effect.map(inference.routedModels, (data) => ({ data }))),
      reset: ({ params }) =>
        answeringErrors(
          Effect.suspend(() => {
            const models = inference.resetProvider(params.name)
            return models === undefined
              ? Effect.fail(
                  new GatewayError({ code: "provider_not_found", detail: "No provider has this name." }),
                )
              : Effect.succeed({ provider: params.name, models })
          }),
        ),
    })
  }),
)
