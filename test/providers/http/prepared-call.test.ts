import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { dispatchedOf } from "../../../src/domain/ProviderError.ts"
import type { Task } from "../../../src/domain/Task.ts"
import { makeHttpProvider } from "../../../src/providers/http/http-provider.ts"
import { makeTransport } from "../../../src/providers/http/transport.ts"
import { openAiChat, openAiPath } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import type { Protocol } from "../../../src/providers/protocols/Protocol.ts"
import { makeGemini } from "../../../src/providers/vendors/gemini.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import { status } from "../../support/fake-upstream-behaviours.ts"
import { transportOptions } from "./transport-options.ts"

const chat = (fields: object = {}): Task => ({
  _tag: "Chat",
  request: { messages: [{ role: "user", content: "hello" }], ...fields },
  mode: "whole",
})

/** A provider that counts how often its protocol lowers a task and writes a body. */
const counting = Effect.fnUntraced(function* () {
  const upstream = yield* FakeUpstream.make
  const seen = { lowered: 0, written: 0 }
  const real = openAiChat({ isOpenAi: false })
  const protocol: Protocol = {
    ...real,
    lower: (task, model) => {
      seen.lowered += 1
      return Result.map(real.lower(task, model), (writer) => ({
        write: (mode) => {
          seen.written += 1
          return writer.write(mode)
        },
      }))
    },
  }
  const provider = makeHttpProvider(
    { kind: "openai", name: "it", baseUrl: upstream.openAiBaseUrl, models: [] },
    yield* makeTransport(transportOptions),
    () => ({ protocol, path: openAiPath }),
  )
  return { upstream, provider, seen }
})

describe("a prepared call", () => {
  it.live("has no body before it is sent, and the same body when it is sent again", () =>
    Effect.gen(function* () {
      const { upstream, provider, seen } = yield* counting()
      const call = Result.getOrThrow(provider.prepare(chat(), "m"))
      const effect = call.complete(5000)
      assert.deepStrictEqual(seen, { lowered: 1, written: 0 })
      upstream.enqueue(status(500, {}))
      yield* Effect.flip(effect)
      yield* call.complete(5000)
      assert.deepStrictEqual(seen, { lowered: 1, written: 1 })
      const [first, second] = upstream.calls
      assert.deepStrictEqual(first?.json, { messages: [{ role: "user", content: "hello" }], model: "m" })
      assert.deepStrictEqual(second?.json, first?.json)
    }),
  )

  it.live("does not exist for what the provider does not support", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const provider = makeGemini(
        { kind: "gemini", name: "g", baseUrl: upstream.url, apiKey: Redacted.make("k"), models: [] },
        yield* makeTransport(transportOptions),
      )
      assert.deepStrictEqual(
        provider.prepare(chat({ logit_bias: { 5: 1 } }), "gemini-2.5-flash"),
        Result.fail({ param: "logit_bias", reason: "logit_bias is not supported with this provider." }),
      )
      // Senseless to everybody: not a reason to look for another provider.
      const malformed = Result.getOrThrow(provider.prepare(chat({ seed: "x" }), "gemini-2.5-flash"))
      const error = yield* Effect.flip(malformed.complete(5000))
      assert.deepInclude(error, { kind: "bad_request", param: "seed", message: "seed is a number." })
      assert.strictEqual(dispatchedOf(error), "no")
      assert.strictEqual(upstream.count, 0)
    }),
  )
})
