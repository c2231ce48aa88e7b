import type { Redacted } from "effect"
import type { ModelConfig, PriceOverride, StatedModel } from "../catalog/model.ts"
import { builtinVendors, simulatedProviders, type Vendor, vendors } from "./builtin-providers.ts"
import type { GatewayFile, HttpProviderConfig, ProviderConfig, StatedProvider } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"

/**
 * Finds out which providers are on, with which models, at the prices that are built in. A provider that the file lists serves exactly
 * the models it lists there (all known ones if none) and takes the place of a built-in of the same name.
 */
export interface ProviderEnvironment {
  /** Environment variable name -> the API key it holds. Unset ones are absent. */
  readonly apiKeys: ReadonlyMap<string, Redacted.Redacted>
  readonly baseUrls: Readonly<Record<Vendor, string>>
  /** Of the last `prices update`; they name vendors where others name providers. */
  readonly prices?: ReadonlyArray<PriceOverride>
}

/** A provider that is on, and what it brings to a default `auto` route. */
export interface EnabledProvider {
  readonly provider: ProviderConfig
  readonly auto: ReadonlyArray<string>
  readonly largerContext: ReadonlyArray<string>
}

export const mergeProviders = (
  file: GatewayFile,
  environment: ProviderEnvironment,
  report: ReportFault,
): ReadonlyArray<EnabledProvider> => {
  const listedNames = new Map<string, number>()
  file.providers.forEach(({ name }, index) => {
    const first = listedNames.get(name)
    if (first === undefined) listedNames.set(name, index)
    else report(["providers", index, "name"], `repeats the name of providers[${first}]`)
  })
  const builtin = vendors.flatMap((vendor): ReadonlyArray<ProviderConfig> => {
    const apiKey = environment.apiKeys.get(builtinVendors[vendor].apiKeyEnv)
    if (apiKey === undefined || listedNames.has(vendor)) return []
    return [
      {
        name: vendor,
        kind: vendor,
        apiKey,
        baseUrl: environment.baseUrls[vendor],
        models: builtinVendors[vendor].models,
      },
    ]
  })
  const own = file.providers.map((provider, index) =>
    fromFile(provider, environment, (path, rule) => report(["providers", index, ...path], rule)),
  )
  const real = [...builtin, ...own]
  return (real.length === 0 ? simulatedProviders : real).map((provider) => ({
    provider,
    ...defaultChoice(provider),
  }))
}

/** The vendor's own choice where its models are served, else the first chat model listed, if there is one. */
const defaultChoice = ({ kind, models }: ProviderConfig): Omit<EnabledProvider, "provider"> => {
  const chat = models.filter((model) => model.kind === "chat").map(({ name }) => name)
  const served = (name: string) => chat.includes(name)
  const isVendor = kind !== "openai-compatible" && kind !== "simulated"
  const auto = isVendor ? builtinVendors[kind].auto.filter(served) : []
  return {
    auto: auto.length > 0 ? auto : chat.slice(0, 1),
    largerContext: isVendor ? builtinVendors[kind].largerContext.filter(served) : [],
  }
}

const fromFile = (
  provider: StatedProvider,
  environment: ProviderEnvironment,
  report: ReportFault,
): ProviderConfig => {
  const names = new Set<string>()
  provider.models?.forEach(({ name, kind, maxOutputTokens }, index) => {
    if (names.has(name)) report(["models", index, "name"], "repeats an earlier model")
    names.add(name)
    if (kind === "embedding" && maxOutputTokens !== undefined) {
      report(["models", index, "max_output_tokens"], "means nothing for an embedding model")
    }
  })
  if (provider.kind !== "simulated") return httpFrom(provider, environment, report)
  const { medianMs, p95Ms, outage } = provider.simulation
  if (p95Ms < medianMs) report(["simulation", "p95_ms"], `must not be below the median (${medianMs})`)
  if (outage && outage.downMs > outage.everyMs) {
    report(["simulation", "outage", "down_ms"], "must not be above every_ms")
  }
  return provider
}

const httpFrom = (
  provider: Exclude<StatedProvider, { kind: "simulated" }>,
  environment: ProviderEnvironment,
  report: ReportFault,
): HttpProviderConfig => {
  const { name, kind } = provider
  const variable =
    provider.apiKeyEnv ?? (kind === "openai-compatible" ? undefined : builtinVendors[kind].apiKeyEnv)
  const apiKey = variable === undefined ? undefined : environment.apiKeys.get(variable)
  if (variable !== undefined && apiKey === undefined) {
    report(["api_key_env"], `needs the environment variable ${variable}, which is not set`)
  }
  return {
    name,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(provider.kind === "openai-compatible"
      ? {
          kind,
          baseUrl: provider.baseUrl,
          models: provider.models,
          ...(provider.endsWithDone !== undefined && { endsWithDone: provider.endsWithDone }),
        }
      : {
          kind,
          baseUrl: provider.baseUrl ?? environment.baseUrls[provider.kind],
          models: modelsOf(provider.models, builtinVendors[provider.kind]),
        }),
  }
}

/**
 * Returns the listed models over what is known of those with their names, or without a list all that can be served.
 * What the list says of prices is left to `mergePrices`.
 */
const modelsOf = (
  listed: ReadonlyArray<StatedModel> | undefined,
  { models, unserved }: Pick<(typeof builtinVendors)["openai"], "models" | "unserved">,
): ReadonlyArray<ModelConfig> =>
  listed?.map(({ price: _, ...model }) => ({
    kind: "chat",
    ...[...models, ...unserved].find(({ name }) => name === model.name),
    ...model,
  })) ?? models
