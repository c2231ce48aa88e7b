import { Redacted } from "effect"
import type { ModelConfig, PriceOverride, StatedModel } from "../catalog/model.ts"
import type { Endpoints } from "../catalog/preset.ts"
import { type PresetName, presetNames, presetOf, presets } from "../catalog/vendors.ts"
import { builtinVendors, simulatedProviders, type Vendor, vendors } from "./builtin-providers.ts"
import type {
  GatewayConfig,
  GatewayFile,
  HttpProviderConfig,
  ProviderConfig,
  StatedKey,
  StatedProvider,
} from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"
import { addressOf, addressVariables, type PresetEnvironment, whyOff } from "./presets.ts"

/**
 * Finds out which providers are on, with which models, at the prices that are built in. A provider that the file lists serves exactly
 * the models it lists there (all known ones if none) and takes the place of a built-in of the same name.
 */
export interface ProviderEnvironment extends PresetEnvironment {
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
  const known = presetNames.flatMap(
    (name): ReadonlyArray<ProviderConfig> =>
      listedNames.has(name) || whyOff(presetOf(name), environment) !== undefined
        ? []
        : [fromPreset({ preset: name, name }, environment, report)],
  )
  const own = file.providers.map((provider, index) =>
    fromFile(provider, environment, (path, rule) => report(["providers", index, ...path], rule)),
  )
  const real = [...builtin, ...known, ...own]
  return (real.length === 0 ? simulatedProviders : real).map((provider) => ({
    provider,
    ...defaultChoice(provider),
  }))
}

/** Returns the known vendors that are not on, by name. */
export const offVendors = (
  environment: ProviderEnvironment,
  enabled: ReadonlyArray<EnabledProvider>,
): GatewayConfig["off"] => {
  const on = new Set(enabled.map(({ provider }) => provider.name))
  const keyless = vendors.map((vendor) => {
    const why = `${builtinVendors[vendor].apiKeyEnv} is not set`
    return [vendor, { why, hasKey: false }] as const
  })
  const others = presets.flatMap((preset) => {
    const why = whyOff(preset, environment)
    const hasKey = preset.apiKeyEnv !== undefined && environment.apiKeys.has(preset.apiKeyEnv)
    return why === undefined ? [] : [[preset.name, { why, hasKey }] as const]
  })
  return new Map([...keyless, ...others].filter(([name]) => !on.has(name)))
}

/** The vendor's own choice where its models are served, else the first chat model listed, if there is one. */
const defaultChoice = (provider: ProviderConfig): Omit<EnabledProvider, "provider"> => {
  const chat = provider.models.filter((model) => model.kind === "chat").map(({ name }) => name)
  const served = (name: string) => chat.includes(name)
  const vendor = choosing(provider)
  const auto = vendor?.auto.filter(served) ?? []
  return {
    auto: auto.length > 0 ? auto : chat.slice(0, 1),
    largerContext: vendor?.largerContext?.filter(served) ?? [],
  }
}

/** Returns whose choice of models a provider follows; undefined when it follows nobody's. */
const choosing = (
  provider: ProviderConfig,
): { readonly auto: ReadonlyArray<string>; readonly largerContext?: ReadonlyArray<string> } | undefined => {
  if (provider.kind === "simulated") return undefined
  if (provider.preset !== undefined) return provider.preset
  return provider.kind === "openai-compatible" ? undefined : builtinVendors[provider.kind]
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
  if ("preset" in provider) return fromPreset(provider, environment, report)
  if (provider.kind !== "simulated") return httpFrom(provider, environment, report)
  const { medianMs, p95Ms, outage } = provider.simulation
  if (p95Ms < medianMs) report(["simulation", "p95_ms"], `must not be below the median (${medianMs})`)
  if (outage && outage.downMs > outage.everyMs) {
    report(["simulation", "outage", "down_ms"], "must not be above every_ms")
  }
  return provider
}

