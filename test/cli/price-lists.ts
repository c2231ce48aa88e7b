import { findProvider } from "@pydantic/genai-prices"
import { presets } from "../../src/catalog/vendors.ts"

/** Lists of prices in the format of genai-prices, as `prices update` reads them. */

interface Entry {
  readonly id: string
  readonly prices: unknown
  readonly [field: string]: unknown
}

interface Provider {
  readonly id: string
  readonly models: ReadonlyArray<Entry>
}

/** What its maintainers publish, of the vendors that are read. */
const published = JSON.parse(
  JSON.stringify([
    findProvider({ providerId: "openai" }),
    findProvider({ providerId: "google" }),
    findProvider({ providerId: "anthropic" }),
  ]),
) as ReadonlyArray<Provider>

/** What they publish of every vendor that the gateway knows. */
export const ofAllVendors = (): ReadonlyArray<Provider> => {
  const others = new Set(presets.flatMap(({ pricesOf }) => pricesOf ?? []))
  for (const { id } of published) others.delete(id)
  const found = [...others].map((providerId) => findProvider({ providerId }))
  return [...published, ...(JSON.parse(JSON.stringify(found)) as ReadonlyArray<Provider>)]
}

/** The same with other prices for some models of OpenAI's. */
export const withPrices = (changed: Readonly<Record<string, unknown>>): ReadonlyArray<Provider> =>
  published.map((provider) => ({
    ...provider,
    models: provider.models.map((model) =>
      Object.hasOwn(changed, model.id) ? { ...model, prices: changed[model.id] } : model,
    ),
  }))
