import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Random, Result } from "effect"
import { TestClock } from "effect/testing"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { InferenceEndpoints, type InferenceExchange } from "../../src/http/InferenceEndpoints.ts"
import type { StreamWriter } from "../../src/http/StreamedResponse.ts"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import type { IdempotentReply } from "../../src/idempotency/claimed-run.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import { ask } from "../routing/world.ts"
import { principalOf } from "../support/principal-of.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { connection, event, type Fate, makeLedger, makeUpstream, replica, settings } from "./world.ts"

/** A streamed answer's story under virtual time: what the client gets, what is recorded, who is asked. */

const writer: StreamWriter = {
  headers: ({ attemptCount, candidate }) => ({
    attempts: String(attemptCount),
    by: candidate?.key ?? "open",
  }),
  needsText: true,
  chunk: (chunk) => (chunk.usageOnly ? undefined : chunk.event),
  end: ({ result }) => event(Result.isSuccess(result) ? "[DONE]" : `error ${result.failure.code}`),
}

const exchange = (id: string, model: string, claim?: string, deadlineMs?: number): InferenceExchange => ({
  requestId: RequestId.make(id),
  endpoint: "/infer",
  credential: Result.succeed("key"),
  ...connection,
  read: () =>
    Effect.succeed({
      call: {
        requestedModel: model,
        task: { _tag: "Chat", request: ask("Hello", { user: id }), mode: "stream" },
        stream: writer,
        dryRun: false,
        write: ({ attempts, result }) => ({
          status: Result.isSuccess(result) ? 200 : result.failure.status,
          headers: {},
          body: `${attempts.length} attempts`,
        }),
      },
      claim: claim === undefined ? undefined : { key: claim, fingerprint: Uint8Array.of(1) },
      deadlineMs,
    }),
})

/** A client: its request lasts until it leaves, and so does its reading. */
class Client {
  text = ""
  ended = false
  reply: IdempotentReply | undefined
  readonly leave: Effect.Effect<void>

  static readonly ask = Effect.fnUntraced(function* (exchange: InferenceExchange) {
    const { serve } = yield* InferenceEndpoints
    let seen: Client | undefined
    const request = Effect.flatMap(serve(exchange), (reply) => {
      seen?.read(reply)
      return Effect.never
    })
    const fiber = yield* Effect.forkChild(request)
    seen = new Client(Fiber.interrupt(fiber))
    yield* turn
    return seen
  })

  private constructor(leave: Effect.Effect<void>) {
    this.leave = leave
  }

  private read(reply: IdempotentReply): void {
    this.reply = reply
    const { body } = reply.response
    if (!(body instanceof ReplayableBody)) {
      this.text = Buffer.from(body).toString()
      this.ended = true
      return
    }
    const readable = body.read()
    readable.on("data", (chunk: Buffer) => {
      this.text += chunk
        .toString()
        .replace(/^data: /gm, "")
        .replace(/\n\n/g, "|")
    })
    readable.on("end", () => {
      this.ended = true
    })
  }
}

/** Stream callbacks run between turns of the event loop, not on the test's clock. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), turn)

/** Each target's calls go as listed; the last entry repeats. */
const world = (script: Readonly<Record<string, ReadonlyArray<Fate>>>) => {
  const upstream = makeUpstream(({ target }) =>
    Effect.sync(() => {
      const fates = script[target] ?? []
      const earlier = upstream.calls.filter((call) => call.target === target).length - 1
      return fates[Math.min(earlier, fates.length - 1)] ?? { afterMs: 500 }
    }),
  )
  const ledger = makeLedger()
  const layer = Layer.mergeAll(
    upstream.layer,
    ledger.layer,
    Layer.succeed(Authenticator, {
      authenticate: () => Effect.succeed(principalOf("AAAAAAAAAAAA")),
      ownerOf: () => Effect.undefined,
    }),
    ClaimStore.layerMemory,
    settings,
  )
  const asked = () => upstream.calls.map((call) => `${call.target} ${call.outcome}`)
  return { ledger, upstream, asked, layer }
}

const steadyRandom = Effect.provideService(Random.Random, {
  nextIntUnsafe: () => 0,
  nextDoubleUnsafe: () => 0.5,
})

const usage = { inputTokens: 10, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }

