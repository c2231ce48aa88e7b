import { Schema } from "effect"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../catalog/builtin-models.ts"
import type { ModelConfig, Price } from "../catalog/model.ts"
import { fromUsd } from "../domain/Money.ts"
import { type SimulatedProviderConfig, Simulation } from "./GatewayConfig.ts"

/** Providers the gateway knows without a file. A vendor is on when its key is in the environment. */
export type Vendor = "openai" | "gemini" | "anthropic"

export const vendors: ReadonlyArray<Vendor> = ["openai", "gemini", "anthropic"]

interface BuiltinVendor {
  readonly apiKeyEnv: string
  readonly models: ReadonlyArray<ModelConfig>
  /** Models of the default `auto` route: comparable in kind and price from one vendor to the next. */
  readonly auto: ReadonlyArray<string>
  /** Models that the default `auto` route asks for prompts which those cannot hold. */
  readonly largerContext: ReadonlyArray<string>
}

export const builtinVendors: Readonly<Record<Vendor, BuiltinVendor>> = {
  openai: {
    apiKeyEnv: "OPENAI_API_KEY",
    models: [...openaiModels, ...openaiResponsesModels],
    auto: ["gpt-5.4-mini"],
    largerContext: ["gpt-5.4"],
  },
  gemini: {
    apiKeyEnv: "GEMINI_API_KEY",
    models: geminiModels,
    auto: ["gemini-3.8-flash"],
    largerContext: [],
  },
  anthropic: {
    apiKeyEnv: "ANTHROPIC_API_KEY",
    models: anthropicModels,
    auto: ["claude-haiku-4-5"],
    largerContext: ["claude-sonnet-5-5"],
  },
}

/** Behaviour of a simulated provider unless told otherwise; it never fails on its own. */
export const defaultSimulation: Simulation = Schema.decodeSync(Simulation)({})

const simulated = (
  name: string,
  model: string,
  simulation: Partial<Simulation>,
  usd: { readonly input: number; readonly output: number; readonly embedding: number },
): SimulatedProviderConfig => ({
  name,
  kind: "simulated",
  simulation: { ...defaultSimulation, ...simulation },
  models: [
    {
      name: model,
      kind: "chat",
      contextWindow: 128_000,
      maxOutputTokens: 8_192,
      price: simulatedPrice(usd.input, usd.output),
    },
    // The same name at both, so that its bare name fails over.
    {
      name: "sim-embed-1",
      kind: "embedding",
      contextWindow: 8_192,
      price: simulatedPrice(usd.embedding, 0),
    },
  ],
})

const simulatedPrice = (inputUsd: number, outputUsd: number): Price => ({
  inputNanoPer1M: fromUsd(inputUsd),
  cachedInputNanoPer1M: fromUsd(inputUsd),
  outputNanoPer1M: fromUsd(outputUsd),
  source: "simulated",
  asOf: "2026-11-23",
})

/** Simulated providers, on when nothing real is: fast and dear against slow and cheap, so that routing has a choice. */
export const simulatedProviders: ReadonlyArray<SimulatedProviderConfig> = [
  simulated(
    "sim-swift",
    "swift-1",
    { medianMs: 180, p95Ms: 420, msPerOutputToken: 1 },
    { input: 0.6, output: 2.4, embedding: 0.04 },
  ),
  simulated(
    "sim-thrift",
    "thrift-1",
    { medianMs: 420, p95Ms: 900, msPerOutputToken: 2 },
    { input: 0.15, output: 0.6, embedding: 0.01 },
  ),
]
