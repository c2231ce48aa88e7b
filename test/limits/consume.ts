import { Effect } from "effect"
import type { RateLimited, RateLimitState } from "../../src/limits/limit.ts"
import type { RateLimits } from "../../src/limits/RateLimits.ts"

/** Takes one request of a key, for tests that look at nothing but its requests per minute. */
export type Consume = (keyId: string, requestsPerMinute: number) => Effect.Effect<RateLimitState, RateLimited>

export const consumeWith =
  ({ enter }: RateLimits["Service"]): Consume =>
  (subject, requestsPerMinute) =>
    Effect.suspend(() => enter([{ scope: "key", subject, requestsPerMinute }])).pipe(
      Effect.flatMap(({ state }) => (state === undefined ? Effect.die("no limit") : Effect.succeed(state))),
    )
