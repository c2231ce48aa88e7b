import type { PastTurns } from "../../../catalog/preset.ts"
import type { CallMode, ChatRequest } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { getOrInsert } from "../../../platform/get-or-insert.ts"
import { isObject, type JsonObject, joinObjects } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChanges } from "../../../platform/json-source.ts"
import { remembered } from "../../../platform/remembered.ts"
import { type Audience, audienceOf } from "./audience.ts"
import { withOwnCallIds } from "./call-ids.ts"
import { inOlderWords, withoutForeignFields } from "./foreign-fields.ts"
import { inOpenAiWords, withMediaAfterResults } from "./from-messages.ts"
import { OPENAI_TURNS, type TakenTurns } from "./past-turns.ts"

/** The members that the gateway sets; every other member is the client's. */
interface Settings {
  readonly model: string
  readonly streams: boolean
  /** Undefined for none. */
  readonly streamOptions: JsonObject | undefined
  /** The limit goes by its new name. */
  readonly renamesMaxTokens: boolean
}

export interface ChatWriting {
  /**
   * OpenAI itself, not a server that imitates it. Its newer models want `max_tokens` under its new name only; imitators may
   * know either, so they get what the client sent. See `withoutForeignFields` for the rest.
   */
  readonly isOpenAi: boolean
  /** What of past turns the server is known to take; absent where nothing is known. */
  readonly turns?: PastTurns | undefined
}

/** Tells whether the client asks more of a stream than the gateway does itself. */
export const hasOwnStreamOptions = ({ stream_options: options }: ChatRequest): boolean =>
  isObject(options) && Object.keys(options).some((name) => name !== "include_usage")

/** What a server turned out to take. */
export interface Wording {
  readonly withStreamOptions: boolean
  readonly inOlderWords: boolean
  /** `none`: it refused reasoning in past turns. `stand_in`: it missed it there. */
  readonly reasoning: "own" | "none" | "stand_in"
  /** It refused what else past answers have. */
  readonly withUsualFields: boolean
}

/**
 * DeepSeek's newest models take no empty text for reasoning, and to all who insist on some a space is enough
 * (github.com/NousResearch/hermes-agent/pull/17341).
 */
const STAND_IN = " "

/** Returns how past turns go to a server; undefined for as they are. */
export const turnsFor = ({ isOpenAi, turns }: ChatWriting, wording: Wording): TakenTurns | undefined => {
  const known: TakenTurns | undefined = isOpenAi ? OPENAI_TURNS : turns
  const { reasoning, withUsualFields } = wording
  if (reasoning === "own" && !withUsualFields) return known
  const only = known?.only ?? (withUsualFields ? ["name" as const] : undefined)
  const learned: TakenTurns = {
    ...known,
    ...(only && { only }),
    ...(reasoning === "none" && { reasoning: [] }),
    ...(reasoning === "stand_in" && { reasoning: ["reasoning_content"], standIn: STAND_IN }),
  }
  return getOrInsert(learnedTurns, JSON.stringify(learned), () => learned)
}

/** One of each kind, of which there are few. */
const learnedTurns = new Map<string, TakenTurns>()

/** A request in the words of some readers. */
interface OwnRequest {
  readonly taken: TakenTurns | undefined
  readonly form: number
  readonly request: ChatRequest
}

/** Cleaned requests, of each form one, so that its text is written once for all models that it is sent to. They are few. */
const ownRequests = remembered((_request: ChatRequest): Array<OwnRequest> => [])

const formOf = ({ isClaude, isMistral, isOpenAi, reasons }: Audience, isOlder: boolean): number =>
  Number(isClaude) |
  (Number(isOpenAi) << 1) |
  (Number(reasons) << 2) |
  (Number(isOlder) << 3) |
  (Number(isMistral) << 4)

