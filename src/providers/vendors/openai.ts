import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"

/** Makes the provider for OpenAI itself. */
export const makeOpenAi = (config: HttpProviderConfig, transport: Transport) =>
  makeHttpProvider(config, transport, {
    protocol: openAiChat({ isOpenAi: true }),
    path: openAiPath,
    auth: (apiKey) => ["authorization", `Bearer ${apiKey}`],
  })
