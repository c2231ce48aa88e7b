import type { PriceRow } from "../catalog/model.ts"
import { laidOver, priceOf } from "../catalog/price-history.ts"
import { builtinVendors, vendors } from "./builtin-providers.ts"
import type { GatewayFile, ProviderConfig } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"

/**
 * Puts what the file says of prices over what is known: under a model of `providers`, and in `prices`. Rows of one model
 * that hold from different days are its history.
 */
export const mergePrices = (
  file: GatewayFile,
  providers: ReadonlyArray<ProviderConfig>,
  report: ReportFault,
): ReadonlyArray<ProviderConfig> => {
  const stated = statedRows(file, providers, report)
  return providers.map((provider) => ({
    ...provider,
    models: provider.models.map((model) => {
      const price = laidOver(priceOf(stated.get(`${provider.name}/${model.name}`) ?? []), model.price)
      return price === undefined ? model : { ...model, price }
    }),
  }))
}

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
    const off = vendors.find((vendor) => vendor === provider)
    const models =
      providers.find(({ name }) => name === provider)?.models ?? (off && builtinVendors[off].models)
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