/** Returns the request without what of the client's dialect no chat has. */
const inChatsWords = (
  dialect: ChatTask["dialect"],
  request: ChatRequest,
  audience: Audience,
): ChatRequest => {
  if (audience.isClaude) return request
  if (dialect === "messages") return inOpenAiWords(request, audience)
  if (dialect !== "responses") return request
  const messages = withMediaAfterResults(request.messages)
  return messages === request.messages ? request : { ...request, messages }
}

/** Returns the request in the words of its reader: the same one when it is so already. */
export const ownRequest = (
  { dialect, request }: ChatTask,
  audience: Audience,
  taken: TakenTurns | undefined,
  isOlder: boolean,
): ChatRequest => {
  const form = formOf(audience, isOlder)
  const known = ownRequests(request)
  for (const own of known) if (own.form === form && own.taken === taken) return own.request
  const said = inChatsWords(dialect, request, audience)
  const cleaned = withOwnCallIds(withoutForeignFields(said, audience, taken), audience)
  const own = isOlder ? inOlderWords(cleaned) : cleaned
  known.push({ taken, form, request: own })
  return own
}

/**
 * Writes the body of a chat. A client that speaks OpenAI's protocol has written it already, so its bytes are sent with
 * the gateway's settings put in: numbers, order and fields that nobody here knows stay as they are.
 */
export const writeChat = (
  model: string,
  task: ChatTask,
  mode: CallMode,
  writing: ChatWriting,
  wording: Wording,
): string | Uint8Array => {
  const { isOpenAi } = writing
  const { dialect = "chat", request, source } = task
  const { max_tokens, max_completion_tokens, stream_options } = request
  const settings: Settings = {
    model,
    streams: mode === "stream",
    streamOptions:
      mode === "stream" && wording.withStreamOptions
        ? { ...(isObject(stream_options) && stream_options), include_usage: true }
        : undefined,
    renamesMaxTokens:
      isOpenAi && refusesMaxTokens(model) && isNumber(max_tokens) && !isNumber(max_completion_tokens),
  }
  const own = ownRequest(task, audienceOf(model, isOpenAi), turnsFor(writing, wording), wording.inOlderWords)
  return source === undefined || dialect !== "chat" || own !== request
    ? rewrite(own, settings)
    : edit(source, settings)
}

const rewrite = (
  request: ChatRequest,
  { model, streams, streamOptions, renamesMaxTokens }: Settings,
): string => {
  const { max_tokens, max_completion_tokens } = request
  const own = {
    ...(renamesMaxTokens ? { max_completion_tokens: max_tokens } : { max_tokens, max_completion_tokens }),
    model,
    ...(streams && { stream: true, stream_options: streamOptions }),
  }
  return joinObjects(sharedText(request), JSON.stringify(own))
}

/** Writes a request without what models are told in different ways: the text is long. */
const sharedText = remembered((request: ChatRequest): string => {
  const { stream: _, stream_options: __, max_tokens: ___, max_completion_tokens: ____, ...shared } = request
  return JSON.stringify(shared)
})

const edit = (
  source: JsonSource,
  { model, streams, streamOptions, renamesMaxTokens }: Settings,
): Uint8Array => {
  const changes: MemberChanges = [
    ["model", { value: JSON.stringify(model) }],
    ["stream", streams ? { value: "true" } : "remove"],
    ["stream_options", streamOptions !== undefined ? { value: JSON.stringify(streamOptions) } : "remove"],
  ]
  return changeMembers(source, renamesMaxTokens ? [...changes, ...RENAMING] : changes)
}

const RENAMING: MemberChanges = [
  // Some clients send null under the new name as well.
  ["max_completion_tokens", "remove"],
  ["max_tokens", { name: "max_completion_tokens" }],
]

/** Clients send null for "not set" too. */
const isNumber = (value: unknown): boolean => typeof value === "number"

/** Recognizes OpenAI's reasoning models and everything since, fine-tuned ones too: o1, o4-mini, gpt-5. */
const refusesMaxTokens = (model: string): boolean => /^(ft:)?(o\d|gpt-([5-9]|\d\d))/.test(model)
