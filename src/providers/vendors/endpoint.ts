import type { Endpoint, Endpoints } from "../../catalog/preset.ts"
import type { HttpProviderConfig } from "../../config/GatewayConfig.ts"
import { openSummary } from "../../domain/compaction.ts"
import type { ChatTask } from "../../domain/Task.ts"
import { isObject } from "../../platform/json.ts"
import type { Protocol, Wire } from "../protocols/Protocol.ts"

/** Where a server that imitates OpenAI speaks another dialect, and what goes there. */
interface NativeEndpoint {
  readonly wire: Wire
  readonly serves: (model: string) => boolean
  /** Tells whether a client's own request can go on as it is. */
  readonly takes: (task: ChatTask, model: string) => boolean
}

/** Makes the endpoint; `instead` is asked where the server turns out not to have it. */
export const nativeEndpoint = (
  config: HttpProviderConfig,
  endpoint: Endpoint,
  dialect: keyof Endpoints,
  protocol: Protocol,
  instead: Wire,
): NativeEndpoint => {
  const models = endpoint.models === undefined ? undefined : new RegExp(endpoint.models)
  const serves = (model: string) => models === undefined || models.test(model)
  return {
    wire: { ...wireAt(config, endpoint, protocol), dialect, ...(endpoint.alone !== true && { instead }) },
    serves,
    takes: (task, model) =>
      task.dialect === dialect &&
      task.isCompaction !== true &&
      task.source !== undefined &&
      serves(model) &&
      knows(endpoint, dialect, task),
  }
}

export const wireAt = (
  { baseUrl }: HttpProviderConfig,
  { keyHeader, path }: Endpoint,
  protocol: Protocol,
): Wire => {
  const { pathname } = new URL(path, `${baseUrl}/`)
  return {
    protocol,
    path: () => pathname,
    isRooted: true,
    ...(keyHeader !== undefined && { keyHeader }),
  }
}

/** Tells whether the endpoint knows all tools of a request and the items that come of them. Any other request goes as chat. */
const knows = ({ tools }: Endpoint, dialect: keyof Endpoints, { body = {} }: ChatTask): boolean => {
  if (tools === undefined) return true
  const known = [...USUAL[dialect], ...tools]
  const stated = [body.tools, body.input].flatMap((list) => (Array.isArray(list) ? list : []))
  return stated.every((part) => {
    if (!isObject(part) || openSummary(part) !== undefined) return true
    const { type } = part
    return typeof type !== "string" || known.some((each) => type.startsWith(each))
  })
}

/** Beginnings of the types of the client's own functions and their calls, and of what is said. */
const USUAL = { messages: ["custom"], responses: ["function", "message", "reasoning"] } as const
