import { Context, Effect, Layer } from "effect"
import type { ProviderConfig } from "../config/GatewayConfig.ts"
import { Settings } from "../config/Settings.ts"
import { LargeBodies } from "../platform/LargeBodies.ts"
import type { KeyHealthOf } from "./http/http-provider.ts"
import { makeTransport, type Transport } from "./http/transport.ts"
import { KeyMemory } from "./KeyMemory.ts"
import type { Provider } from "./Provider.ts"
import { makeAnthropic } from "./vendors/anthropic.ts"
import { makeGemini } from "./vendors/gemini.ts"
import { makeOpenAi } from "./vendors/openai.ts"
import { makeOpenAiCompatible } from "./vendors/openai-compatible.ts"
import { makeSimulated } from "./vendors/simulated/simulated.ts"

/** Every configured provider by name, in configuration order. */
export class Providers extends Context.Service<Providers, ReadonlyMap<string, Provider>>()(
  "gateway/providers/Providers",
) {
  static readonly layerNoDeps = Layer.effect(
    Providers,
    Effect.gen(function* () {
      const { gateway, otlpEndpoint } = yield* Settings
      const { timeouts, limits } = gateway
      const { maxUpstreamBytes, maxInFlight, maxStreams } = limits
      const transport = yield* makeTransport({
        ...timeouts,
        maxUpstreamBytes,
        maxCalls: maxInFlight + maxStreams,
        largeBodies: yield* LargeBodies,
        traced: otlpEndpoint !== undefined,
      })
      const { healthOf } = yield* KeyMemory
      const providers = yield* Effect.forEach(gateway.providers, (config) =>
        makeProvider(config, transport, healthOf),
      )
      return new Map(providers.map((provider) => [provider.name, provider]))
    }),
  )
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(KeyMemory.layer))
}

const makeProvider = (
  config: ProviderConfig,
  transport: Transport,
  healthOf: KeyHealthOf,
): Effect.Effect<Provider> => {
  switch (config.kind) {
    case "openai":
      return Effect.succeed(makeOpenAi(config, transport, healthOf))
    case "gemini":
      return Effect.succeed(makeGemini(config, transport, healthOf))
    case "anthropic":
      return Effect.succeed(makeAnthropic(config, transport, healthOf))
    case "openai-compatible":
      return Effect.succeed(makeOpenAiCompatible(config, transport, healthOf))
    case "simulated":
      return makeSimulated(config)
  }
}
