import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, type Result } from "effect"
import { TestClock } from "effect/testing"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import type { ModelConfig } from "../../src/catalog/model.ts"
import type { Simulation } from "../../src/config/GatewayConfig.ts"
import type { ChatRequest, Completion } from "../../src/domain/Chat.ts"
import type { ProviderError } from "../../src/domain/ProviderError.ts"
import { makeSimulated } from "../../src/providers/vendors/simulated/simulated.ts"
import * as calls from "./calls.ts"

const simulation: Simulation = {
  medianMs: 300,
  p95Ms: 900,
  msPerOutputToken: 2,
  serverErrorRate: 0,
  rateLimitRate: 0,
  contentFilterRate: 0,
  midStreamErrorRate: 0,
  retryAfterMs: 1_500,
}

const SECRET = "the-prompt-that-must-not-come-back"
const request = (extra: Partial<ChatRequest> = {}): ChatRequest => ({
  messages: [{ role: "user", content: SECRET }],
  ...extra,
})

const make = (changes: Partial<Simulation> = {}, model: Partial<ModelConfig> = {}) =>
  makeSimulated({
    kind: "simulated",
    name: "sim",
    models: [
      { name: "m", kind: "chat", ...model },
      { name: "e", kind: "embedding" },
    ],
    simulation: { ...simulation, ...changes },
  })

interface Call {
  readonly result: Result.Result<Completion, ProviderError>
  readonly ms: number
}

/** Runs one call to its end in virtual time. */
const call = (
  provider: Effect.Success<ReturnType<typeof make>>,
  options: { readonly model?: string; readonly request?: ChatRequest; readonly timeoutMs?: number } = {},
): Effect.Effect<Call> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(
      Effect.gen(function* () {
        const result = yield* Effect.result(
          calls.complete(provider, {
            model: options.model ?? "m",
            request: options.request ?? request(),
            timeoutMs: options.timeoutMs ?? 600_000,
          }),
        )
        return { result, ms: (yield* Clock.currentTimeMillis) - startedAt }
      }),
    )
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

const many = (count: number, changes: Partial<Simulation> = {}) =>
  Effect.gen(function* () {
    const provider = yield* make(changes)
    return yield* Effect.forEach(Array.from({ length: count }), () => call(provider))
  })

/** Calls as values that can be compared. */
const shown = (calls: ReadonlyArray<Call>) =>
  calls.map(({ ms, result }) => [
    ms,
    result._tag === "Success" ? { ...result.success, body: undefined } : result.failure,
  ])

const answer = ({ result }: Call): Completion => {
  if (result._tag === "Failure") throw result.failure
  return result.success
}
const failure = ({ result }: Call): ProviderError => {
  if (result._tag === "Success") throw new Error("The call succeeded")
  return result.failure
}

