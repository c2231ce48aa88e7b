import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import type { ChatTask, Task } from "../../domain/Task.ts"
import { type KeyHealthOf, makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { audienceOf } from "../protocols/openai-chat/audience.ts"
import { effortFor } from "../protocols/openai-chat/from-messages.ts"
import { openAiChat, openAiPath } from "../protocols/openai-chat/protocol.ts"
import {
  isForResponses,
  refusesToolsInChat,
  takesResponses,
} from "../protocols/openai-responses/model-abilities.ts"
import { nativeCompaction, nativeResponses, openAiResponses } from "../protocols/openai-responses/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"

/** Makes the provider for OpenAI itself, which speaks chat completions and Responses. */
export const makeOpenAi = (config: HttpProviderConfig, transport: Transport, healthOf?: KeyHealthOf) => {
  const chat: Wire = { protocol: openAiChat({ isOpenAi: true }), dialect: "chat", path: openAiPath }
  // What stands in for OpenAI at another address may have chat alone.
  const responses: Wire = { protocol: openAiResponses, path, instead: chat }
  const native: Wire = { protocol: nativeResponses, dialect: "responses", path, instead: chat }
  const compaction: Wire = {
    protocol: nativeCompaction,
    dialect: "responses",
    path: () => "/responses/compact",
    instead: responses,
  }
  const wireOf = (task: Task, model: string): Wire => {
    if (task._tag === "Embedding") return chat
    if (speaksResponses(task, model)) return task.isCompaction ? compaction : native
    return needsResponses(task, model) ? responses : chat
  }
  return makeHttpProvider(config, transport, wireOf, healthOf)
}

/** Tells whether the client's own request can go on as it is. */
const speaksResponses = (task: ChatTask, model: string): boolean =>
  task.dialect === "responses" && task.source !== undefined && takesResponses(model)

/** Tells whether chat completions would refuse a chat, or the model. */
const needsResponses = (task: ChatTask, model: string): boolean => {
  if (isForResponses(model)) return true
  const { tools } = task.request
  if (!Array.isArray(tools) || tools.length === 0) return false
  return refusesToolsInChat(model, effortFor(task, audienceOf(model, true)))
}

const path = () => "/responses"
