import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { gemini } from "../protocols/gemini/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"

/** Makes the provider for Google's Gemini API. The key goes into a header, never into the URL, which others log. */
export const makeGemini = (config: HttpProviderConfig, transport: Transport) =>
  makeHttpProvider(config, transport, {
    wire: () => generateContent,
    auth: (apiKey) => ["x-goog-api-key", apiKey],
  })

/** Names the methods of the API by the kind of call. Without `alt=sse` a stream comes as one JSON array, a piece at a time. */
const methods = {
  chat: "generateContent",
  stream: "streamGenerateContent?alt=sse",
  embedding: "batchEmbedContents",
} as const

const generateContent: Wire = {
  protocol: gemini,
  path: (model, call) => `/v1beta/models/${encodeURIComponent(model)}:${methods[call]}`,
}
