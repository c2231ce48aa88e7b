import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { ProviderError } from "../../src/domain/ProviderError.ts"
import type { AttemptState } from "../../src/inference/retry-policy.ts"
import { WayBack } from "../../src/inference/WayBack.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { ask, chat, refs, route, simulated, world } from "../routing/world.ts"

/** A request that has left its only candidate, and the retries that are left of its provider's budget of three. */
const left = Effect.gen(function* () {
  const plan = yield* (yield* Router).plan({
    requestedModel: "auto",
    task: chat(ask()),
    keyId: "key",
    allowed: undefined,
    remainingMs: 60_000,
  })
  const [candidate = assert.fail("no candidate")] = plan.candidates
  const retryBudget = yield* RetryBudget
  const wayBack = new WayBack({ breakers: yield* Breakers, clock: yield* Clock.Clock, retryBudget })
  const error = new ProviderError({ kind: "server_error", provider: "a", model: "m" })
  const state: AttemptState = {
    ...{ error, attempts: 2, attemptsHere: 1, maxAttempts: 4, remainingMs: 60_000, expectedMs: 500 },
    ...{ next: undefined, nextLarger: undefined, untried: 0, tripped: false },
  }
  wayBack.leave(candidate, error, 0)
  const retriesLeft = () => {
    let count = 0
    while (retryBudget.withdraw("a")) count += 1
    for (let i = 0; i < count; i++) retryBudget.giveBack("a")
    return count
  }
  return { candidate, retriesLeft, state, wayBack }
})

const run = <E>(body: Effect.Effect<void, E, Router | RetryBudget | Breakers>) =>
  body.pipe(Effect.provide(Layer.fresh(world([simulated("a", [{ name: "m" }])], [route(refs("a/m"))]))))

describe("WayBack", () => {
  it.effect("is gone once, also when the call is held back before it leaves", () =>
    run(
      Effect.gen(function* () {
        const { candidate, retriesLeft, state, wayBack } = yield* left
        assert.strictEqual(wayBack.reserve(10_000), candidate)
        assert.strictEqual(wayBack.take(state), candidate)
        assert.isUndefined(wayBack.take(state))
        wayBack.release()
        assert.strictEqual(retriesLeft(), 2)
      }),
    ),
  )

  it.effect("has one retry set aside however often it is asked for, and gives it back once", () =>
    run(
      Effect.gen(function* () {
        const { retriesLeft, state, wayBack } = yield* left
        for (let i = 0; i < 4; i++) assert.isDefined(wayBack.reserve(10_000))
        assert.strictEqual(retriesLeft(), 2)
        assert.isUndefined(wayBack.take({ ...state, attempts: 4 }))
        wayBack.release()
        wayBack.release()
        assert.strictEqual(retriesLeft(), 3)
      }),
    ),
  )
})
