import type { AnswerSummary } from "../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../platform/json.ts"
import { reasoningOf } from "../chat-answer.ts"
import { namesOf } from "./namespaces.ts"
import {
  callItem,
  type ItemStatus,
  imageItem,
  imagesOf,
  logprobsOf,
  messageItem,
  readCall,
  reasoningItem,
  refusalPart,
  signedReasoningOf,
  textPart,
  wordsOf,
} from "./output-items.ts"
import { endState, makeResponse, type ResponseHead } from "./response.ts"

/** Makes the response of a whole chat completion. */
export const responseOf = (
  completion: unknown,
  summary: Pick<AnswerSummary, "finishReason" | "model" | "usage">,
  { completedAt, ...head }: Omit<ResponseHead, "model"> & { readonly completedAt: number },
): JsonObject => {
  const { finishReason, model, usage } = summary
  const choice = objectsAt(isObject(completion) ? completion : undefined, "choices")[0] ?? {}
  const state = endState(finishReason, completedAt, usage)
  const status = state.status === "incomplete" ? "incomplete" : "completed"
  return makeResponse({ ...head, model }, outputOf(choice, head, status), state)
}

const outputOf = (
  choice: JsonObject,
  { asked, seed }: Pick<ResponseHead, "asked" | "seed">,
  status: ItemStatus,
): ReadonlyArray<JsonObject> => {
  const message = objectAt(choice, "message") ?? {}
  const names = namesOf(asked)
  const calls = objectsAt(message, "tool_calls").map((call) => readCall(call, names))
  const reasoning = reasoningOf(message)
  const text = wordsOf(message)
  const images = imagesOf(message)
  const refusal = stringAt(message, "refusal") ?? ""
  const parts = [
    ...(text !== "" || (refusal === "" && calls.length === 0 && images.length === 0)
      ? [textPart(text, logprobsOf(choice))]
      : []),
    ...(refusal !== "" ? [refusalPart(refusal)] : []),
  ]
  const items: Array<JsonObject> = []
  const idOf = (kind: string) => `${kind}_${seed}_${items.length}`
  const signed = signedReasoningOf(message)
  if (reasoning !== "" || signed.length > 0) items.push(reasoningItem(idOf("rs"), reasoning, signed))
  if (parts.length > 0) items.push(messageItem(idOf("msg"), status, parts))
  for (const image of images) items.push(imageItem(idOf("ig"), image))
  for (const call of calls) items.push(callItem(idOf(call.isCustom ? "ctc" : "fc"), status, call))
  return items
}
