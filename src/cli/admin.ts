import { Console, DateTime, Duration, Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { CurrentActor } from "../audit/Actor.ts"
import { ADMIN_ROLES, AdminTokens, MAX_ADMIN_TOKEN_TTL, OperatorName } from "../auth/AdminTokens.ts"
import { durationFlag } from "./duration.ts"
import { root } from "./root.ts"

const token = Command.make(
  "token",
  {
    name: Flag.String("name").pipe(
      Flag.withDescription("Who or what the token is for, as the audit shows it; who issues it when absent"),
      Flag.withSchema(OperatorName),
      Flag.optional,
    ),
    role: Flag.Literals("role", ADMIN_ROLES).pipe(
      Flag.withDescription("admin, or viewer, which may only read"),
      Flag.withDefault("admin" as const),
    ),
    ttl: durationFlag("ttl").pipe(
      Flag.withDescription("Lifetime, such as 15m or 12h; at most 30d"),
      Flag.filter(
        (ttl) => Duration.isLessThanOrEqualTo(ttl, MAX_ADMIN_TOKEN_TTL),
        () => "Expected at most 30d",
      ),
      Flag.withDefault(Duration.hours(1)),
    ),
  },
  Effect.fn(function* ({ name: given, role, ttl }) {
    const { json } = yield* root
    const issuer = yield* CurrentActor
    const name = Option.getOrElse(given, () => issuer.name)
    const token = Redacted.value(yield* (yield* AdminTokens).issue(ttl, { name, role }))
    const expiresAt = DateTime.formatIso(DateTime.addDuration(yield* DateTime.now, ttl))
    yield* Console.log(json ? JSON.stringify({ token, name, role, expires_at: expiresAt }) : token)
  }),
).pipe(Command.withDescription("Print a JWT for the analytics and admin routes"))

export const admin = Command.make("admin").pipe(
  Command.withDescription("Operators' credentials"),
  Command.withSubcommands([token]),
)
