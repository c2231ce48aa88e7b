import { type Finding, fail, ok, several, warn } from "../domain/Finding.ts"
import type { GatewayConfig } from "./GatewayConfig.ts"
import { keyValues } from "./key-values.ts"

/** Tells of settings that keep the gateway from starting. */
export const settingsFault = (faults: ReadonlyArray<string>): Finding =>
  fail("settings", {
    summary: `${several(faults.length, "setting")} wrong: the gateway does not start`,
    numbers: { faults: faults.length },
    examples: faults,
    next: "Correct them in the environment, in .env or in the file that GATEWAY_CONFIG names.",
  })

/** Checks that models answer, and that no provider is without a key. */
export const checkProviders = ({ providers }: GatewayConfig): Finding => {
  const real = providers.flatMap((provider) => (provider.kind === "simulated" ? [] : [provider]))
  const numbers = { providers: real.length, simulated: providers.length - real.length }
  if (real.length === 0) {
    return warn("providers", {
      summary: "only simulated providers are on: no answer comes from a model",
      numbers,
      next:
        "Set OPENAI_API_KEY, GEMINI_API_KEY, ANTHROPIC_API_KEY or another vendor's key (llm-gateway providers list), " +
        "or list providers in the file that GATEWAY_CONFIG names.",
    })
  }
  const keyless = real.filter((provider) => keyValues(provider).length === 0).map(({ name }) => name)
  if (keyless.length > 0) {
    return warn("providers", {
      summary: `${several(keyless.length, "provider")} of ${providers.length} would be called without a key`,
      numbers: { ...numbers, without_key: keyless.length },
      examples: keyless,
      next: "Set api_key_env or api_keys for them, unless they ask for no key.",
    })
  }
  return ok("providers", {
    summary: `${providers.map(({ name }) => name).join(", ")}: every key is there; none was tried`,
    numbers,
  })
}

/** Checks that every model has a price. */
export const checkPrices = ({ providers }: GatewayConfig): Finding => {
  const models = providers.flatMap(({ name, models }) =>
    models.map((model) => ({ name: `${name}/${model.name}`, priced: model.price !== undefined })),
  )
  const unpriced = models.filter(({ priced }) => !priced).map(({ name }) => name)
  const numbers = { models: models.length, without_price: unpriced.length }
  return unpriced.length === 0
    ? ok("prices", { summary: `all of ${several(models.length, "model")} have a price`, numbers })
    : warn("prices", {
        summary: `${unpriced.length} of ${several(models.length, "model")} have no price: their cost is unknown`,
        numbers,
        examples: unpriced,
        next: "Add them to prices in the file that GATEWAY_CONFIG names, then run: llm-gateway costs recompute",
      })
}
