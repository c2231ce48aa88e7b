import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { HttpProviderConfig } from "../../../src/config/GatewayConfig.ts"
import type { ChatRequest } from "../../../src/domain/Chat.ts"
import { dispatchedOf, type ProviderErrorKind } from "../../../src/domain/ProviderError.ts"
import { makeTransport } from "../../../src/providers/http/transport.ts"
import { makeGemini } from "../../../src/providers/vendors/gemini.ts"
import { makeOpenAi } from "../../../src/providers/vendors/openai.ts"
import { makeOpenAiCompatible } from "../../../src/providers/vendors/openai-compatible.ts"
import { FakeUpstream } from "../../support/FakeUpstream.ts"
import {
  type Behaviour,
  crHeader,
  empty,
  endMidBody,
  failure,
  gzip,
  hang,
  html,
  hugeBody,
  hugeHeader,
  noContent,
  ok,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  status,
  truncatedJson,
} from "../../support/fake-upstream-behaviours.ts"
import { scaled } from "../../support/slowness.ts"
import * as calls from "../calls.ts"
import { transportOptions } from "./transport-options.ts"

const apiKey = "secret-provider-key-0123456789"
const vendors = { openai: makeOpenAi, gemini: makeGemini, "openai-compatible": makeOpenAiCompatible }
type Kind = keyof typeof vendors

const setUp = Effect.fnUntraced(function* (kind: Kind, overrides: Partial<HttpProviderConfig> = {}) {
  const upstream = yield* FakeUpstream.make
  const transport = yield* makeTransport(transportOptions)
  const provider = vendors[kind](
    {
      kind,
      name: "it",
      baseUrl: kind === "gemini" ? upstream.url : upstream.openAiBaseUrl,
      apiKey: Redacted.make(apiKey),
      models: [{ name: "a-model", kind: "chat" }],
      ...overrides,
    },
    transport,
  )
  const request: ChatRequest = { messages: [{ role: "user", content: "hello" }], max_tokens: 9 }
  const complete = (timeoutMs = scaled(5000)) =>
    calls.complete(provider, { model: "a-model", request, timeoutMs })
  return { upstream, provider, complete }
})

/** Takes connections and says nothing. Returns its port. */
const silentServer = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, sockets }
    }),
    ({ server, sockets }) =>
      Effect.promise(async () => {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      }),
  ),
  ({ server }) => (server.address() as AddressInfo).port,
)

const kinds = ["openai", "gemini", "openai-compatible"] as const

describe("a call that brings no answer", () => {
  it.live.each([
    ["never left when nobody listens", "http://127.0.0.1:1", "connect", "no"],
    ["never left when its time is over before the connection stands", "tls", "timeout", "no"],
    ["may have been billed when its time is over", hang(), "timeout", "unknown"],
    ["may have been billed when it is lost", resetBeforeHeaders(), "reset", "unknown"],
    ["may have been billed when it is lost in the body", resetMidBody(), "reset", "unknown"],
    ["was answered when it is refused", failure("overloaded"), "overloaded", "answered"],
    ["was answered when it is not understood", html(), "bad_response", "answered"],
  ] as const)("%s", ([, how, kind, dispatched]) =>
    Effect.gen(function* () {
      const server = yield* silentServer
      const baseUrl = how === "tls" ? `https://127.0.0.1:${server}` : how
      const { complete, upstream } = yield* setUp(
        "openai-compatible",
        typeof baseUrl === "string" ? { baseUrl } : {},
      )
      if (typeof how !== "string") upstream.respond(how)
      const error = yield* Effect.flip(complete(how === "tls" || kind === "timeout" ? 200 : undefined))
      assert.strictEqual(error.kind, kind)
      assert.strictEqual(dispatchedOf(error), dispatched)
    }),
  )
})

