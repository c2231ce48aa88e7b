import { presets } from "../catalog/vendors.ts"
import { nearestName } from "../domain/nearest-name.ts"
import { builtinVendors } from "./builtin-providers.ts"
import type { GatewayConfig } from "./GatewayConfig.ts"

/** A name on a key's allow-list that stands for nothing. */
interface UnknownName {
  readonly index: number
  /** What is wrong, and what may have been meant, as a sentence. */
  readonly text: string
}

/** Finds the first name of an allow-list behind which there is no route, model, `provider/model` or `provider/*`. */
export const unknownName = (
  gateway: Pick<GatewayConfig, "providers" | "routes">,
  names: ReadonlyArray<string>,
): UnknownName | undefined => {
  const known = knownNames(gateway)
  const index = names.findIndex((name) => !known.has(name))
  const name = names[index]
  if (name === undefined) return undefined
  const nearest = nearestName(name, known)
  const meant = nearest === undefined ? "GET /v1/models lists them." : `Did you mean ${nearest}?`
  return { index, text: `No route, provider/model, provider/* or model has this name. ${meant}` }
}

/** Models of vendors that are off count: a key may be made before the vendor's is. */
const knownNames = ({
  providers,
  routes,
}: Pick<GatewayConfig, "providers" | "routes">): ReadonlySet<string> => {
  const names = new Set(routes.keys())
  const vendors = Object.entries(builtinVendors).map(([name, { models }]) => ({ name, models }))
  const others = presets.map(({ models, name, unserved }) => ({ name, models: [...models, ...unserved] }))
  for (const { name, models } of [...providers, ...vendors, ...others]) {
    names.add(`${name}/*`)
    for (const model of models) names.add(model.name).add(`${name}/${model.name}`)
  }
  return names
}
