import { Effect } from "effect"
import { GatewayError } from "../domain/GatewayError.ts"

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1000

/** Page size from the query: 1 to 1000, 100 when absent. */
export const pageLimit = (text: string | undefined): Effect.Effect<number, GatewayError> => {
  if (text === undefined) return Effect.succeed(DEFAULT_LIMIT)
  const limit = Number(text)
  return /^\d+$/.test(text) && limit >= 1 && limit <= MAX_LIMIT
    ? Effect.succeed(limit)
    : Effect.fail(
        new GatewayError({
          code: "invalid_request",
          param: "limit",
          detail: `limit: Expected a whole number from 1 to ${MAX_LIMIT}.`,
        }),
      )
}
