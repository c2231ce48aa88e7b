import { Data, Exit } from "effect"

/**
 * Why a credential was refused. `invalid` covers malformed, unknown, wrong, revoked and expired alike: the client
 * must not learn which. `unavailable` (the database) and `overloaded` (as many checks as we make at once) are our trouble
 * and say nothing of the key.
 */
export class AuthError extends Data.TaggedError("AuthError")<{
  readonly reason: "missing" | "invalid" | "unavailable" | "overloaded"
  readonly retryAfterMs?: number
}> {}

const RETRY_AFTER_MS = 1_000

export const missing = Exit.fail(new AuthError({ reason: "missing" }))
export const invalid = Exit.fail(new AuthError({ reason: "invalid" }))
export const unavailable = Exit.fail(new AuthError({ reason: "unavailable", retryAfterMs: RETRY_AFTER_MS }))
export const overloaded = Exit.fail(new AuthError({ reason: "overloaded", retryAfterMs: RETRY_AFTER_MS }))
