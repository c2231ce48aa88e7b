import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import { isObject } from "../../../platform/json.ts"
import { boundedCallId, digestOf } from "../call-ids.ts"
import type { Audience } from "./audience.ts"
import { withMessages } from "./with-messages.ts"

/** Returns the request with ids of calls that its reader takes; the same request when it takes them as they are. */
export const withOwnCallIds = (
  request: ChatRequest,
  { isMistral, isOpenAi }: Pick<Audience, "isMistral" | "isOpenAi">,
): ChatRequest => {
  if (!isOpenAi && !isMistral) return request
  const own = isOpenAi ? forOpenAi : forMistral
  const isForeign = (id: unknown): id is string => typeof id === "string" && own(id) !== id
  const renamed = <Bearer extends object>(bearer: Bearer, field: string): Bearer => {
    const id: unknown = Reflect.get(bearer, field)
    return isForeign(id) ? { ...bearer, [field]: own(id) } : bearer
  }
  const callsOf = ({ tool_calls: calls }: ChatMessage): ReadonlyArray<unknown> =>
    Array.isArray(calls) ? calls : []
  return withMessages(
    request,
    (message): message is ChatMessage =>
      isObject(message) &&
      (isForeign(message.tool_call_id) ||
        (Array.isArray(message.tool_calls) &&
          message.tool_calls.some((call: unknown) => isObject(call) && isForeign(call.id)))),
    (message) => ({
      ...renamed(message, "tool_call_id"),
      ...(message.tool_calls !== undefined && {
        tool_calls: callsOf(message).map((call) => (isObject(call) ? renamed(call, "id") : call)),
      }),
    }),
  )
}

/** Returns an id as OpenAI takes it: of at most 40 characters. */
const forOpenAi = (id: string): string => boundedCallId(id, 40)

/** "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9." */
const forMistral = (id: string): string => (/^[a-zA-Z0-9]{9}$/.test(id) ? id : digestOf(id).slice(0, 9))
