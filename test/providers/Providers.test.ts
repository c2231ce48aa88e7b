import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { ModelConfig } from "../../src/catalog/model.ts"
import type { GatewayConfig, ProviderConfig } from "../../src/config/GatewayConfig.ts"
import { Settings } from "../../src/config/Settings.ts"
import { LargeBodies } from "../../src/platform/LargeBodies.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import * as calls from "./calls.ts"

const gatewayOf = (providers: ReadonlyArray<ProviderConfig>): GatewayConfig => ({
  providers,
  priceLayers: new Map(),
  off: new Map(),
  routes: new Map(),
  timeouts: {
    connectMs: 500,
    headersMs: 5000,
    bodyMs: 5000,
    deadlineMs: 5000,
    streamMs: 5000,
    firstTokenMs: 5000,
    keepAliveMs: 5000,
    clientStallMs: 30_000,
    drainMs: 20_000,
  },
  limits: {
    maxAttempts: 4,
    retryRatio: 0.2,
    requestsPerMinute: 60,
    cachedTokensCount: true,
    models: {},
    defaultMaxOutputTokens: 8_192,
    maxInFlight: 100,
    maxStreams: 100,
    maxKeyShare: 1,
    maxEventLoopDelayMs: 100,
    maxUpstreamBytes: 100_000,
    timeZone: "UTC",
  },
  attribution: { headers: {} },
  ledger: { journal: "memory", journalMaxBytes: 0 },
})

const layerOf = (providers: ReadonlyArray<ProviderConfig>) =>
  Providers.layer.pipe(
    Layer.provide(LargeBodies.layer),
    Layer.provide(
      Layer.succeed(Settings, {
        host: "127.0.0.1",
        port: 0,
        docs: true,
        metrics: true,
        ui: true,
        workers: 1,
        dataDir: "",
        adminJwtSecret: Redacted.make(""),
        maxBodyBytes: 1,
        gateway: gatewayOf(providers),
      }),
    ),
  )

describe("Providers.layer", () => {
  it.live("builds every configured provider, in order, each with its own way to ask", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const apiKey = Redacted.make("k")
      const models: ReadonlyArray<ModelConfig> = [{ name: "m", kind: "chat" }]
      const messages = [{ role: "user", content: "hello" }] as const
      yield* Effect.gen(function* () {
        const providers = yield* Providers
        assert.deepStrictEqual([...providers.keys()], ["zeta", "openai", "gemini", "pretend"])
        assert.deepStrictEqual(
          [...providers.values()].map(({ simulated }) => simulated),
          [false, false, false, true],
        )
        for (const provider of providers.values()) {
          yield* calls.complete(provider, {
            model: "m",
            request: { messages, max_tokens: 1 },
            timeoutMs: 5000,
          })
        }
        assert.deepStrictEqual(
          upstream.calls.map(({ path, json }) => [path, json]),
          [
            ["/v1/chat/completions", { messages, max_tokens: 1, model: "m" }],
            ["/v1/chat/completions", { messages, max_tokens: 1, model: "m" }],
            [
              "/v1beta/models/m:generateContent",
              {
                contents: [{ parts: [{ text: "hello" }], role: "user" }],
                generationConfig: { maxOutputTokens: 1 },
              },
            ],
          ],
        )
      }).pipe(
        Effect.provide(
          layerOf([
            { kind: "openai-compatible", name: "zeta", baseUrl: upstream.openAiBaseUrl, models },
            { kind: "openai", name: "openai", baseUrl: upstream.openAiBaseUrl, apiKey, models },
            { kind: "gemini", name: "gemini", baseUrl: upstream.url, apiKey, models },
            {
              kind: "simulated",
              name: "pretend",
              models,
              simulation: {
                medianMs: 1,
                p95Ms: 1,
                msPerOutputToken: 0,
                serverErrorRate: 0,
                rateLimitRate: 0,
                contentFilterRate: 0,
                midStreamErrorRate: 0,
                retryAfterMs: 0,
              },
            },
          ]),
        ),
      )
      yield* Effect.promise(() => upstream.until(({ sockets }) => sockets.closed === sockets.opened))
    }),
  )
})
