import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { type KeyHealthOf, makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { gemini } from "../protocols/gemini/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"

/** Makes the provider for Google's Gemini API. */
export const makeGemini = (config: HttpProviderConfig, transport: Transport, healthOf?: KeyHealthOf) => {
  const models = config.preset?.modelPath ?? "/v1beta/models"
  const generateContent: Wire = {
    protocol: gemini,
    path: (model, call) => `${models}/${encodeURIComponent(model)}:${methods[call]}`,
  }
  return makeHttpProvider(config, transport, () => generateContent, healthOf)
}

/** Names the methods of the API by the kind of call. Without `alt=sse` a stream comes as one JSON array, a piece at a time. */
const methods = {
  chat: "generateContent",
  stream: "streamGenerateContent?alt=sse",
  embedding: "batchEmbedContents",
} as const
