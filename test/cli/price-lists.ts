import { findProvider } from "@pydantic/genai-prices"

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

/** The same with other prices for some models of OpenAI's. */
export const withPrices = (changed: Readonly<Record<string, unknown>>): ReadonlyArray<Provider> =>
  published.map((provider) => ({
    ...provider,
    models: provider.models.map((model) =>
      Object.hasOwn(changed, model.id) ? { ...model, prices: changed[model.id] } : model,
    ),
  }))
