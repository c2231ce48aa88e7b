import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, type Result } from "effect"
import { TestClock } from "effect/testing"
import { defaultSimulation } from "../../src/config/builtin-providers.ts"
import type { Simulation } from "../../src/config/GatewayConfig.ts"
import type { ChatChunk, ChatRequest } from "../../src/domain/Chat.ts"
import type { ProviderError } from "../../src/domain/ProviderError.ts"
import type { ChunkSink } from "../../src/providers/Provider.ts"
import { makeSimulated } from "../../src/providers/vendors/simulated/simulated.ts"
import * as calls from "./calls.ts"

const make = (changes: Partial<Simulation> = {}) =>
  makeSimulated({
    kind: "simulated",
    name: "sim",
    models: [
      { name: "m", kind: "chat" },
      { name: "e", kind: "embedding" },
    ],
    simulation: { ...defaultSimulation, msPerOutputToken: 10, ...changes },
  })

const call: calls.ProviderCall<ChatRequest> = {
  model: "m",
  request: { messages: [{ role: "user", content: "Hello" }] },
  timeoutMs: 600_000,
}

interface Streamed {
  readonly result: Result.Result<void, ProviderError>
  readonly chunks: ReadonlyArray<ChatChunk & { readonly atMs: number }>
  readonly ms: number
}