describe("an answer that is none", () => {
  const usageMetadata = { promptTokenCount: 50_000, thoughtsTokenCount: 2_000, totalTokenCount: 52_000 }
  const used = { prompt_tokens: 7, completion_tokens: 3 }

  it.live.each([
    [
      "gemini",
      { candidates: [{ content: { parts: [] }, finishReason: "MALFORMED_FUNCTION_CALL" }], usageMetadata },
      { inputTokens: 50_000, outputTokens: 2_000 },
    ],
    ["openai", { choices: [], usage: used }, { inputTokens: 7, outputTokens: 3 }],
  ] as const)("still says what it used (%s)", ([kind, body, usage]) =>
    Effect.gen(function* () {
      const { upstream, complete } = yield* setUp(kind)
      upstream.enqueue(status(200, body))
      const error = yield* Effect.flip(complete())
      assert.deepInclude(error.usage, usage)
    }),
  )
})

for (const kind of kinds) {
  describe(kind, () => {
    it.live("turns a good answer into a completion, and the tokens agree with what was billed", () =>
      Effect.gen(function* () {
        const { upstream, complete } = yield* setUp(kind)
        upstream.enqueue(
          ok({ text: "bonjour", usage: { input: 12, output: 8, cached: 4, reasoning: 5 }, finish: "length" }),
        )
        const { rawUsage, body, ...completion } = yield* complete()
        assert.include(body().toString(), '"bonjour"')
        assert.deepStrictEqual(completion, {
          text: "bonjour",
          finishReason: "length",
          model: "a-model",
          usage: {
            inputTokens: 12,
            outputTokens: 8,
            cachedTokens: 4,
            cacheWriteTokens: 0,
            reasoningTokens: 5,
          },
          usageEstimated: false,
        })
        assert.isObject(rawUsage)
        assert.deepStrictEqual(upstream.billed.get("a-model"), { calls: 1, input: 12, output: 8 })
      }),
    )

    it.live("gives an answer without usage as unknown usage", () =>
      Effect.gen(function* () {
        const { upstream, complete } = yield* setUp(kind)
        upstream.enqueue(ok({ usage: null }))
        const { usage, rawUsage } = yield* complete()
        assert.deepStrictEqual([usage, rawUsage], [null, null])
      }),
    )

    it.live("sends these headers and no other", () =>
      Effect.gen(function* () {
        const { upstream, complete } = yield* setUp(kind)
        yield* complete()
        const call = upstream.calls[0]
        const length = String(call?.body.length)
        const auth: Record<string, string> =
          kind === "gemini" ? { "x-goog-api-key": apiKey } : { authorization: `Bearer ${apiKey}` }
        assert.deepStrictEqual(
          { ...call?.headers },
          {
            ...auth,
            host: upstream.url.replace("http://", ""),
            connection: "keep-alive",
            "content-type": "application/json",
            accept: "application/json",
            "accept-encoding": "identity",
            "user-agent": "llm-inference-gateway",
            "content-length": length,
          },
        )
        assert.notInclude(call?.path, apiKey)
      }),
    )

    const faults: ReadonlyArray<
      [name: string, behaviour: Behaviour, kind: ProviderErrorKind, status?: number]
    > = [
      ["an HTML page", html(), "bad_response", 200],
      ["an HTML 502", html(502), "server_error", 502],
      ["an empty 200", empty(), "bad_response", 200],
      ["a 204", noContent(), "bad_response", 204],
      ["a redirect", redirect("http://169.254.169.254/latest/meta-data"), "bad_response", 301],
      ["JSON cut in half", truncatedJson(), "bad_response", 200],
      ["JSON called HTML", ok({ headers: { "content-type": "text/html" } }), "bad_response", 200],
      ["JSON called gzip", ok({ headers: { "content-encoding": "gzip" } }), "bad_response", 200],
      ["gzip unasked", gzip(), "bad_response", 200],
      ["gzip of a 503", gzip(503), "overloaded", 503],
      ["a huge body", hugeBody(200_000), "too_large", 200],
      ["a huge header", hugeHeader(64_000), "bad_response"],
      ["a header with a CR", crHeader(), "bad_response"],
      ["a reset before headers", resetBeforeHeaders(), "reset"],
      ["a reset in the body", resetMidBody(), "reset", 200],
      ["an end in the body", endMidBody(), "reset", 200],
      ["a bad request", failure("badRequest"), kind === "gemini" ? "refused" : "bad_request", 400],
      ["too long a context", failure("contextTooLong"), "context_length_exceeded", 400],
      ["filtered content", failure("contentFilter"), "content_filter", kind === "gemini" ? 200 : 400],
      ["a bad key", failure("badKey"), "auth", kind === "gemini" ? 400 : 401],
      ["a forbidden region", failure("forbidden"), kind === "gemini" ? "auth" : "not_enabled", 403],
      ["an unknown model", failure("modelNotFound"), "model_not_found", 404],
      ["a rate limit", failure("rateLimited"), "rate_limited", 429],
      ["an exhausted quota", failure("quotaExhausted"), "quota_exhausted", 429],
      ["an overload", failure("overloaded"), "overloaded", 503],
      [
        "a server error",
        failure("serverError"),
        kind === "gemini" ? "server_error_once" : "server_error",
        500,
      ],
      [
        "a provider's own timeout",
        failure("deadline"),
        kind === "gemini" ? "server_error_once" : "server_error",
        504,
      ],
    ]
    for (const [name, behaviour, expected, code] of faults) {
      it.live(`${name} is ${expected}`, () =>
        Effect.gen(function* () {
          const { upstream, complete } = yield* setUp(kind)
          upstream.enqueue(behaviour)
          const error = yield* Effect.flip(complete())
          assert.deepStrictEqual(
            [error.kind, error.status, error.provider, error.model],
            [expected, code, "it", "a-model"],
          )
          assert.strictEqual(upstream.count, 1)
        }),
      )
    }

    it.live("no answer within the attempt's time is a timeout", () =>
      Effect.gen(function* () {
        const { upstream, complete } = yield* setUp(kind)
        upstream.enqueue(hang())
        assert.strictEqual((yield* Effect.flip(complete(50))).kind, "timeout")
      }),
    )

    it.live("a port nobody listens on is a connect error", () =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(Effect.map(FakeUpstream.make, ({ url }) => url))
        const { complete } = yield* setUp(kind, { baseUrl: gone })
        assert.strictEqual((yield* Effect.flip(complete())).kind, "connect")
      }),
    )

    it.live("interruption closes the upstream connection", () =>
      Effect.gen(function* () {
        const { upstream, complete } = yield* setUp(kind)
        upstream.enqueue(hang())
        const fiber = yield* Effect.forkChild(complete())
        yield* Effect.promise(() => upstream.until(({ count }) => count === 1))
        yield* Fiber.interrupt(fiber)
        yield* Effect.promise(() => upstream.until(({ calls }) => calls[0]?.outcome === "lost"))
      }),
    )

    it.live(
      "no part of an error holds the key, even when the provider quotes it to us in a 400 or a 429",
      () =>
        Effect.gen(function* () {
          const { upstream, complete } = yield* setUp(kind)
          for (const code of [400, 401, 404, 429, 500]) {
            const error = {
              message: `your key ${apiKey}`,
              param: apiKey,
              code: apiKey,
              type: apiKey,
              status: apiKey,
            }
            upstream.enqueue(status(code, { error }))
            assert.notInclude(JSON.stringify(yield* Effect.flip(complete())), apiKey, String(code))
          }
          const escaped = JSON.stringify({ error: { message: `your key ${apiKey}`, code: 400 } }).replaceAll(
            apiKey,
            Array.from(apiKey, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
          )
          upstream.enqueue(status(400, escaped))
          const error = yield* Effect.flip(complete())
          assert.match(error.message, /withheld/)
        }),
    )

    it.live("is named and modelled as configured", () =>
      Effect.gen(function* () {
        const { provider } = yield* setUp(kind)
        assert.deepStrictEqual(
          [provider.name, provider.simulated, [...provider.models.keys()]],
          ["it", false, ["a-model"]],
        )
      }),
    )
  })
}

