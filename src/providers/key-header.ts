import type { HttpProviderConfig } from "../config/GatewayConfig.ts"

/** Returns the header field that carries the key. It never goes into a URL, which others log. */
export const keyHeader = (
  { kind, preset }: HttpProviderConfig,
  apiKey: string,
): readonly [name: string, value: string] => {
  if (kind === "gemini") return ["x-goog-api-key", apiKey]
  if (kind === "anthropic") return ["x-api-key", apiKey]
  return preset?.keyHeader === undefined ? ["authorization", `Bearer ${apiKey}`] : [preset.keyHeader, apiKey]
}
