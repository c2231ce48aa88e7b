import { Context, Data, type Effect } from "effect"
import type { Principal } from "./Principal.ts"

/**
 * Why a credential was refused. `invalid` covers malformed, unknown, wrong, revoked and expired alike: the client
 * must not learn which. `unavailable` is our trouble (database, bcrypt saturation) and says nothing of the key.
 */
export class AuthError extends Data.TaggedError("AuthError")<{
  readonly reason: "missing" | "invalid" | "unavailable"
  readonly retryAfterMs?: number
}> {}

/** Verifies API keys: checksum, cache by SHA-256, lookup by id, bcrypt; see `docs/decisions`. */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** `token` is the raw credential as sent. */
    readonly authenticate: (token: string) => Effect.Effect<Principal, AuthError>
  }
>()("gateway/auth/Authenticator") {}
