import type { CallMode } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChanges } from "../../../platform/json-source.ts"
import type { BodyWriter } from "../Protocol.ts"
import { claudesOwn, foreignToClaude, foreignToOthers, othersOwn, thoughtsIn } from "./own-history.ts"
import { isThought } from "./thinking-blocks.ts"
import { API_VERSION, BETAS } from "./wire.ts"

/**
 * Sends a client's own request on, with the model's name put in and without what others said: numbers, order and fields that
 * nobody here knows stay as they are. Its header fields say in which version and with which betas it is written.
 */
export const nativeWriter = (
  model: string,
  isClaude: boolean,
  { body = {}, headers = [] }: ChatTask,
  source: JsonSource,
): BodyWriter => {
  const words = isClaude ? claudesWords : othersWords
  let made: MemberChanges | undefined
  const own = () => (made ??= words.own(body))
  const writerOf = (fields: ReadonlyArray<string>, plain?: MemberChanges): BodyWriter => ({
    write: (mode) => edit(source, model, mode, plain ?? own()),
    headers: withVersion(fields),
    dropped: () => {
      const changes = plain ?? own()
      if (changes.length === 0 && fields === headers) return []
      const messages = messagesOf(body)
      return [
        ...changes.map(([field]) => field).filter((field) => field !== "messages"),
        ...words.foreign(messages),
        ...(plain === undefined ? [] : thoughtsIn(messages)),
        ...(fields.length < headers.length ? [BETAS] : []),
      ]
    },
    reworded: (refused) => {
      if (refused === BETAS) {
        const others = without(BETAS, fields)
        return others.length === fields.length ? undefined : writerOf(others, plain)
      }
      const changes = plain === undefined ? words.plain(body) : undefined
      return changes && writerOf(fields, changes)
    },
  })
  return writerOf(headers)
}

/** Returns header fields without those of a name. */
const without = (name: string, fields: ReadonlyArray<string>): ReadonlyArray<string> =>
  fields.filter((_, index) => fields[index - (index % 2)]?.toLowerCase() !== name)

const withVersion = (headers: ReadonlyArray<string>): ReadonlyArray<string> =>
  headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === "anthropic-version")
    ? headers
    : ["anthropic-version", API_VERSION, ...headers]

const edit = (source: JsonSource, model: string, mode: CallMode, more: MemberChanges): Uint8Array =>
  changeMembers(source, [
    ["model", { value: JSON.stringify(model) }],
    ["stream", mode === "stream" ? { value: "true" } : "remove"],
    ...more,
  ])

/** What a model's vendor takes. */
interface Words {
  /** Changes what others said. */
  readonly own: (body: JsonObject) => MemberChanges
  /** Names what others said and it is not told. */
  readonly foreign: (messages: ReadonlyArray<unknown>) => ReadonlyArray<string>
  /** Leaves out the thoughts of earlier turns, and has no new ones, which would miss them; undefined when that is no change. */
  readonly plain: (body: JsonObject) => MemberChanges | undefined
}

const claudesWords: Words = {
  own: (body) => {
    const messages = messagesOf(body)
    const own = claudesOwn(messages)
    const history = historyAs(own, messages)
    return endsInBareCalls(own) ? [...history, ...withoutBudget(body)] : history
  },
  foreign: foreignToClaude,
  plain: (body) => {
    const own = claudesOwn(messagesOf(body))
    const messages = own.map(withoutThoughts)
    if (messages.every((message, index) => message === own[index])) return undefined
    return [["messages", { value: JSON.stringify(messages) }], ...withoutBudget(body)]
  },
}

/** Others than Claude think unless they are told not to. */
const othersWords: Words = {
  own: (body) => {
    const messages = messagesOf(body)
    return historyAs(othersOwn(messages), messages)
  },
  foreign: foreignToOthers,
  plain: (body) =>
    objectAt(body, "thinking")?.type === "disabled"
      ? undefined
      : [
          ["thinking", { value: '{"type":"disabled"}' }],
          ["messages", { value: JSON.stringify(othersOwn(messagesOf(body)).map(withoutThoughts)) }],
        ],
}

const messagesOf = ({ messages }: JsonObject): ReadonlyArray<unknown> =>
  Array.isArray(messages) ? messages : []

const historyAs = (own: ReadonlyArray<unknown>, messages: ReadonlyArray<unknown>): MemberChanges =>
  own === messages ? NONE : [["messages", { value: JSON.stringify(own) }]]

const NONE: MemberChanges = []

/** Tells whether the last calls have their results, and came without a thought, of another vendor's model for one. */
const endsInBareCalls = (messages: ReadonlyArray<unknown>): boolean => {
  const last = messages.findLastIndex((message) => isObject(message) && message.role === "assistant")
  const results = messages[last + 1]
  const turn = messages[last]
  return (
    isObject(results) &&
    objectsAt(results, "content").some(({ type }) => type === "tool_result") &&
    isObject(turn) &&
    !objectsAt(turn, "content").some(isThought)
  )
}

/**
 * Leaves out a budget for thoughts: with one, Claude takes no turn of calls without a thought. What tells it to clear thoughts
 * goes too, which it takes beside a budget alone.
 */
const withoutBudget = (body: JsonObject): MemberChanges => {
  if (objectAt(body, "thinking")?.type !== "enabled") return NONE
  const management = objectAt(body, "context_management")
  const edits = objectsAt(management, "edits")
  const kept = edits.filter((each) => !stringAt(each, "type")?.startsWith("clear_thinking"))
  return kept.length === edits.length
    ? [["thinking", "remove"]]
    : [
        ["thinking", "remove"],
        ["context_management", { value: JSON.stringify({ ...management, edits: kept }) }],
      ]
}

const withoutThoughts = (message: unknown): unknown => {
  if (!isObject(message) || message.role !== "assistant" || !Array.isArray(message.content)) return message
  const content = message.content.filter((block: unknown) => !isObject(block) || !isThought(block))
  if (content.length === message.content.length) return message
  return { ...message, content: content.length > 0 ? content : [NOTHING_SAID] } satisfies JsonObject
}

/** Claude takes no turn without content. */
const NOTHING_SAID = { type: "text", text: "…" }
