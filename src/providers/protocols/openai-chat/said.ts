import {
  isObject,
  type JsonObject,
  objectAt,
  objectsAt,
  parseJson,
  stringAt,
} from "../../../platform/json.ts"

/** What an error says, wherever its vendor puts it. */
export interface Said {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly message: string | undefined
  /** The vendor's own sentence in it, without the path of a field, which may begin with any word of the client's. */
  readonly sentence: string | undefined
  readonly param: string | undefined
  readonly innerCode: string | undefined
  /** OpenRouter's moderation. */
  readonly flagged: boolean
}

/** An aggregator's own words, which say nothing of what the vendor behind it said. */
const SAYS_NOTHING = /^provider returned error/i

export const readError = (error: JsonObject | undefined): Said => {
  const metadata = objectAt(error, "metadata")
  const message = stringAt(error, "message") ?? detailOf(error?.detail)
  if (message === undefined || SAYS_NOTHING.test(message)) {
    // OpenRouter passes on what the vendor said as a text.
    const raw = stringAt(metadata, "raw")
    if (raw !== undefined) {
      const inner = parseJson(raw)
      return readError({
        ...(isObject(inner) ? envelope(inner) : { ...error, message: raw }),
        metadata: undefined,
      })
    }
  }
  return {
    code: codeOf(error?.code) ?? stringAt(error, "reason"),
    // RFC 9457's title is as good a word as a type.
    type: stringAt(error, "type") ?? stringAt(error, "title"),
    message,
    sentence: sentenceOf(error, message),
    param: stringAt(error, "param") ?? fieldNamedIn(message),
    innerCode: stringAt(objectAt(error, "innererror"), "code"),
    flagged: isFlagged(metadata),
  }
}

/** Matches what Anthropic and servers made with pydantic say of a field, behind its path. */
const OF_A_FIELD =
  /^.*: ((?:extra inputs are not permitted|input should |field required|unexpected |unknown |unrecognized ).*)$/is

const sentenceOf = (error: JsonObject | undefined, message: string | undefined): string | undefined => {
  if (stringAt(error, "message") === undefined) {
    const [first] = objectsAt(error, "detail")
    if (first !== undefined) return stringAt(first, "msg")
  }
  return (message && OF_A_FIELD.exec(message)?.[1]) ?? message
}

/** Reads a code. Many vendors count their errors, and some repeat the status, which says nothing new. */
const codeOf = (code: unknown): string | undefined =>
  typeof code === "number"
    ? code >= 100 && code < 600
      ? undefined
      : String(code)
    : stringAt({ code }, "code")

/** Reads `detail`, which servers made with FastAPI send in place of an error: a text, or `[{"loc": […], "msg": "…"}]`. */
const detailOf = (detail: unknown): string | undefined => {
  if (typeof detail === "string") return detail
  if (!Array.isArray(detail)) return undefined
  const lines = detail.filter(isObject).flatMap((each) => {
    const message = stringAt(each, "msg")
    const path = Array.isArray(each.loc) ? each.loc.filter((step) => step !== "body").join(".") : ""
    return message === undefined ? [] : [path === "" ? message : `${path}: ${message}`]
  })
  return lines.length === 0 ? undefined : lines.join("; ")
}

/**
 * Opens `{"error": {…}}`, the same in an array, `{"error": "text"}`, `{"errors": [{…}]}`, MiniMax's `base_resp`, or vLLM's
 * flat `{"object": "error", …}`.
 */
export const envelope = (body: unknown): JsonObject | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  if (!isObject(outer)) return undefined
  const { error } = outer
  if (isObject(error)) return error
  if (typeof error === "string") return { ...outer, message: error }
  if (isTrouble(outer.base_resp)) {
    const { status_code, status_msg } = outer.base_resp
    return { message: status_msg, code: MINIMAX_CODES.get(status_code) }
  }
  return objectsAt(outer, "errors")[0] ?? outer
}

/** Recognizes `{"error": …}` as everyone has it, MiniMax's `base_resp`, and vLLM's flat `{"object": "error", …}`. */
export const isError = ({ base_resp, choices, error, object }: JsonObject): boolean =>
  // Some send an empty one beside an answer.
  (isObject(error) && (Object.keys(error).length > 0 || !Array.isArray(choices))) ||
  (typeof error === "string" && error !== "") ||
  isTrouble(base_resp) ||
  object === "error"

const isTrouble = (base: unknown): base is JsonObject =>
  isObject(base) && typeof base.status_code === "number" && base.status_code !== 0

/** MiniMax's numbers, which mean other things elsewhere, in words that others use. */
const MINIMAX_CODES = new Map<unknown, string>([
  [1002, "rate_limit_exceeded"],
  [1004, "invalid_api_key"],
  [1008, "insufficient_balance"],
  [1026, "content_filter"],
  [1027, "content_filter"],
  [1039, "rate_limit_exceeded"],
  [2013, "invalid_request_error"],
  [2049, "invalid_api_key"],
])

/** Recognizes OpenRouter's moderation. */
const isFlagged = (metadata: JsonObject | undefined): boolean =>
  metadata !== undefined && (Array.isArray(metadata.reasons) || typeof metadata.flagged_input === "string")

/** Finds the field that a sentence is about, where the error does not name one: `Unsupported parameter: 'x'`. */
const fieldNamedIn = (message: string | undefined): string | undefined =>
  message === undefined
    ? undefined
    : (/^(?:un(?:supported|known|recognized) (?:parameter|value|field|name|request argument)(?: supplied)?:? ['"`]?)([\w.[\]]{1,100})/i.exec(
        message,
      )?.[1] ?? /^([a-z_][\w.]{0,99}): extra inputs are not permitted/i.exec(message)?.[1])
