import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { checkKey } from "../../src/providers/check-key.ts"

describe("checkKey", () => {
  it.effect("waits ten seconds for a provider that says nothing", () =>
    Effect.gen(function* () {
      const asked = Promise.withResolvers<void>()
      const server = createServer(() => asked.resolve())
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        }),
      )
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
      const { port } = server.address() as AddressInfo
      const fiber = yield* Effect.forkChild(
        checkKey({
          name: "p",
          kind: "openai-compatible",
          baseUrl: `http://127.0.0.1:${port}`,
          apiKey: Redacted.make("key"),
          models: [],
        }),
      )
      yield* Effect.promise(() => asked.promise)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), {
        status: "unreachable",
        detail: "no answer in 10 seconds",
      })
    }),
  )
})