/** Runs one streamed call to its end in virtual time; `hasRoom` answers each write. */
const stream = (
  changes: Partial<Simulation> = {},
  options: Partial<calls.ProviderCall<ChatRequest>> & { readonly hasRoom?: () => boolean } = {},
): Effect.Effect<Streamed & { readonly sink: ChunkSink }> =>
  Effect.gen(function* () {
    const provider = yield* make(changes)
    const clock = yield* Effect.clockWith(Effect.succeed)
    const startedAt = clock.currentTimeMillisUnsafe()
    const nowMs = () => clock.currentTimeMillisUnsafe() - startedAt
    const chunks: Array<ChatChunk & { readonly atMs: number }> = []
    const sink: ChunkSink = {
      write: (chunk) => {
        chunks.push({ ...chunk, atMs: nowMs() })
        return options.hasRoom?.() ?? true
      },
      onRoom: () => {},
    }
    const fiber = yield* Effect.forkChild(
      Effect.gen(function* () {
        const result = yield* Effect.result(calls.stream(provider, { ...call, ...options }, sink))
        return { result, chunks, ms: nowMs(), sink }
      }),
    )
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

const whole = (changes: Partial<Simulation> = {}) =>
  Effect.gen(function* () {
    const provider = yield* make(changes)
    const startedAt = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(
      Effect.gen(function* () {
        const completion = yield* calls.complete(provider, call)
        return { completion, ms: (yield* Clock.currentTimeMillis) - startedAt }
      }),
    )
    yield* TestClock.adjust("10 minutes")
    return yield* Effect.orDie(Fiber.join(fiber))
  })

const failureOf = ({ result }: Streamed): ProviderError => {
  if (result._tag === "Success") throw new Error("The stream ended well")
  return result.failure
}

const dataOf = ({ event }: ChatChunk) => {
  const [, data = ""] = /^data: (.*)\n\n$/.exec(Buffer.from(event).toString()) ?? []
  return JSON.parse(data)
}

describe("a simulated stream", () => {
  it.effect.each(["one", "two", "three"])("says what the whole answer says, as long (seed %s)", (seed) =>
    Effect.gen(function* () {
      const { completion, ms } = yield* whole().pipe(Random.withSeed(seed))
      const streamed = yield* stream().pipe(Random.withSeed(seed))
      assert.strictEqual(streamed.result._tag, "Success")
      assert.strictEqual(streamed.chunks.map(({ text }) => text).join(""), completion.text)
      assert.deepStrictEqual(streamed.chunks.at(-1)?.usage, {
        usage: completion.usage,
        raw: completion.rawUsage,
      })
      assert.strictEqual(streamed.ms, ms)
      const [head] = streamed.chunks.map(dataOf)
      const { id, created } = JSON.parse(String(completion.body()))
      assert.deepInclude(head, { id, created: created + 600, system_fingerprint: "simulated" })
    }),
  )

  it.effect("is a role, pieces of the text, an end and the usage, each a chunk of the same answer", () =>
    Effect.gen(function* () {
      const { chunks } = yield* stream()
      const [role, ...rest] = chunks
      const [end, usage] = rest.splice(-2)
      assert(role !== undefined && end !== undefined && usage !== undefined)
      assert.deepStrictEqual(dataOf(role).choices[0].delta, { role: "assistant", content: "", refusal: null })
      assert.deepInclude(role, { semantic: false, generated: 0, usageOnly: false })
      assert.isAbove(rest.length, 10)
      for (const piece of rest) {
        assert.deepStrictEqual(dataOf(piece).choices[0].delta, { content: piece.text })
        assert.deepInclude(piece, { semantic: true, generated: piece.text.length, usageOnly: false })
        assert.isUndefined(piece.finishReason)
      }
      assert.deepInclude(end, { semantic: true, finishReason: "stop", text: "", usageOnly: false })
      assert.strictEqual(dataOf(end).choices[0].finish_reason, "stop")
      assert.deepInclude(usage, { semantic: false, usageOnly: true })
      assert.deepStrictEqual(dataOf(usage).choices, [])
      assert.strictEqual(new Set(chunks.map((chunk) => dataOf(chunk).id)).size, 1)
    }).pipe(Random.withSeed("shape")),
  )

  it.effect("begins after the latency drawn and then comes steadily", () =>
    Effect.gen(function* () {
      const { chunks, ms } = yield* stream({ medianMs: 300, p95Ms: 300 })
      const times = chunks.map(({ atMs }) => atMs)
      assert.deepStrictEqual(times.slice(0, 4), [300, 300, 350, 400])
      assert.strictEqual(times.at(-1), ms)
      const outputTokens = chunks.at(-1)?.usage?.usage?.outputTokens ?? 0
      assert.strictEqual(ms, 300 + 10 * outputTokens)
    }).pipe(Random.withSeed("pace")),
  )

  it.effect("fails before its first chunk as a whole answer does", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Partial<Simulation>, string]> = [
        [{ serverErrorRate: 1 }, "server_error"],
        [{ rateLimitRate: 1 }, "rate_limited"],
        [{ contentFilterRate: 1 }, "content_filter"],
        [{ outage: { everyMs: 1_000, downMs: 1_000 } }, "connect"],
      ]
      for (const [changes, kind] of cases) {
        const failed = yield* stream(changes)
        assert.strictEqual(failureOf(failed).kind, kind)
        assert.deepStrictEqual(failed.chunks, [])
      }
      assert.strictEqual(failureOf(yield* stream({}, { model: "e" })).kind, "model_not_found")
    }),
  )

  it.effect("breaks off in the middle at the configured share, after words and before an end", () =>
    Effect.gen(function* () {
      const unbroken = yield* stream().pipe(Random.withSeed("broken"))
      const broken = yield* stream({ midStreamErrorRate: 1 }).pipe(Random.withSeed("broken"))
      const length = ({ chunks }: Streamed) => chunks.map(({ text }) => text).join("").length
      assert.approximately(length(broken) / length(unbroken), 0.5, 0.1)
      assert.deepInclude(failureOf(broken), { kind: "reset", provider: "sim", model: "m" })
      assert.isTrue(broken.chunks.some(({ semantic }) => semantic))
      assert.isTrue(
        broken.chunks.every(({ finishReason, usage }) => finishReason === undefined && usage === undefined),
      )
      // One word leaves no middle, and still there is a word and no end.
      const short = { request: { ...call.request, max_tokens: 1 } }
      const one = yield* stream({ midStreamErrorRate: 1 }, short)
      assert.deepStrictEqual(
        one.chunks.map(({ text }) => text),
        ["", "[simulated]"],
      )
      let count = 0
      for (let i = 0; i < 300; i++) {
        if ((yield* stream({ midStreamErrorRate: 0.3 })).result._tag === "Failure") count++
      }
      assert.approximately(count, 90, 30)
    }).pipe(Random.withSeed("broken")),
  )

  it.effect(
    "draws a seventh number for that, so a following call differs from one after a whole answer",
    () =>
      Effect.gen(function* () {
        const next = (yield* Random.Random).nextDoubleUnsafe
        const numbers = Array.from({ length: 8 }, () => next())
        const nextAfter = (mode: "whole" | "stream") =>
          Effect.gen(function* () {
            const random = yield* Random.Random
            yield* mode === "whole" ? Effect.asVoid(whole()) : Effect.asVoid(stream())
            return random.nextDoubleUnsafe()
          }).pipe(Random.withSeed("seven"))
        assert.strictEqual(yield* nextAfter("whole"), numbers[6])
        assert.strictEqual(yield* nextAfter("stream"), numbers[7])
      }).pipe(Random.withSeed("seven")),
  )

  it.effect("waits when the sink has no room until it has", () =>
    Effect.gen(function* () {
      const provider = yield* make({ medianMs: 0, p95Ms: 0, msPerOutputToken: 0 })
      let written = 0
      const sink: ChunkSink = {
        write: () => {
          written++
          return written % 3 !== 0
        },
        onRoom: () => {},
      }
      const fiber = yield* Effect.forkChild(calls.stream(provider, call, sink))
      for (const full of [3, 6, 9]) {
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(written, full)
        sink.onRoom()
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual(written, 12)
      yield* Fiber.interrupt(fiber)
    }),
  )

  it.effect("does not miss room that is made while the sink is being asked", () =>
    Effect.gen(function* () {
      const provider = yield* make({ medianMs: 0, p95Ms: 0, msPerOutputToken: 0 })
      const sink: ChunkSink = {
        write: () => {
          sink.onRoom()
          return false
        },
        onRoom: () => {},
      }
      const fiber = yield* Effect.forkChild(calls.stream(provider, call, sink))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* Fiber.join(fiber))
    }),
  )

  it.effect("gives up when its time is over: before it begins, between words, or waiting for room", () =>
    Effect.gen(function* () {
      const slow = { medianMs: 1_000, p95Ms: 1_000 }
      const silent = yield* stream(slow, { timeoutMs: 500 })
      assert.deepStrictEqual([failureOf(silent).kind, silent.ms, silent.chunks.length], ["timeout", 500, 0])
      const cut = yield* stream(slow, { timeoutMs: 1_200 })
      assert.deepStrictEqual([failureOf(cut).kind, cut.ms], ["timeout", 1_200])
      assert.isAbove(cut.chunks.length, 3)
      const stuck = yield* stream(slow, { timeoutMs: 5_000, hasRoom: () => false })
      assert.deepStrictEqual([failureOf(stuck).kind, stuck.ms, stuck.chunks.length], ["timeout", 5_000, 1])
    }).pipe(Random.withSeed("late")),
  )
})