/** Milliseconds from a provider's answer to its end are in the script; the first chunk comes after `afterMs`. */
const story = <E>(
  name: string,
  script: Readonly<Record<string, ReadonlyArray<Fate>>>,
  body: (scene: Omit<ReturnType<typeof world>, "layer">) => Effect.Effect<void, E, InferenceEndpoints>,
) =>
  it.effect(name, () => {
    const { layer, ...scene } = world(script)
    return Effect.gen(function* () {
      yield* Effect.provideService(body(scene), InferenceEndpoints, yield* replica)
      // Claims that are left hold the end up for their grace period.
      yield* Effect.forkDetach(Effect.repeat(TestClock.adjust("10 seconds"), { times: 100 }))
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(layer, startedClock)), steadyRandom)
  })

describe("a stream", () => {
  story(
    "begins with its first token, ends with the terminal event after it was recorded, and has one row",
    { "a/m": [{ afterMs: 500, pieceMs: 1_000, usage }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(499)
        assert.strictEqual(client.text, "")
        yield* pass(1)
        assert.include(client.reply?.response, { status: 200 })
        assert.deepStrictEqual(client.reply?.response.headers, { attempts: "1", by: "a/m" })
        assert.strictEqual(client.text, "role|hel|")
        assert.strictEqual(ledger.records.length, 0)
        yield* pass(2_000)
        assert.strictEqual(client.text, "role|hel|lo|stop|[DONE]|")
        assert.isTrue(client.ended)
        assert.deepStrictEqual(asked(), ["a/m success"])
        assert.strictEqual(ledger.records.length, 1)
        assert.include(ledger.records[0], {
          status: 200,
          stream: true,
          firstTokenMs: 500,
          latencyMs: 2_500,
          finishReason: "stop",
          usage,
          usageEstimated: false,
          costNanoUsd: 12_000,
          errorCode: null,
        })
        assert.deepStrictEqual(ledger.records[0]?.rawUsage, usage)
      }),
  )

  story(
    "costs what held when its request started, though the price changed before its end, and its attempts too",
    {
      "a/dearer": [
        { afterMs: 500, pieceMs: 1_000, usage },
        { afterMs: 500, usage },
      ],
    },
    ({ ledger }) =>
      Effect.gen(function* () {
        yield* Client.ask(exchange("before", "a/dearer"))
        yield* pass(3_000)
        yield* Client.ask(exchange("after", "a/dearer"))
        yield* pass(3_000)
        assert.deepStrictEqual(
          ledger.records.map(({ costNanoUsd, attempts }) => [costNanoUsd, attempts[0]?.costNanoUsd]),
          [
            [12_000, 12_000],
            [36_000, 36_000],
          ],
        )
      }),
  )

  story(
    "is expected to begin when others began, however long they took to end",
    { "a/m": [{ afterMs: 500, pieceMs: 10_000, usage }] },
    ({ ledger }) =>
      Effect.gen(function* () {
        for (let n = 0; n < 6; n++) {
          yield* Client.ask(exchange(`r${n}`, "a/m"))
          yield* pass(25_000)
        }
        const last = JSON.stringify(ledger.records.at(-1)?.decision)
        const [, predicted] = /"predicted_ms":(\d+)/.exec(last) ?? []
        assert.isBelow(Number(predicted), 4_000)
      }),
  )

  story(
    "counts the attempt under way, also when the one before it began in the same millisecond",
    { "a/m": [{ afterMs: 0, fails: { kind: "auth" } }], "b/m": [{ afterMs: 0, usage }] },
    ({ asked }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(100)
        assert.deepStrictEqual(asked(), ["a/m auth", "b/m success"])
        assert.deepStrictEqual(client.reply?.response.headers, { attempts: "2", by: "b/m" })
      }),
  )

  story(
    "moves to the next provider as long as nothing was said, and nothing of the first is seen",
    { "a/m": [{ afterMs: 100, pieces: [], breaks: "reset" }], "b/m": [{ afterMs: 100, usage }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(1_000)
        assert.strictEqual(client.text, "role|hel|lo|stop|[DONE]|")
        // Once more at the same provider, then at the next.
        assert.deepStrictEqual(asked(), ["a/m reset", "a/m reset", "b/m success"])
        assert.deepStrictEqual(client.reply?.response.headers, { attempts: "3", by: "b/m" })
        assert.strictEqual(ledger.records[0]?.attempts.length, 3)
      }),
  )

  story(
    "moves on from a provider that says nothing in time",
    { "a/m": [{ afterMs: 0, pieces: [], breaks: "silence" }] },
    ({ asked }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(timeouts.firstTokenMs - 1)
        assert.deepStrictEqual(asked(), ["a/m undefined"])
        yield* pass(1_000)
        assert.deepStrictEqual(asked(), ["a/m cancelled", "b/m success"])
        assert.isTrue(client.text.endsWith("[DONE]|"))
      }),
  )

  story(
    "that ends well without having said anything is no answer: the next provider is asked",
    { "a/m": [{ afterMs: 100, mute: true }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(2_000)
        assert.strictEqual(client.text, "role|hel|lo|stop|[DONE]|")
        assert.strictEqual(asked().at(-1), "b/m success")
        assert.strictEqual(ledger.records[0]?.attempts[0]?.outcome, "bad_response")
      }),
  )

  story(
    "that nobody begins is an ordinary error",
    { "a/m": [{ afterMs: 10, fails: { kind: "bad_request" } }] },
    ({ ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(100)
        assert.include(client.reply?.response, { status: 400 })
        assert.strictEqual(client.text, "1 attempts")
        assert.include(ledger.records[0], { status: 400, errorCode: "invalid_request", stream: true })
      }),
  )
})

