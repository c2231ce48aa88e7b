import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"

/** Makes a provider for any server that speaks OpenAI's chat completions; the key is optional. */
export const makeOpenAiCompatible = (config: HttpProviderConfig, transport: Transport) =>
  makeHttpProvider(config, transport, {
    protocol: openAiChat({ isOpenAi: false, endsWithDone: config.endsWithDone ?? false }),
    path: openAiPath,
    auth: (apiKey) => ["authorization", `Bearer ${apiKey}`],
  })