/** Looks up the key that a provider is asked with, or the keys of its pool. `usual`: the vendor's own variable. */
const keysOf = (
  { apiKeyEnv, apiKeys }: Pick<ByPreset, "apiKeyEnv" | "apiKeys">,
  usual: string | undefined,
  environment: ProviderEnvironment,
  report: ReportFault,
): Pick<HttpProviderConfig, "apiKey" | "apiKeys"> => {
  const find = (variable: string, path: ReadonlyArray<PropertyKey>) => {
    const value = environment.apiKeys.get(variable)
    if (value === undefined) report(path, `needs the environment variable ${variable}, which is not set`)
    return value
  }
  if (apiKeys === undefined) {
    const variable = apiKeyEnv ?? usual
    const apiKey = variable === undefined ? undefined : find(variable, ["api_key_env"])
    return apiKey === undefined ? {} : { apiKey }
  }
  if (apiKeyEnv !== undefined) report(["api_keys"], "must not be stated beside api_key_env")
  const names = new Map<string, number>()
  const values = new Map<string, number>()
  const pool = apiKeys.flatMap(({ env, name = env, weight }, index) => {
    const path = (field: keyof StatedKey) => ["api_keys", index, field]
    const sameName = names.get(name)
    if (sameName === undefined) names.set(name, index)
    else report(path("name"), `repeats the name of api_keys[${sameName}]`)
    const value = find(env, path("env"))
    if (value === undefined) return []
    const text = Redacted.value(value)
    const sameValue = values.get(text)
    if (sameValue === undefined) values.set(text, index)
    // What breaks the rule of keys is read as nothing, and has its own line.
    else if (text !== "") report(path("env"), `holds the same key as api_keys[${sameValue}]`)
    if (name === text) report(path("name"), "must not be the key, as everybody may see it")
    return [{ name, value, weight }]
  })
  return { apiKeys: pool }
}

const httpFrom = (
  provider: Extract<StatedProvider, { kind: HttpProviderConfig["kind"] }>,
  environment: ProviderEnvironment,
  report: ReportFault,
): HttpProviderConfig => {
  const { name, kind } = provider
  const usual = kind === "openai-compatible" ? undefined : builtinVendors[kind].apiKeyEnv
  return {
    name,
    ...keysOf(provider, usual, environment, report),
    ...(provider.kind === "openai-compatible"
      ? {
          kind,
          baseUrl: provider.baseUrl,
          models: provider.models,
          ...(provider.endsWithDone !== undefined && { endsWithDone: provider.endsWithDone }),
          ...(provider.reportsCost === true && { reportsCost: "any" }),
          endpoints: chosen(USUAL_ENDPOINTS, provider.dialects ?? []),
        }
      : {
          kind,
          baseUrl: provider.baseUrl ?? environment.baseUrls[provider.kind],
          models: modelsOf(provider.models, builtinVendors[provider.kind].models),
        }),
  }
}

/** Where servers that imitate OpenAI speak other dialects. Which tools of those they know nobody says. */
const USUAL_ENDPOINTS: Endpoints = {
  messages: { path: "messages", tools: [] },
  responses: { path: "responses", tools: [] },
}

/** Returns the endpoints of the dialects that the file lists; all where it lists none. */
const chosen = (
  { messages, responses }: Endpoints,
  stated: ReadonlyArray<keyof Endpoints> = ["messages", "responses"],
): Endpoints => ({
  ...(messages !== undefined && stated.includes("messages") && { messages }),
  ...(responses !== undefined && stated.includes("responses") && { responses }),
})

interface ByPreset {
  readonly preset: PresetName
  readonly name: string
  readonly baseUrl?: string
  readonly apiKeyEnv?: string
  readonly apiKeys?: ReadonlyArray<StatedKey>
  readonly dialects?: ReadonlyArray<keyof Endpoints>
  readonly models?: ReadonlyArray<StatedModel>
}

const fromPreset = (
  stated: ByPreset,
  environment: ProviderEnvironment,
  report: ReportFault,
): HttpProviderConfig => {
  const preset = presetOf(stated.preset)
  const keys = keysOf(stated, preset.apiKeyEnv, environment, report)
  const baseUrl = stated.baseUrl ?? addressOf(preset, environment)
  if (baseUrl === undefined) {
    report(["base_url"], `is required unless ${addressVariables(preset)} is set in the environment`)
  }
  const models =
    stated.models === undefined
      ? preset.models
      : modelsOf(stated.models, [...preset.models, ...preset.unserved])
  if (models.length === 0) {
    report(["models"], `is required for preset ${preset.name}, whose models only you know: list them by name`)
  }
  stated.dialects?.forEach((dialect, index) => {
    if (preset.dialects?.[dialect] === undefined) {
      report(["dialects", index], `is not spoken by preset ${preset.name}`)
    }
  })
  return {
    name: stated.name,
    kind: preset.kind,
    preset,
    endpoints: chosen(preset.dialects ?? {}, stated.dialects),
    baseUrl: baseUrl ?? preset.baseUrl,
    ...keys,
    models,
  }
}

/**
 * Returns the listed models over what is known of those with their names, or without a list all that are known.
 * What the list says of prices is left to `mergePrices`.
 */
const modelsOf = (
  listed: ReadonlyArray<StatedModel> | undefined,
  known: ReadonlyArray<ModelConfig>,
): ReadonlyArray<ModelConfig> =>
  listed?.map(({ price: _, ...model }) => ({
    kind: "chat",
    ...known.find(({ name }) => name === model.name),
    ...model,
  })) ?? known
