import { Console, DateTime, Duration, Effect, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { AdminTokens, MAX_ADMIN_TOKEN_TTL } from "../auth/AdminTokens.ts"
import { durationFlag } from "./duration.ts"
import { root } from "./root.ts"

const token = Command.make(
  "token",
  {
    ttl: durationFlag("ttl").pipe(
      Flag.withDescription("Lifetime, such as 15m or 12h; at most 30d"),
      Flag.filter(
        (ttl) => Duration.isLessThanOrEqualTo(ttl, MAX_ADMIN_TOKEN_TTL),
        () => "Expected at most 30d",
      ),
      Flag.withDefault(Duration.hours(1)),
    ),
  },
  Effect.fn(function* ({ ttl }) {
    const { json } = yield* root
    const token = Redacted.value(yield* (yield* AdminTokens).issue(ttl))
    const expiresAt = DateTime.formatIso(DateTime.addDuration(yield* DateTime.now, ttl))
    yield* Console.log(json ? JSON.stringify({ token, expires_at: expiresAt }) : token)
  }),
).pipe(Command.withDescription("Print a JWT for the analytics and admin routes"))

export const admin = Command.make("admin").pipe(
  Command.withDescription("Operators' credentials"),
  Command.withSubcommands([token]),
)