describe("past the point of no return", () => {
  story(
    "a break is an error in the stream without the terminal event: nobody else is asked, what came is accounted",
    { "a/m": [{ afterMs: 100, pieces: ["four", "four", "four"], breaks: "reset" }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(1_000)
        assert.strictEqual(client.text, "role|four|four|four|error upstream_error|")
        assert.isTrue(client.ended)
        assert.deepStrictEqual(asked(), ["a/m reset"])
        const [record] = ledger.records
        // 12 characters are 3 tokens; "Hello" and its message are 6.
        const estimate = {
          inputTokens: 6,
          outputTokens: 3,
          cachedTokens: 0,
          cacheWriteTokens: 0,
          reasoningTokens: 0,
        }
        assert.deepInclude(record, {
          status: 200,
          errorCode: "upstream_error",
          provider: "a",
          usage: estimate,
          usageEstimated: true,
          costNanoUsd: 9_000,
        })
        assert.deepInclude(record?.attempts[0], { outcome: "reset", usage: estimate, usageEstimated: true })
      }),
  )

  story(
    "breaks keep the next ones away: a stream's end counts, not its start",
    { "a/m": [{ afterMs: 100, breaks: "reset" }] },
    ({ asked }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 12; i++) {
          yield* Client.ask(exchange(`r${i}`, "a-then-b"))
          yield* pass(1_000)
        }
        assert.isAtMost(asked().filter((one) => one === "a/m reset").length, 5)
        assert.strictEqual(asked().at(-1), "b/m success")
      }),
  )

  story(
    "a client's own deadline that cuts streams opens none, however long they ran",
    { "a/m": [{ afterMs: 2_000, pieceMs: 5_000, breaks: "timeout" }] },
    ({ asked, ledger, upstream }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 6; i++) {
          const client = yield* Client.ask(exchange(`r${i}`, "a-then-b", undefined, 12_000))
          yield* pass(12_000)
          assert.strictEqual(client.text, "role|hel|lo|error upstream_timeout|")
        }
        assert.deepStrictEqual([...new Set(asked())], ["a/m timeout"])
        assert.strictEqual(upstream.calls.at(-1)?.timeoutMs, 12_000)
        assert.deepInclude(ledger.records[0]?.attempts[0], {
          outcome: "client_deadline",
          dispatched: "unknown",
        })
      }),
  )

  story(
    "a stream has a deadline of its own, which all of its attempts share",
    { "a/m": [{ afterMs: 1_000, pieces: [], breaks: "reset" }] },
    ({ upstream }) =>
      Effect.gen(function* () {
        yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(5_000)
        assert.deepStrictEqual(
          upstream.calls.map(({ startedAt, timeoutMs }) => startedAt + timeoutMs - START_MS),
          [timeouts.streamMs, timeouts.streamMs, timeouts.streamMs],
        )
      }),
  )
})

