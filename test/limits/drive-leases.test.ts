import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Scope } from "effect"
import { driveLeases } from "../../src/limits/drive-leases.ts"
import { Leases } from "../../src/limits/Leases.ts"
import { makeLimit } from "../../src/limits/limit.ts"
import type { LimitStore } from "../../src/limits/limit-store.ts"
import { ASK } from "../../src/limits/local-bucket.ts"

describe("the exchange of limits", () => {
  it.effect("lets those go on who wait for it when it ends", () =>
    Effect.gen(function* () {
      const leases = new Leases("a")
      const asked = yield* Deferred.make<void>()
      const store: LimitStore = {
        exchange: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never),
      }
      const scope = yield* Scope.make()
      const wake = yield* Scope.provide(driveLeases(leases, store), scope)
      const limits = [makeLimit("requests", "key", "k", 10)]
      const outcomes: Array<unknown> = []
      assert.strictEqual(leases.take(limits, 1, 1), ASK)
      leases.wait({ limits, amount: 1, tries: 0, resume: (refused) => outcomes.push(refused) }, 1)
      wake(1)
      yield* Deferred.await(asked)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(outcomes, [undefined])
    }),
  )
})
