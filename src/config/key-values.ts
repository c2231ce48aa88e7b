import { Redacted } from "effect"
import type { HttpProviderConfig } from "./GatewayConfig.ts"

/** Returns every key that a provider is asked with; none where it takes none. */
export const keyValues = ({ apiKey, apiKeys = [] }: HttpProviderConfig): ReadonlyArray<string> =>
  [...(apiKey === undefined ? [] : [apiKey]), ...apiKeys.map(({ value }) => value)].map((key) =>
    Redacted.value(key),
  )
