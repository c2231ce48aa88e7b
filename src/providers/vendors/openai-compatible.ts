import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"

/** Makes a provider for any server that speaks OpenAI's chat completions; the key is optional. */
export const makeOpenAiCompatible = (config: HttpProviderConfig, transport: Transport) => {
  const protocol = openAiChat({ isOpenAi: false, endsWithDone: config.endsWithDone ?? false })
  const chat: Wire = { protocol, path: openAiPath }
  return makeHttpProvider(config, transport, {
    wire: () => chat,
    auth: (apiKey) => ["authorization", `Bearer ${apiKey}`],
  })
}
