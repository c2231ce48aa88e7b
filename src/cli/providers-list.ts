import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import type { ProviderConfig } from "../config/GatewayConfig.ts"
import { vendorOf } from "../config/merge-prices.ts"
import { Settings } from "../config/Settings.ts"
import type { Dialect } from "../domain/Dialect.ts"
import { several } from "../domain/Finding.ts"
import { oneLine } from "../domain/one-line.ts"
import { columns } from "./columns.ts"
import { root } from "./root.ts"

/** Returns what a provider is asked in natively; Gemini and simulated ones are asked in none of what clients speak. */
const dialectsOf = (provider: ProviderConfig): ReadonlyArray<Dialect> => {
  switch (provider.kind) {
    case "openai":
      return ["chat", "responses"]
    case "anthropic":
      return ["messages"]
    case "openai-compatible": {
      const { messages, responses } = provider.endpoints ?? {}
      return [
        "chat",
        ...(messages ? (["messages"] as const) : []),
        ...(responses ? (["responses"] as const) : []),
      ]
    }
    default:
      return []
  }
}

const onJson = (provider: ProviderConfig) => ({
  name: provider.name,
  on: true,
  vendor: vendorOf(provider),
  dialects: dialectsOf(provider),
  base_url: provider.kind === "simulated" ? null : provider.baseUrl,
  models: provider.models.map(({ name }) => name),
})

export const list = Command.make(
  "list",
  {},
  Effect.fn(function* () {
    const { json } = yield* root
    const { off, providers } = (yield* Settings).gateway
    if (json) {
      const offJson = [...off].map(([name, { why }]) => ({ name, on: false, why }))
      return yield* Console.log(
        oneLine(JSON.stringify({ providers: [...providers.map(onJson), ...offJson] })),
      )
    }
    yield* Console.log(
      [
        columns(
          providers.map((provider) => [
            "on",
            provider.name,
            vendorOf(provider),
            dialectsOf(provider).join(",") || "-",
            provider.kind === "simulated" ? "-" : provider.baseUrl,
            several(provider.models.length, "model"),
          ]),
        ),
        columns([...off].map(([name, { why }]) => ["off", name, why])),
      ].join("\n"),
    )
  }),
).pipe(Command.withDescription("Which providers are on, with which models, and why the known others are off"))
