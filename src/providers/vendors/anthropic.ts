import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import type { Task } from "../../domain/Task.ts"
import { isObject } from "../../platform/json.ts"
import { type KeyHealthOf, makeHttpProvider } from "../http/http-provider.ts"
import type { Transport } from "../http/transport.ts"
import { anthropic, nativeAnthropic } from "../protocols/anthropic/protocol.ts"
import type { Wire } from "../protocols/Protocol.ts"

/** Makes the provider for Anthropic. What a client wrote for Claude goes out as it is; everything else is translated. */
export const makeAnthropic = (config: HttpProviderConfig, transport: Transport, healthOf?: KeyHealthOf) => {
  const limits = new Map(config.models.map(({ maxOutputTokens, name }) => [name, maxOutputTokens]))
  const translated: Wire = { protocol: anthropic((model) => limits.get(model)), path }
  const wireOf = (task: Task) =>
    task._tag === "Chat" && task.dialect === "messages" && task.source !== undefined ? native : translated
  return makeHttpProvider(config, transport, wireOf, healthOf)
}

const path = () => "/v1/messages"

const native: Wire = {
  protocol: nativeAnthropic,
  dialect: "messages",
  path,
  count: {
    path: "/v1/messages/count_tokens",
    read: (json) => (isObject(json) && isCount(json.input_tokens) ? json.input_tokens : undefined),
  },
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
