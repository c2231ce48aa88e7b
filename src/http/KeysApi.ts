import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Analytics } from "../analytics/Analytics.ts"
import { AdminApi } from "../api/GatewayApi.ts"
import {
  type ApiKey,
  type ApiKeyNotFound,
  type ApiKeyRevoked,
  ApiKeys,
  type ApiKeysBusy,
  type ApiKeysUnavailable,
  type IssuedKey,
} from "../auth/ApiKeys.ts"
import type { TeamNotFound } from "../auth/team-not-found.ts"
import { unknownName } from "../config/allow-list.ts"
import { Settings } from "../config/Settings.ts"
import type { BudgetPeriod } from "../domain/Budget.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { keysUnavailable } from "./client-errors.ts"
import { answeringErrors } from "./error-response.ts"

/** The operators' key routes: the same service the command line uses. */
export const KeysHandlers = HttpApiBuilder.group(
  AdminApi,
  "keys",
  Effect.fn(function* (handlers) {
    const keys = yield* ApiKeys
    const analytics = yield* Analytics
    const withUse = (shown: ReadonlyArray<ApiKey>) =>
      Effect.mapBoth(analytics.lastUsed(shown.map(({ id }) => id)), {
        onSuccess: (uses) =>
          shown.map((key) => {
            const at = uses.get(key.id)
            return { ...key, lastUsedAt: at === undefined ? null : DateTime.fromDateUnsafe(at) }
          }),
        onFailure: () => keysUnavailable,
      })
    const settings = yield* Settings
    const known = (models: ReadonlyArray<string> | null | undefined) => {
      const unknown = unknownName(settings.gateway, models ?? [])
      return unknown === undefined
        ? Effect.void
        : Effect.fail(
            new GatewayError({
              code: "invalid_request",
              param: `models[${unknown.index}]`,
              detail: `models[${unknown.index}]: ${unknown.text}`,
            }),
          )
    }

    const budgetOf = (limitNanoUsd: number | undefined, period: BudgetPeriod | undefined) =>
      limitNanoUsd === undefined
        ? {}
        : { budget: { limitNanoUsd, timeZone: settings.gateway.limits.timeZone, ...windowOf(period) } }

    return handlers.handleAll({
      list: ({ query }) =>
        answer(
          Effect.flatMap(keys.list(query), ({ keys, nextCursor }) =>
            Effect.map(withUse(keys), (data) => ({ data, next_cursor: nextCursor })),
          ),
        ),
      create: ({ payload: { limitNanoUsd, period, ...said } }) =>
        answer(
          inFuture(said.expiresAt).pipe(
            Effect.andThen(known(said.models)),
            Effect.andThen(withLimit(limitNanoUsd, period)),
            Effect.andThen(keys.create({ ...said, ...budgetOf(limitNanoUsd, period) })),
            Effect.map(issued),
          ),
        ),
      set: ({ params, payload: { limitNanoUsd, period, tags, ...said } }) =>
        answer(
          inFuture(said.expiresAt).pipe(
            Effect.andThen(known(said.models)),
            Effect.andThen(withLimit(limitNanoUsd, period)),
            Effect.andThen(
              keys.set(params.id, {
                ...said,
                ...(tags === undefined ? {} : { tags: tags ?? [] }),
                ...(limitNanoUsd === null
                  ? { budget: { limitNanoUsd, ...windowOf(period) } }
                  : budgetOf(limitNanoUsd, period)),
              }),
            ),
          ),
        ),
      show: ({ params }) =>
        answer(
          Effect.flatMap(keys.show(params.id), (key) =>
            Effect.map(withUse([key]), ([shown]) => shown ?? { ...key, lastUsedAt: null }),
          ),
        ),
      rotate: ({ params, payload }) =>
        answer(Effect.map(keys.rotate(params.id, { graceMs: payload.grace_seconds * 1000 }), issued)),
      revoke: ({ params }) => answer(keys.revoke(params.id)),
    })
  }),
)

const issued = ({ key, secret }: IssuedKey) => ({ ...key, key: secret })

type KeyError = TeamNotFound | ApiKeyNotFound | ApiKeyRevoked | ApiKeysBusy | ApiKeysUnavailable

const answer = <A, R>(effect: Effect.Effect<A, KeyError | GatewayError, R>) =>
  answeringErrors(Effect.mapError(effect, keyError))

const keyError = (error: KeyError | GatewayError): GatewayError => {
  switch (error._tag) {
    case "GatewayError":
      return error
    case "ApiKeyNotFound":
      return new GatewayError({ code: "key_not_found", detail: "No API key has this id." })
    case "TeamNotFound":
      return new GatewayError({ code: "invalid_request", param: "team", detail: `team: ${error.text}` })
    case "ApiKeyRevoked":
      return new GatewayError({
        code: "key_revoked",
        detail: "The key is revoked for good. Create a new one.",
      })
    case "ApiKeysBusy":
      return new GatewayError({
        code: "overloaded",
        detail: "As many new secrets are being hashed as the gateway can. Retry shortly.",
      })
    case "ApiKeysUnavailable":
      return keysUnavailable
  }
}

/** Passes unless a key would be born expired. */
const inFuture = Effect.fnUntraced(function* (expiresAt: DateTime.Utc | null | undefined) {
  if (expiresAt === undefined || expiresAt === null || DateTime.isGreaterThan(expiresAt, yield* DateTime.now))
    return
  return yield* new GatewayError({
    code: "invalid_request",
    param: "expires_at",
    detail: "expires_at: Expected an instant in the future.",
  })
})

/** Fails where a window is said and nothing of its budget. */
const withLimit = (limitNanoUsd: number | null | undefined, period: BudgetPeriod | undefined) =>
  period === undefined || limitNanoUsd !== undefined
    ? Effect.void
    : Effect.fail(
        new GatewayError({
          code: "invalid_request",
          param: "budget_window",
          detail: "budget_window: Expected budget_usd beside it.",
        }),
      )

const windowOf = (period: BudgetPeriod | undefined) => (period === undefined ? {} : { period })
