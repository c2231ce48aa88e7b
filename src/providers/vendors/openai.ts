import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"
import { keyHeader } from "./key-header.ts"

/** Makes the provider for OpenAI itself. */
export const makeOpenAi = (config: HttpProviderConfig, transport: Transport) => {
  const chat: Wire = { protocol: openAiChat({ isOpenAi: true }), path: openAiPath }
  return makeHttpProvider(config, transport, {
    wire: () => chat,
    auth: (apiKey) => keyHeader(config, apiKey),
  })
}
