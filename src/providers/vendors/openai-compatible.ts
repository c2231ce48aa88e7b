import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import type { Task } from "../../domain/Task.ts"
import { type KeyHealthOf, makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { anthropic, nativeMessages } from "../protocols/anthropic/protocol.ts"
import { audienceOf } from "../protocols/openai-chat/audience.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"
import { nativeResponsesOf } from "../protocols/openai-responses/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"
import { nativeEndpoint, wireAt } from "./endpoint.ts"

/**
 * Makes a provider for any server that speaks OpenAI's chat completions, and Messages or Responses besides where its row or the
 * file says so; the key is optional.
 */
export const makeOpenAiCompatible = (
  config: HttpProviderConfig,
  transport: Transport,
  healthOf?: KeyHealthOf,
) => {
  const { endpoints = {}, endsWithDone = false, preset } = config
  const protocol = openAiChat({
    isOpenAi: false,
    endsWithDone,
    takesStreamOptions: preset?.takesStreamOptions ?? true,
    turns: preset?.turns,
  })
  const chat: Wire = { protocol, dialect: "chat", path: openAiPath }
  const messages =
    endpoints.messages &&
    nativeEndpoint(config, endpoints.messages, "messages", nativeMessages(isClaude), chat)
  const responses =
    endpoints.responses &&
    nativeEndpoint(config, endpoints.responses, "responses", nativeResponsesOf(endpoints.responses), chat)
  const limits = new Map(config.models.map(({ maxOutputTokens, name }) => [name, maxOutputTokens]))
  const translated =
    endpoints.messages?.alone &&
    wireAt(
      config,
      endpoints.messages,
      anthropic((model) => limits.get(model)),
    )
  const wireOf = (task: Task, model: string): Wire => {
    if (task._tag === "Embedding") return chat
    if (messages?.takes(task, model)) return messages.wire
    if (translated !== undefined && messages?.serves(model)) return translated
    return responses?.takes(task, model) ? responses.wire : chat
  }
  return makeHttpProvider(config, transport, wireOf, healthOf)
}

const isClaude = (model: string): boolean => audienceOf(model, false).isClaude
