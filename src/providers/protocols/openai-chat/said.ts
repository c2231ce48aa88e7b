import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "../../../platform/json.ts"
import { unquoted } from "../unquoted.ts"

/** What an error says, wherever its vendor puts it. */
export interface Said {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly message: string | undefined
  /**
   * The vendor's own sentence in it: without the path of a field, which may begin with any word of the client's, and without
   * what stands in quotes.
   */
  readonly sentence: string | undefined
  readonly param: string | undefined
  readonly innerCode: string | undefined
  /** OpenRouter's moderation. */
  readonly flagged: boolean
}

/** So many errors are opened that are told within another. */
const MAX_DEPTH = 5

/** Longer ones repeat a request; what is looked for in them may take quadratic time. */
const MAX_MESSAGE = 4_000

/** Names of the text, of which the first that says something counts. */
const TEXTS = ["message", "Message", "msg", "error_msg", "error_message", "errorMessage", "detail"]

/** An aggregator's own words, which say nothing of what the vendor behind it said. */
const SAYS_NOTHING = /^provider returned error/i

export const readError = (error: JsonObject | undefined, depth = 0): Said => {
  const told = toldIn(error)
  const inner = error === undefined || depth === MAX_DEPTH ? undefined : innerOf(error, told)
  if (inner !== undefined) return readError(inner, depth + 1)
  const fields = fieldsIn(told)
  const whole =
    typeof told === "string" ? told : fields.length === 0 ? undefined : fields.map(ofField).join("; ")
  const message = whole?.slice(0, MAX_MESSAGE)
  const first = fields[0]?.msg.slice(0, MAX_MESSAGE) ?? message
  return {
    code: codeOf(error?.code) ?? stringAt(error, "reason"),
    // RFC 9457's title is as good a word as a type, and so is the name of Google's status.
    type: stringAt(error, "type") ?? stringAt(error, "title") ?? statusNameOf(error),
    message,
    sentence: first === undefined ? undefined : sentenceOf(first),
    param: stringAt(error, "param") ?? fieldNamedIn(message),
    innerCode: stringAt(objectAt(error, "innererror"), "code"),
    flagged: isFlagged(objectAt(error, "metadata")),
  }
}

const statusNameOf = (error: JsonObject | undefined): string | undefined => {
  const name = stringAt(error, "status")
  return name !== undefined && /^[A-Z]+(_[A-Z]+)+$/.test(name) ? name : undefined
}

/** Finds what an error says: a text, FastAPI's list of fields, or another error. */
const toldIn = (error: JsonObject | undefined): unknown =>
  TEXTS.map((name) => error?.[name]).find((value) => value != null && value !== "")

/** Opens an error that is told within this one; undefined when this one speaks for itself. */
const innerOf = (error: JsonObject, told: unknown): JsonObject | undefined => {
  const raw = objectAt(error, "metadata")?.raw
  if (raw != null && (told === undefined || (typeof told === "string" && SAYS_NOTHING.test(told)))) {
    // OpenRouter passes on what the vendor said, as a text or as it is.
    const inner = typeof raw === "string" ? (jsonIn(raw) ?? raw) : raw
    return isObject(inner)
      ? envelope(inner)
      : { ...error, ...withoutTexts, message: raw, metadata: undefined }
  }
  if (told === undefined) {
    return error.error == null ? undefined : { ...error, error: undefined, ...envelope(error) }
  }
  const inner = typeof told === "string" ? jsonIn(told) : told
  if (Array.isArray(inner) && fieldsIn(inner).length > 0) {
    return inner === told && told === error.detail ? undefined : { ...error, ...withoutTexts, detail: inner }
  }
  const opened = typeof inner === "object" ? envelope(inner) : undefined
  return opened && { ...error, ...withoutTexts, error: undefined, ...opened }
}

const withoutTexts = Object.fromEntries(TEXTS.map((name) => [name, undefined]))

/** Matches the names that proxies put before what a vendor said: `litellm.BadRequestError: AnthropicException - …` */
const OF_A_PROXY = /^(?:[\w.]{1,60}(?:Error|Exception)(?:: | - )?)+/

/** Matches what vLLM makes of pydantic's errors, which is Python and no JSON. */
const IN_PYTHON = /'loc': \(([^)]{1,500}),?\), 'msg': '([^']{1,500})'/g

/** Reads a text that is JSON as a whole. At the end of a sentence it may be a client's own. */
const jsonIn = (text: string): unknown => {
  const json = text.replace(OF_A_PROXY, "").trim()
  if (json.startsWith("[{'type': ")) {
    return [...json.matchAll(IN_PYTHON)].map(([, loc = "", msg]) => ({
      loc: loc.split(",").flatMap((step) => step.replaceAll("'", "").trim() || []),
      msg,
    }))
  }
  const value = /^[{[]/.test(json) ? parseJson(json) : undefined
  return typeof value === "object" && value !== null ? value : undefined
}

/** What servers made with FastAPI say of a field: `{"loc": ["body", "n"], "msg": "…"}`. */
interface OfField {
  readonly path: string
  readonly msg: string
}

const fieldsIn = (told: unknown): ReadonlyArray<OfField> =>
  Array.isArray(told)
    ? told.filter(isObject).flatMap((each) => {
        const msg = stringAt(each, "msg")
        const path = Array.isArray(each.loc) ? each.loc.filter((step) => step !== "body").join(".") : ""
        return msg === undefined ? [] : [{ path, msg }]
      })
    : []

const ofField = ({ msg, path }: OfField): string => (path === "" ? msg : `${path}: ${msg}`)

/** Matches what Anthropic and servers made with pydantic say of a field, behind its path. */
const OF_A_FIELD =
  /^.*: ((?:extra inputs are not permitted|input should |field required|unexpected |unknown |unrecognized ).*)$/is

const sentenceOf = (message: string): string => {
  const bare = message.replace(OF_A_PROXY, "")
  return unquoted(OF_A_FIELD.exec(bare)?.[1] ?? bare)
}

/** Reads a code. Many vendors count their errors, and some repeat the status, which says nothing new. */
const codeOf = (code: unknown): string | undefined =>
  typeof code === "number"
    ? code >= 100 && code < 600
      ? undefined
      : String(code)
    : stringAt({ code }, "code")

/**
 * Opens `{"error": {…}}`, the same in an array or with one in it, `{"error": "text"}`, `{"errors": [{…}]}`, MiniMax's `base_resp`,
 * vLLM's flat `{"object": "error", …}`, or a bare text.
 */
export const envelope = (body: unknown): JsonObject | undefined => {
  const outer = firstOf(body)
  if (typeof outer === "string") return { message: outer }
  if (!isObject(outer)) return undefined
  if (isTrouble(outer.base_resp)) {
    const { status_code, status_msg } = outer.base_resp
    return { message: status_msg, code: MINIMAX_CODES.get(status_code) }
  }
  const error = firstOf(outer.error) ?? firstOf(outer.errors)
  if (isObject(error)) return error
  // Some servers put the name of the status there, and the reason beside it.
  return typeof error === "string" ? { ...outer, message: stringAt(outer, "message") || error } : outer
}

const firstOf = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value)

/** Recognizes `{"error": …}` as everyone has it, MiniMax's `base_resp`, and vLLM's flat `{"object": "error", …}`. */
export const isError = ({ base_resp, choices, error, object }: JsonObject): boolean =>
  // Some send an empty one beside an answer.
  (isObject(error) && (Object.keys(error).length > 0 || !Array.isArray(choices))) ||
  (typeof error === "string" && error !== "") ||
  (Array.isArray(error) && error.length > 0) ||
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
