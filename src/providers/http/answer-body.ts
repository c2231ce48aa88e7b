import { isObject, parseJson } from "../../platform/json.ts"
import type { UpstreamHeaders, UpstreamResponse } from "./UpstreamExchange.ts"

/** The body of an answer as what its header says that it is. */

/** Reads a body that is JSON, or an object that a small server calls a text; undefined for anything else. */
export const answerJson = (response: UpstreamResponse): unknown =>
  isJson(response.headers) ? jsonOf(response) : textJson(response)

export const jsonOf = ({ headers, body }: UpstreamResponse): unknown =>
  isPlain(headers.contentEncoding) ? parseJson(body.toString()) : undefined

/** Longer texts are pages. */
const MAX_TEXT_BYTES = 2_000

/** Reads what an error says: JSON, or a text that is no page; undefined for anything else. */
export const errorBody = (response: UpstreamResponse): unknown => {
  const json = jsonOf(response)
  const { body, headers, status } = response
  if (json !== undefined || body.length > MAX_TEXT_BYTES || !isPlain(headers.contentEncoding)) return json
  // Each server says in its own way that it has no such path.
  if (status === 404) return undefined
  // Some call a text JSON.
  const isText = isJson(headers) || /^text\/plain\s*(;|$)/i.test(headers.contentType ?? "")
  const text = isText ? body.toString().trim() : ""
  return text === "" || text.startsWith("<") ? undefined : text
}

/** Recognizes a body that is not compressed: we ask for identity, and inflate nothing else. */
const isPlain = (contentEncoding: string | undefined): boolean =>
  contentEncoding === undefined || contentEncoding === "identity"

export const isJson = ({ contentType }: UpstreamHeaders): boolean =>
  contentType === undefined || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)

const textJson = (response: UpstreamResponse): unknown => {
  if (!/^text\/(plain|json)\s*(;|$)/i.test(response.headers.contentType ?? "")) return undefined
  const json = jsonOf(response)
  return isObject(json) ? json : undefined
}

export const isEventStream = ({ contentType, contentEncoding }: UpstreamHeaders): boolean =>
  contentType !== undefined && /^text\/event-stream\s*(;|$)/i.test(contentType) && isPlain(contentEncoding)
