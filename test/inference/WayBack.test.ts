import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { ProviderError } from "../../src/domain/ProviderError.ts"
import type { AttemptState } from "../../src/inference/retry-policy.ts"
import { WayBack } from "../../src/inference/WayBack.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { ask, chat, refs, route, simulated, world } from "../routing/world.ts"

it.effect("a request goes back once, also when the call is held back before it leaves", () =>
  Effect.gen(function* () {
    const plan = yield* (yield* Router).plan({
      requestedModel: "auto",
      task: chat(ask()),
      keyId: "key",
      allowed: undefined,
      remainingMs: 60_000,
    })
    const [candidate = assert.fail("no candidate")] = plan.candidates
    const wayBack = new WayBack({
      breakers: yield* Breakers,
      clock: yield* Clock.Clock,
      retryBudget: yield* RetryBudget,
    })
    const error = new ProviderError({ kind: "server_error", provider: "a", model: "m" })
    const state: AttemptState = {
      ...{ error, attempts: 2, attemptsHere: 1, maxAttempts: 4, remainingMs: 60_000, expectedMs: 500 },
      ...{ next: undefined, nextLarger: undefined, untried: 0, tripped: false },
    }
    wayBack.leave(candidate, error, 0)
    assert.strictEqual(wayBack.reserve(10_000), candidate)
    assert.strictEqual(wayBack.take(state), candidate)
    assert.isUndefined(wayBack.take(state))
  }).pipe(Effect.provide(Layer.fresh(world([simulated("a", [{ name: "m" }])], [route(refs("a/m"))])))),
)
