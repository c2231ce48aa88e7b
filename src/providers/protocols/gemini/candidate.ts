import type { OpenAI } from "openai"
import type { ChatChunk } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { fromWireName } from "../function-names.ts"
import type { WireHead } from "../openai-chat/wire.ts"
import { type ExtraContent, extraContent } from "./signatures.ts"

/** Content of a candidate, or of one event's piece of it. Parts of other kinds (audio, executed code) are left out. */
export interface CandidateContent {
  readonly text: string
  readonly reasoning: string
  readonly images: ReadonlyArray<Image>
  readonly calls: ReadonlyArray<ToolCall>
  /** The signature that came with a text, which may be empty. */
  readonly signature: string | undefined
}

/** OpenAI's tool call, with the signature that must come back. */
type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall & { readonly extra_content?: ExtraContent }

/** An image as OpenAI's wire has it in questions, and the field's gateways in answers too. */
interface Image {
  readonly type: "image_url"
  readonly image_url: { readonly url: string }
  readonly extra_content?: ExtraContent
}

export const nothing: CandidateContent = {
  text: "",
  reasoning: "",
  images: [],
  calls: [],
  signature: undefined,
}

/** Tells content that is no answer; thoughts alone are none. */
export const isEmpty = ({ text, images, calls }: CandidateContent): boolean =>
  text === "" && images.length === 0 && calls.length === 0

/** Reads a candidate. `ownId` makes ids for calls that came without one, by their number within this candidate. */
export const readCandidate = (candidate: JsonObject, ownId: (nth: number) => string): CandidateContent => {
  let text = ""
  let reasoning = ""
  let signature: string | undefined
  const images: Array<Image> = []
  const calls: Array<ToolCall> = []
  for (const part of objectsAt(objectAt(candidate, "content"), "parts")) {
    const call = objectAt(part, "functionCall")
    const own = stringAt(part, "thoughtSignature")
    const data = objectAt(part, "inlineData")
    if (call !== undefined) calls.push(toolCall(call, own, ownId(calls.length)))
    // A thought may have an image, a draft of the one that follows.
    else if (part.thought === true) reasoning += stringAt(part, "text") ?? ""
    else if (data !== undefined) images.push(...imageOf(data, own))
    else {
      text += stringAt(part, "text") ?? ""
      signature = own ?? signature
    }
  }
  return { text, reasoning, images, calls, signature }
}

/** Returns the URLs of images; undefined for none. */
export const imagesOf = ({ images }: CandidateContent): Pick<ChatChunk, "images"> | undefined =>
  images.length === 0 ? undefined : { images: images.map(({ image_url }) => image_url.url) }

/** Returns the fields of a message or a delta beside its role, content and calls. */
export const besides = ({ images, reasoning, signature }: CandidateContent) => ({
  // What models that show their thoughts call them on OpenAI's wire.
  ...(reasoning !== "" && { reasoning_content: reasoning }),
  ...(images.length > 0 && { images }),
  ...(signature !== undefined && { extra_content: extraContent(signature) }),
})

const imageOf = (data: JsonObject, signature: string | undefined): ReadonlyArray<Image> => {
  const mimeType = stringAt(data, "mimeType") ?? ""
  const bytes = stringAt(data, "data")
  if (bytes === undefined || !/^image\/[\w.+-]{1,100}$/.test(mimeType)) return []
  const url = `data:${mimeType};base64,${bytes}`
  return [{ type: "image_url", image_url: { url }, ...signed(signature) }]
}

const toolCall = (call: JsonObject, signature: string | undefined, ownId: string): ToolCall => ({
  id: stringAt(call, "id") || ownId,
  type: "function",
  function: {
    name: fromWireName(stringAt(call, "name") ?? ""),
    arguments: JSON.stringify(isObject(call.args) ? call.args : {}),
  },
  ...signed(signature),
})

const signed = (signature: string | undefined) =>
  signature !== undefined && { extra_content: extraContent(signature) }

/** Reads the number of a candidate, which is left out when it is zero. */
export const candidateIndex = (candidate: JsonObject, position: number): number => {
  const { index } = candidate
  return typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : position
}

/** Reads the fields that every part of an answer repeats; the same for the same answer, however it travels. */
export const answerHead = (model: string, json: JsonObject, nowMs: number): WireHead => ({
  id: `chatcmpl-${stringAt(json, "responseId") || nowMs.toString(36)}`,
  created: Math.floor(nowMs / 1000),
  model: stringAt(json, "modelVersion") || model,
})

/** Makes an id for a call that came without one, within the 40 characters that OpenAI takes back. */
export const callId = (head: WireHead, choice: number, nth: number): string =>
  `call_${head.id.slice("chatcmpl-".length).slice(0, 24)}_${choice}_${nth}`