describe("endpoints", () => {
  it.live("are the base URL's path and the vendor's", () =>
    Effect.gen(function* () {
      for (const [kind, prefix, path] of [
        ["openai", "/v1", "/v1/chat/completions"],
        ["openai-compatible", "/some/prefix", "/some/prefix/chat/completions"],
        ["openai-compatible", "", "/chat/completions"],
        ["gemini", "", "/v1beta/models/a-model:generateContent"],
        ["gemini", "/proxy/", "/proxy/v1beta/models/a-model:generateContent"],
      ] as const) {
        const upstream = yield* FakeUpstream.make
        const { complete } = yield* setUp(kind, { baseUrl: upstream.url + prefix })
        yield* Effect.exit(complete())
        assert.strictEqual(upstream.calls[0]?.path, path)
      }
    }),
  )

  it.live("differ between whole answers, streams and embeddings as the vendor has it", () =>
    Effect.gen(function* () {
      const gemini = "/v1beta/models/a-model"
      const cases: ReadonlyArray<[Kind, Array<string>]> = [
        ["openai", ["/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings"]],
        ["openai-compatible", ["/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings"]],
        [
          "gemini",
          [
            `${gemini}:generateContent`,
            `${gemini}:streamGenerateContent?alt=sse`,
            `${gemini}:batchEmbedContents`,
          ],
        ],
      ]
      for (const [kind, paths] of cases) {
        const { upstream, provider, complete } = yield* setUp(kind)
        const call = { model: "a-model", timeoutMs: 5000 }
        const messages = [{ role: "user", content: "hello" }] as const
        yield* complete()
        yield* calls.stream(
          provider,
          { ...call, request: { messages } },
          { write: () => true, onRoom: () => {} },
        )
        yield* calls.embed(provider, { ...call, request: { input: "hello" } })
        assert.deepStrictEqual(
          upstream.calls.map(({ path }) => path),
          paths,
        )
        assert.deepStrictEqual(
          upstream.calls.map(({ headers }) => headers.accept),
          ["application/json", "text/event-stream", "application/json"],
        )
      }
    }),
  )

  it.live("hold a Gemini model name as one path segment", () =>
    Effect.gen(function* () {
      const { upstream, provider } = yield* setUp("gemini")
      const request: ChatRequest = { messages: [{ role: "user", content: "hello" }] }
      yield* calls.complete(provider, { model: "../x?key=1#y", request, timeoutMs: 5000 })
      assert.strictEqual(upstream.calls[0]?.path, "/v1beta/models/..%2Fx%3Fkey%3D1%23y:generateContent")
    }),
  )

  it.live("without a key get no auth header", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const transport = yield* makeTransport(transportOptions)
      const provider = makeOpenAiCompatible(
        { kind: "openai-compatible", name: "local", baseUrl: upstream.openAiBaseUrl, models: [] },
        transport,
      )
      yield* calls.complete(provider, { model: "m", request: { messages: [] }, timeoutMs: 5000 })
      assert.isUndefined(upstream.calls[0]?.headers.authorization)
    }),
  )
})

describe("what the client may not ask of a protocol", () => {
  it.live("fails without a call", () =>
    Effect.gen(function* () {
      const { upstream, provider } = yield* setUp("gemini")
      const error = yield* Effect.flip(
        calls.complete(provider, {
          model: "m",
          request: { messages: [{ role: "user", content: [{ type: "image_url" }] }] },
          timeoutMs: 5000,
        }),
      )
      assert.deepInclude(error, { kind: "bad_request", param: "messages[0].content[0].image_url" })
      assert.strictEqual(upstream.count, 0)
    }),
  )
})
