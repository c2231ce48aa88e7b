import { Result } from "effect"
import type { CallMode, ChatRequest } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import {
  isObject,
  type JsonObject,
  objectAt,
  objectsAt,
  parseJson,
  stringAt,
} from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChange } from "../../../platform/json-source.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { isThought, thoughtsOf } from "./thinking-blocks.ts"
import { API_VERSION } from "./wire.ts"

/**
 * Sends a client's own request on, with the model's name put in: numbers, order and fields that nobody here knows stay as they
 * are. Its header fields say in which version and with which betas it is written.
 */
export const editMessages = (
  model: string,
  { headers = [], request }: ChatTask,
  source: JsonSource,
): Result.Result<BodyWriter, LoweringFault> =>
  Result.succeed({
    write: (mode) => edit(source, model, mode, endsInBareCalls(request) ? withoutBudget(request) : new Map()),
    headers: withVersion(headers),
    reworded: () => {
      const changes = plainChanges(source)
      if (changes === undefined) return undefined
      return { write: (mode) => edit(source, model, mode, changes), headers: withVersion(headers) }
    },
  })

const withVersion = (headers: ReadonlyArray<string>): ReadonlyArray<string> =>
  headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === "anthropic-version")
    ? headers
    : ["anthropic-version", API_VERSION, ...headers]

const edit = (
  source: JsonSource,
  model: string,
  mode: CallMode,
  more: ReadonlyMap<string, MemberChange>,
): Uint8Array =>
  changeMembers(
    source,
    new Map<string, MemberChange>([
      ["model", { value: JSON.stringify(model) }],
      ["stream", mode === "stream" ? { value: "true" } : "remove"],
      ...more,
    ]),
  )

/** Leaves out the thoughts of earlier turns, and a budget for new ones, which would miss them; undefined when there are none. */
const plainChanges = ({ bytes }: JsonSource): ReadonlyMap<string, MemberChange> | undefined => {
  const body = parseJson(bytes.toString())
  if (!isObject(body) || !Array.isArray(body.messages)) return undefined
  const before: ReadonlyArray<unknown> = body.messages
  const messages = before.map(withoutThoughts)
  if (messages.every((message, index) => message === before[index])) return undefined
  return new Map<string, MemberChange>([
    ["messages", { value: JSON.stringify(messages) }],
    ...withoutBudget(body),
  ])
}

/** Tells whether the last calls have their results, and came without a thought, of another vendor's model for one. */
const endsInBareCalls = ({ messages }: ChatRequest): boolean => {
  const last = messages.findLastIndex(({ role }) => role === "assistant")
  const turn = messages[last]
  return turn !== undefined && messages[last + 1]?.role === "tool" && thoughtsOf(turn).length === 0
}

/**
 * Leaves out a budget for thoughts: with one, Claude takes no turn of calls without a thought. What tells it to clear thoughts
 * goes too, which it takes beside a budget alone.
 */
const withoutBudget = (body: JsonObject): ReadonlyMap<string, MemberChange> => {
  const changes = new Map<string, MemberChange>()
  if (objectAt(body, "thinking")?.type !== "enabled") return changes
  changes.set("thinking", "remove")
  const management = objectAt(body, "context_management")
  const edits = objectsAt(management, "edits")
  const kept = edits.filter((each) => !stringAt(each, "type")?.startsWith("clear_thinking"))
  if (kept.length < edits.length) {
    changes.set("context_management", { value: JSON.stringify({ ...management, edits: kept }) })
  }
  return changes
}

const withoutThoughts = (message: unknown): unknown => {
  if (!isObject(message) || message.role !== "assistant" || !Array.isArray(message.content)) return message
  const content = message.content.filter((block: unknown) => !isObject(block) || !isThought(block))
  if (content.length === message.content.length) return message
  return { ...message, content: content.length > 0 ? content : [NOTHING_SAID] } satisfies JsonObject
}

/** Claude takes no turn without content. */
const NOTHING_SAID = { type: "text", text: "…" }