describe("simulated provider", () => {
  it.effect("answers the same for the same seed and differently for another", () =>
    Effect.gen(function* () {
      const changes = { serverErrorRate: 0.2, rateLimitRate: 0.2, contentFilterRate: 0.1 }
      const [first, again, other] = [
        yield* many(40, changes).pipe(Random.withSeed("one")),
        yield* many(40, changes).pipe(Random.withSeed("one")),
        yield* many(40, changes).pipe(Random.withSeed("two")),
      ]
      assert.deepStrictEqual(shown(first), shown(again))
      assert.notDeepEqual(shown(first), shown(other))
    }),
  )

  it.effect("takes its time around the median, with the 95th percentile asked for, plus time per token", () =>
    Effect.gen(function* () {
      const sorted = (yield* many(2_000, { msPerOutputToken: 0 }))
        .map(({ ms }) => ms)
        .toSorted((a, b) => a - b)
      assert.approximately(sorted[1_000] ?? 0, 300, 30)
      assert.approximately(sorted[1_900] ?? 0, 900, 150)
      const provider = yield* make({ medianMs: 0, p95Ms: 0, msPerOutputToken: 10 })
      const long = yield* call(provider)
      assert.strictEqual(long.ms, 10 * (answer(long).usage?.outputTokens ?? 0))
    }).pipe(Random.withSeed("latency")),
  )

  it.effect("says that it is simulated, repeats nothing of the prompt and reports plausible usage", () =>
    Effect.gen(function* () {
      for (const each of yield* many(50)) {
        const { finishReason, text, usage } = answer(each)
        assert.isTrue(text.startsWith("[simulated]"))
        assert.notInclude(text, SECRET)
        assert.strictEqual(finishReason, "stop")
        // The text, its role, three tokens around a message and three before the answer.
        assert.strictEqual(usage?.inputTokens, countTokens(SECRET) + 7)
        const outputTokens = usage?.outputTokens ?? 0
        assert.isTrue(outputTokens >= 60 && outputTokens <= 150)
        assert.strictEqual(countTokens(text), outputTokens)
      }
    }).pipe(Random.withSeed("usage")),
  )

  it.effect("gives OpenAI's body of the same answer, marked as simulated", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_500)
      const [first, second] = [answer(yield* call(yield* make())), answer(yield* call(yield* make()))]
      const body = JSON.parse(String(first.body()))
      assert.deepStrictEqual(body, {
        id: body.id,
        object: "chat.completion",
        created: 1_700_000_000,
        model: "m",
        system_fingerprint: "simulated",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: first.text, refusal: null, annotations: [] },
            logprobs: null,
            finish_reason: "stop",
          },
        ],
        usage: first.rawUsage,
      })
      assert.match(body.id, /^chatcmpl-[0-9a-z]{10,}$/)
      assert.notStrictEqual(body.id, JSON.parse(String(second.body())).id)
      assert.deepInclude(body.usage, {
        prompt_tokens: first.usage?.inputTokens,
        completion_tokens: first.usage?.outputTokens,
      })
      assert.isFalse(first.usageEstimated)
    }).pipe(Random.withSeed("body")),
  )

  it.effect("stops at the tokens asked for or at the model's own limit", () =>
    Effect.gen(function* () {
      const asked = answer(yield* call(yield* make(), { request: request({ max_tokens: 1 }) }))
      assert.deepStrictEqual(
        [asked.text, asked.finishReason, asked.usage?.outputTokens],
        ["[simulated]", "length", 1],
      )
      const limited = answer(yield* call(yield* make({}, { maxOutputTokens: 7 })))
      assert.deepStrictEqual([limited.finishReason, limited.usage?.outputTokens], ["length", 7])
    }),
  )

  it.effect("fails in each way at the configured share", () =>
    Effect.gen(function* () {
      const kinds = new Map<string, number>()
      const calls = yield* many(2_000, { serverErrorRate: 0.1, rateLimitRate: 0.2, contentFilterRate: 0.3 })
      for (const { result } of calls) {
        const kind = result._tag === "Success" ? "answer" : result.failure.kind
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      }
      assert.approximately(kinds.get("server_error") ?? 0, 200, 40)
      assert.approximately(kinds.get("rate_limited") ?? 0, 2_000 * 0.9 * 0.2, 60)
      assert.approximately(kinds.get("content_filter") ?? 0, 2_000 * 0.9 * 0.8 * 0.3, 70)
    }).pipe(Random.withSeed("shares")),
  )

  it.effect("gives each failure the shape of a provider's", () =>
    Effect.gen(function* () {
      const serverError = failure(yield* call(yield* make({ serverErrorRate: 1 })))
      assert.deepInclude(serverError, { kind: "server_error", status: 500, provider: "sim", model: "m" })
      const rateLimited = failure(yield* call(yield* make({ rateLimitRate: 1 })))
      assert.deepInclude(rateLimited, { kind: "rate_limited", status: 429, retryAfterMs: 1_500 })
      const filtered = failure(yield* call(yield* make({ contentFilterRate: 1 })))
      assert.deepInclude(filtered, { kind: "content_filter", status: 400 })
      assert.isString(filtered.message)
      const unknown = failure(yield* call(yield* make(), { model: "other" }))
      assert.deepInclude(unknown, { kind: "model_not_found", status: 404 })
    }),
  )

  it.effect("gives up when its time is over", () =>
    Effect.gen(function* () {
      const provider = yield* make({ medianMs: 5_000, p95Ms: 5_000 })
      const late = yield* call(provider, { timeoutMs: 1_000 })
      assert.strictEqual(failure(late).kind, "timeout")
      assert.strictEqual(late.ms, 1_000)
    }),
  )

  it.effect("is down for the first part of every outage period", () =>
    Effect.gen(function* () {
      const provider = yield* make({ outage: { everyMs: 60_000, downMs: 10_000 } })
      const at = (ms: number) => Effect.andThen(TestClock.setTime(ms), call(provider))
      for (const ms of [0, 9_999, 600_000, 1_209_999])
        assert.strictEqual(failure(yield* at(ms)).kind, "connect")
      for (const ms of [10_000, 59_999, 1_210_000]) assert.strictEqual((yield* at(ms)).result._tag, "Success")
    }),
  )
})
