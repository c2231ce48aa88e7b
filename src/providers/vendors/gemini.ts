import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http-provider.ts"
import { gemini } from "../protocols/gemini.ts"
import type { Transport } from "../transport.ts"

/** Google's Gemini API. The key goes into a header, never into the URL, which others log. */
export const makeGemini = (config: HttpProviderConfig, transport: Transport) =>
  makeHttpProvider(config, transport, {
    protocol: gemini,
    path: (model) => `/v1beta/models/${encodeURIComponent(model)}:generateContent`,
    auth: (apiKey) => ["x-goog-api-key", apiKey],
  })
