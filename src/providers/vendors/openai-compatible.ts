import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"
import { keyHeader } from "./key-header.ts"

/** Makes a provider for any server that speaks OpenAI's chat completions; the key is optional. */
export const makeOpenAiCompatible = (config: HttpProviderConfig, transport: Transport) => {
  const { endsWithDone = false, preset } = config
  const protocol = openAiChat({
    isOpenAi: false,
    endsWithDone,
    takesStreamOptions: preset?.takesStreamOptions ?? true,
  })
  const chat: Wire = { protocol, path: openAiPath }
  return makeHttpProvider(config, transport, {
    wire: () => chat,
    auth: (apiKey) => keyHeader(config, apiKey),
  })
}
