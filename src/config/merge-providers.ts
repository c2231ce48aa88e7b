import type { Redacted } from "effect"
import type { ModelConfig, Price } from "../catalog/model.ts"
import { fromUsd } from "../domain/Money.ts"
import {
  builtinVendors,
  defaultSimulation,
  simulatedProviders,
  type Vendor,
  vendors,
} from "./builtin-providers.ts"
import type {
  HttpProviderConfig,
  ProviderConfig,
  SimulatedProviderConfig,
  Simulation,
} from "./GatewayConfig.ts"
import type { FileModel, FilePrice, FileProvider, GatewayFile, ReportFault } from "./GatewayFile.ts"
import { withoutTrailingSlash } from "./setting.ts"

/**
 * Which providers are on, with which models at which prices. A provider that the file lists serves exactly the
 * models it lists there (all known ones if none) and takes the place of a built-in of the same name.
 */
export interface ProviderEnvironment {
  /** Environment variable name -> the API key it holds. Unset ones are absent. */
  readonly apiKeys: ReadonlyMap<string, Redacted.Redacted>
  readonly baseUrls: Readonly<Record<Vendor, string>>
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
  const listed = file.providers ?? []
  const listedNames = new Map<string, number>()
  listed.forEach(({ name }, index) => {
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
  const own = listed.map((provider, index) =>
    fromFile(provider, environment, (path, rule) => report(["providers", index, ...path], rule)),
  )
  const real = [...builtin, ...own]
  const prices = overrides(file, real, report)
  return (real.length === 0 ? simulatedProviders : real).map((provider) => {
    const models = provider.models.map((model) => {
      const price = prices.get(`${provider.name}/${model.name}`)
      return price === undefined ? model : { ...model, price }
    })
    return { provider: { ...provider, models }, ...defaultChoice(provider) }
  })
}

/** The vendor's own choice where its models are served, else the first chat model listed, if there is one. */
const defaultChoice = ({ kind, models }: ProviderConfig): Omit<EnabledProvider, "provider"> => {
  const chat = models.filter((model) => model.kind === "chat").map(({ name }) => name)
  const served = (name: string) => chat.includes(name)
  const isVendor = kind === "openai" || kind === "gemini"
  const auto = isVendor ? builtinVendors[kind].auto.filter(served) : []
  return {
    auto: auto.length > 0 ? auto : chat.slice(0, 1),
    largerContext: isVendor ? builtinVendors[kind].largerContext.filter(served) : [],
  }
}

const fromFile = (
  provider: FileProvider,
  environment: ProviderEnvironment,
  report: ReportFault,
): ProviderConfig => {
  const names = new Set<string>()
  provider.models?.forEach(({ name, kind, max_output_tokens }, index) => {
    if (names.has(name)) report(["models", index, "name"], "repeats an earlier model")
    names.add(name)
    if (kind === "embedding" && max_output_tokens !== undefined) {
      report(["models", index, "max_output_tokens"], "means nothing for an embedding model")
    }
  })
  return provider.kind === "simulated"
    ? simulatedFrom(provider, report)
    : httpFrom(provider, environment, report)
}

const httpFrom = (
  provider: Exclude<FileProvider, { kind: "simulated" }>,
  environment: ProviderEnvironment,
  report: ReportFault,
): HttpProviderConfig => {
  const { name, kind } = provider
  const vendor = kind === "openai-compatible" ? undefined : kind
  const known = vendor === undefined ? [] : builtinVendors[vendor].models
  const variable = provider.api_key_env ?? (vendor && builtinVendors[vendor].apiKeyEnv)
  const apiKey = variable === undefined ? undefined : environment.apiKeys.get(variable)
  if (variable !== undefined && apiKey === undefined) {
    report(["api_key_env"], `needs the environment variable ${variable}, which is not set`)
  }
  return {
    name,
    kind,
    baseUrl:
      provider.kind === "openai-compatible" || provider.base_url !== undefined
        ? withoutTrailingSlash(provider.base_url ?? "")
        : environment.baseUrls[provider.kind],
    ...(apiKey === undefined ? {} : { apiKey }),
    models: provider.models?.map((model) => toModel(model, known)) ?? known,
  }
}

const simulatedFrom = (
  { name, simulation = {}, models }: Extract<FileProvider, { kind: "simulated" }>,
  report: ReportFault,
): SimulatedProviderConfig => {
  const { outage } = simulation
  const merged: Simulation = {
    medianMs: simulation.median_ms ?? defaultSimulation.medianMs,
    p95Ms: simulation.p95_ms ?? defaultSimulation.p95Ms,
    msPerOutputToken: simulation.ms_per_output_token ?? defaultSimulation.msPerOutputToken,
    serverErrorRate: simulation.server_error_rate ?? defaultSimulation.serverErrorRate,
    rateLimitRate: simulation.rate_limit_rate ?? defaultSimulation.rateLimitRate,
    contentFilterRate: simulation.content_filter_rate ?? defaultSimulation.contentFilterRate,
    midStreamErrorRate: simulation.mid_stream_error_rate ?? defaultSimulation.midStreamErrorRate,
    retryAfterMs: simulation.retry_after_ms ?? defaultSimulation.retryAfterMs,
    ...(outage && { outage: { everyMs: outage.every_ms, downMs: outage.down_ms } }),
  }
  if (merged.p95Ms < merged.medianMs) {
    report(["simulation", "p95_ms"], `must not be below the median (${merged.medianMs})`)
  }
  if (outage && outage.down_ms > outage.every_ms) {
    report(["simulation", "outage", "down_ms"], "must not be above every_ms")
  }
  return { name, kind: "simulated", simulation: merged, models: models.map((model) => toModel(model, [])) }
}

/** What the file says of a model over what is known of one with that name. */
const toModel = (model: FileModel, known: ReadonlyArray<ModelConfig>): ModelConfig => ({
  kind: "chat",
  ...known.find(({ name }) => name === model.name),
  name: model.name,
  ...(model.kind !== undefined && { kind: model.kind }),
  ...(model.context_window !== undefined && { contextWindow: model.context_window }),
  ...(model.max_output_tokens !== undefined && { maxOutputTokens: model.max_output_tokens }),
  ...(model.price !== undefined && { price: toPrice(model.price) }),
})

const toPrice = (price: FilePrice): Price => ({
  inputNanoPer1M: fromUsd(price.input_usd_per_1m),
  cachedInputNanoPer1M: fromUsd(price.cached_input_usd_per_1m ?? price.input_usd_per_1m),
  outputNanoPer1M: fromUsd(price.output_usd_per_1m),
  source: price.source,
  asOf: price.as_of,
})

/** The file's `prices` by `provider/model`. A row must hit a model, or it would silently do nothing. */
const overrides = (
  file: GatewayFile,
  providers: ReadonlyArray<ProviderConfig>,
  report: ReportFault,
): ReadonlyMap<string, Price> => {
  const prices = new Map<string, Price>()
  file.prices?.forEach((row, index) => {
    const target = `${row.provider}/${row.model}`
    const off = vendors.find((vendor) => vendor === row.provider)
    const models =
      providers.find(({ name }) => name === row.provider)?.models ?? (off && builtinVendors[off].models)
    const ownPrice = file.providers
      ?.find(({ name }) => name === row.provider)
      ?.models?.find(({ name }) => name === row.model)?.price
    if (models === undefined) report(["prices", index, "provider"], "names no provider")
    else if (!models.some(({ name }) => name === row.model)) {
      report(["prices", index, "model"], `names no model of provider ${row.provider}`)
    } else if (prices.has(target) || ownPrice !== undefined) {
      report(["prices", index], `prices ${target} a second time`)
    }
    prices.set(target, toPrice(row))
  })
  return prices
}