describe("silence", () => {
  story(
    "between two pieces brings comments",
    { "a/m": [{ afterMs: 100, pieces: ["one", "two"], pieceMs: 31_000 }] },
    () =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(100)
        yield* pass(14_000)
        assert.strictEqual(client.text, "role|one|")
        yield* pass(1_000)
        assert.strictEqual(client.text, "role|one|: keep-alive|")
        yield* pass(15_000)
        assert.strictEqual(client.text, "role|one|: keep-alive|: keep-alive|")
        yield* pass(1_000)
        assert.strictEqual(client.text, "role|one|: keep-alive|: keep-alive|two|")
      }),
  )

  story(
    "before the first one does too, and still the next provider can answer",
    { "a/m": [{ afterMs: 9_000, pieces: [], breaks: "reset" }], "b/m": [{ afterMs: 1_000 }] },
    ({ asked }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(15_000)
        assert.strictEqual(client.text, ": keep-alive|")
        assert.deepStrictEqual(client.reply?.response.headers, { attempts: "2", by: "open" })
        yield* pass(10_000)
        assert.strictEqual(client.text, ": keep-alive|role|hel|lo|stop|[DONE]|")
        assert.strictEqual(asked().at(-1), "b/m success")
      }),
  )

  story(
    "that ends in nothing is an error in the stream, since its status is out",
    { "a/m": [{ afterMs: 9_000, pieces: [], breaks: "reset" }] },
    ({ ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "only-a"))
        yield* pass(60_000)
        assert.strictEqual(client.text, ": keep-alive|error upstream_error|")
        assert.include(ledger.records[0], { status: 200, errorCode: "upstream_error", provider: null })
      }),
  )
})

describe("a client that leaves", () => {
  story(
    "takes its upstream call with it, and what it got is accounted",
    { "a/m": [{ afterMs: 100, pieces: ["four", "more"], pieceMs: 1_000 }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const client = yield* Client.ask(exchange("r", "a-then-b"))
        yield* pass(500)
        yield* client.leave
        assert.deepStrictEqual(asked(), ["a/m cancelled"])
        assert.deepInclude(ledger.records[0], {
          status: 499,
          errorCode: "client_closed_request",
          latencyMs: 500,
          usage: {
            inputTokens: 6,
            outputTokens: 1,
            cachedTokens: 0,
            cacheWriteTokens: 0,
            reasoningTokens: 0,
          },
          usageEstimated: true,
        })
      }),
  )

  story(
    "with an Idempotency-Key leaves its stream running, to which a duplicate attaches from the first event on",
    { "a/m": [{ afterMs: 100, pieces: ["one", "two"], pieceMs: 1_000, usage }] },
    ({ asked, ledger }) =>
      Effect.gen(function* () {
        const first = yield* Client.ask(exchange("r1", "a-then-b", "key"))
        yield* pass(500)
        yield* first.leave
        const second = yield* Client.ask(exchange("r2", "a-then-b", "key"))
        assert.strictEqual(second.text, "role|one|")
        assert.isTrue(second.reply?.replayed)
        yield* pass(2_000)
        assert.strictEqual(second.text, "role|one|two|stop|[DONE]|")
        const third = yield* Client.ask(exchange("r3", "a-then-b", "key"))
        assert.strictEqual(
          third.text,
          "data: role\n\ndata: one\n\ndata: two\n\ndata: stop\n\ndata: [DONE]\n\n",
        )
        assert.deepStrictEqual(third.reply?.response.headers, first.reply?.response.headers)
        assert.deepStrictEqual(asked(), ["a/m success"])
        assert.deepStrictEqual(
          ledger.records.map(({ id, status }) => [id, status]),
          [["r1", 200]],
        )
      }),
  )

  story(
    "and whose stream breaks has nothing stored: the next request runs again",
    { "a/m": [{ afterMs: 100, breaks: "reset" }, { afterMs: 100 }] },
    ({ asked }) =>
      Effect.gen(function* () {
        yield* Client.ask(exchange("r1", "only-a", "key"))
        yield* pass(1_000)
        const again = yield* Client.ask(exchange("r2", "only-a", "key"))
        yield* pass(1_000)
        assert.isFalse(again.reply?.replayed)
        assert.isTrue(again.text.endsWith("[DONE]|"))
        assert.deepStrictEqual(asked(), ["a/m reset", "a/m success"])
      }),
  )
})
