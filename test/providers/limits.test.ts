import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { makeTransport } from "../../src/providers/http/transport.ts"
import { makeAnthropic } from "../../src/providers/vendors/anthropic.ts"
import { makeGemini } from "../../src/providers/vendors/gemini.ts"
import { makeOpenAiCompatible } from "../../src/providers/vendors/openai-compatible.ts"
import fixtures from "../fixtures/limits.json" with { type: "json" }
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { scaled } from "../support/slowness.ts"
import * as calls from "./calls.ts"
import { transportOptions } from "./http/transport-options.ts"

/** What each vendor says of its limits, over HTTP. */

const vendors = { anthropic: makeAnthropic, gemini: makeGemini, "openai-compatible": makeOpenAiCompatible }

const setUp = Effect.fnUntraced(function* ({ kind: named, now }: (typeof fixtures)[number]) {
  const kind = named as keyof typeof vendors
  yield* TestClock.setTime(Date.parse(now))
  const upstream = yield* FakeUpstream.make
  const provider = vendors[kind](
    {
      kind,
      name: "it",
      baseUrl: kind === "openai-compatible" ? upstream.openAiBaseUrl : upstream.url,
      apiKey: Redacted.make("a-key-of-tests"),
      models: [{ name: "a-model", kind: "chat" }],
    },
    yield* makeTransport(transportOptions),
  )
  const request: ChatRequest = { messages: [{ role: "user", content: "hello" }], max_tokens: 9 }
  return { upstream, provider, call: { model: "a-model", request, timeoutMs: scaled(5000) } }
})

describe.each(fixtures)("$vendor", (fixture) => {
  const { answer, refusals } = fixture
  const expected = answer.rests_ms === null ? [] : [answer.rests_ms]
  const fields = (headers: object) => headers as Readonly<Record<string, string>>

  it.effect("tells with an answer that a limit is used up, whole and streamed", () =>
    Effect.gen(function* () {
      const { call, provider, upstream } = yield* setUp(fixture)
      upstream.respond(ok({ headers: fields(answer.headers) }))
      const heard: Array<number> = []
      yield* calls.complete(provider, call, (ms) => heard.push(ms))
      assert.deepStrictEqual(heard, expected)
      let chunks = 0
      yield* calls.stream(provider, call, { write: () => ++chunks > 0, onRoom: () => {} }, (ms) => {
        // The head is there before anything of the answer.
        assert.strictEqual(chunks, 0)
        heard.push(ms)
      })
      assert.isAbove(chunks, 0)
      assert.deepStrictEqual(heard, [...expected, ...expected])
    }),
  )

  for (const { body, headers, kind, wait_ms: waitMs } of refusals) {
    it.effect(`is ${kind} for ${waitMs ?? "nobody knows how many"} ms`, () =>
      Effect.gen(function* () {
        const { call, provider, upstream } = yield* setUp(fixture)
        upstream.respond(status(429, body, fields(headers)))
        const error = yield* Effect.flip(calls.complete(provider, call, () => assert.fail("an answer")))
        assert.strictEqual(error.kind, kind)
        assert.strictEqual(error.retryAfterMs ?? null, waitMs)
      }),
    )
  }
})

describe("a failure of another kind", () => {
  it.effect("waits for no limit, although one is used up", () =>
    Effect.gen(function* () {
      const [fixture] = fixtures
      if (fixture === undefined) return assert.fail()
      const { call, provider, upstream } = yield* setUp(fixture)
      upstream.respond(status(500, {}, fixture.answer.headers as Readonly<Record<string, string>>))
      assert.isUndefined((yield* Effect.flip(calls.complete(provider, call))).retryAfterMs)
    }),
  )
})
