import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { Authenticator } from "../auth/Authenticator.ts"
import type { Principal } from "../auth/Principal.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { KeyId } from "../domain/Ids.ts"
import { Inference } from "../inference/Inference.ts"
import { keysUnavailable } from "./client-errors.ts"
import { decision } from "./decision.ts"
import { answeringErrors } from "./error-response.ts"
import { toChatRequest } from "./infer-route.ts"
import { requestIdOf } from "./request-id.ts"

/** What operators ask of routing. */
export const RoutesHandlers = HttpApiBuilder.group(
  AdminApi,
  "routes",
  Effect.fn(function* (handlers) {
    const authenticator = yield* Authenticator
    const inference = yield* Inference

    const ownerOf = Effect.fnUntraced(function* (id: string) {
      const owner = yield* Effect.mapError(authenticator.ownerOf(id), () => keysUnavailable)
      return owner ?? (yield* new GatewayError({ code: "key_not_found", detail: "No API key has this id." }))
    })

    return handlers.handleAll({
      dryRun: ({ payload: { key_id, model, stream, ...body } }) =>
        answeringErrors(
          Effect.gen(function* () {
            const request = yield* Effect.fromResult(toChatRequest(body))
            const mode = stream === true ? ("stream" as const) : ("whole" as const)
            const plan = yield* inference.dryRun(key_id === undefined ? ANYBODY : yield* ownerOf(key_id), {
              requestedModel: model,
              task: { _tag: "Chat", request, mode },
            })
            return {
              request_id: requestIdOf(yield* HttpServerRequest.HttpServerRequest),
              dry_run: true as const,
              decision: decision({ plan, attempts: [] }),
            }
          }),
        ),
    })
  }),
)

/** Whoever has a key that may ask for everything, and that no conversation has begun with. */
const ANYBODY: Principal = {
  keyId: KeyId.make("000000000000"),
  name: "",
  tags: [],
  mayIssue: false,
  limits: [{ scope: "key", subject: "000000000000" }],
  budgets: [],
}
