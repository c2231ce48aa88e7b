import { Result } from "effect"
import { showPath } from "../domain/faults.ts"
import { checkHeaderNames } from "./check-header-names.ts"
import type { GatewayConfig, GatewayFile } from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"
import { mergePrices } from "./merge-prices.ts"
import { mergeProviders, offVendors, type ProviderEnvironment } from "./merge-providers.ts"
import { mergeRoutes } from "./merge-routes.ts"

/**
 * Makes the one configuration that the gateway runs on from the YAML file, the built-in providers and what the
 * environment says of them. Pure; every fault is kept, in the form `path rule`.
 */
export const mergeGatewayConfig = (
  file: GatewayFile,
  environment: ProviderEnvironment,
): Result.Result<GatewayConfig, ReadonlyArray<string>> => {
  const faults: Array<string> = []
  const report: ReportFault = (path, rule) => {
    faults.push(`${showPath(path)} ${rule}`)
  }
  const enabled = mergeProviders(file, environment, report)
  const off = offVendors(environment, enabled)
  const routes = mergeRoutes(file.routes, enabled, off, report)
  const known = enabled.map(({ provider }) => provider)
  const { providers, layers } = mergePrices(file, environment.prices ?? [], known, report)
  checkHeaderNames(Object.keys(file.attribution.headers), (at, rule) =>
    report(["attribution", "headers", ...at], rule),
  )
  const served = new Set(
    providers.flatMap(({ models, name }) => models.map((model) => `${name}/${model.name}`)),
  )
  for (const model of Object.keys(file.limits.models)) {
    if (!served.has(model))
      report(["limits", "models", model], "is not provider/model of a model that is served")
  }
  if (faults.length > 0) return Result.fail(faults)
  const { attribution, timeouts, limits, ledger } = file
  return Result.succeed({
    providers,
    off,
    priceLayers: layers,
    routes,
    attribution,
    timeouts,
    limits,
    ledger,
  })
}
