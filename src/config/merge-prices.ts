import type { ModelConfig, PriceOverride, PriceRow, Reported } from "../catalog/model.ts"
import { type PriceLayers, priceOf, priceOfLayers, updatedPrice } from "../catalog/price-history.ts"
import { presets } from "../catalog/vendors.ts"
import { builtinVendors, vendors } from "./builtin-providers.ts"
import type { GatewayFile, ProviderConfig } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"

/**
 * Lays what the file says of prices (under a model of `providers`, and in `prices`) over the last `prices update`, and
 * that over the built-in list. Rows of one model that hold from different days are its history. Returns the providers
 * with what holds, and the layers by `provider/model`, of vendors that are off too.
 */
export const mergePrices = (
  file: GatewayFile,
  update: ReadonlyArray<PriceOverride>,
  providers: ReadonlyArray<ProviderConfig>,
  report: ReportFault,
): {
  readonly providers: ReadonlyArray<ProviderConfig>
  readonly layers: ReadonlyMap<string, PriceLayers>
} => {
  const stated = statedRows(file, providers, report)
  const updated = Map.groupBy(update, ({ provider, model }) => `${provider}/${model}`)
  const layers = new Map<string, PriceLayers>()
  const layersOf = (vendor: string, provider: string, model: ModelConfig): PriceLayers => {
    const name = `${provider}/${model.name}`
    const file = stated.get(name) ?? []
    // Of a model that nobody but the file knows, what is known is what the file says.
    const builtIn = model.price !== undefined && file.includes(model.price) ? undefined : model.price
    const rows = updated.get(`${vendor}/${model.name}`) ?? []
    const all: PriceLayers = {
      file: priceOf(file),
      update: updatedPrice(
        rows.map(({ price }) => price),
        builtIn,
      ),
      "built-in": builtIn,
    }
    layers.set(name, all)
    return all
  }
  const priced = providers.map((provider) => ({
    ...provider,
    models: provider.models.map((model) => {
      const price = priceOfLayers(layersOf(vendorOf(provider), provider.name, model))
      const { price: _, ...rest } = model
      if (price === undefined) return rest
      const reported = reportedBy(provider)
      return { ...rest, price: reported === undefined ? price : { ...price, reported } }
    }),
  }))
  for (const [vendor, models] of knownModels) {
    if (providers.some(({ name }) => name === vendor)) continue
    for (const model of models) layersOf(vendor, vendor, model)
  }
  return { providers: priced, layers }
}

/** Returns which costs that a provider reports count for more than the prices of its models. */
const reportedBy = (provider: ProviderConfig): Reported | undefined =>
  provider.kind === "simulated" ? undefined : (provider.reportsCost ?? provider.preset?.reportsCost)

/** Names what a provider's models cost as in: a vendor, or a kind. */
export const vendorOf = (provider: ProviderConfig): string =>
  (provider.kind === "simulated" ? undefined : provider.preset?.name) ?? provider.kind

/** Vendor -> the models that are known of it, those included that only a file turns on. */
const knownModels: ReadonlyMap<string, ReadonlyArray<ModelConfig>> = new Map([
  ...vendors.map((vendor) => [vendor, builtinVendors[vendor].models] as const),
  ...presets.map(({ name, models }) => [name, models] as const),
])

/** The file's rows by `provider/model`. A row of `prices` must hit a model, or it would silently do nothing. */
const statedRows = (
  file: GatewayFile,
  providers: ReadonlyArray<ProviderConfig>,
  report: ReportFault,
): ReadonlyMap<string, ReadonlyArray<PriceRow>> => {
  const rows = new Map<string, Array<PriceRow>>()
  for (const { name, models = [] } of file.providers) {
    for (const model of models) {
      if (model.price !== undefined) rows.set(`${name}/${model.name}`, [model.price])
    }
  }
  file.prices.forEach(({ provider, model, price }, index) => {
    const target = `${provider}/${model}`
    const models = providers.find(({ name }) => name === provider)?.models ?? knownModels.get(provider)
    const earlier = rows.get(target) ?? []
    if (models === undefined) report(["prices", index, "provider"], "names no provider")
    else if (!models.some(({ name }) => name === model)) {
      report(["prices", index, "model"], `names no model of provider ${provider}`)
    } else if (earlier.some(({ validFrom }) => validFrom === price.validFrom)) {
      report(["prices", index], `prices ${target} a second time from the same day on`)
    }
    rows.set(target, [...earlier, price])
  })
  return rows
}
