import { Context, Data, type Duration, type Effect, type Redacted } from "effect"

export class AdminTokenInvalid extends Data.TaggedError("AdminTokenInvalid") {}

/** Admin JWTs: HS256 from `ADMIN_JWT_SECRET`, fixed algorithm list, issuer, audience and `exp` required. */
export class AdminTokens extends Context.Service<
  AdminTokens,
  {
    readonly issue: (ttl: Duration.Duration) => Effect.Effect<Redacted.Redacted>
    readonly verify: (token: string) => Effect.Effect<void, AdminTokenInvalid>
  }
>()("gateway/auth/AdminTokens") {}
