import { Result } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { isObject, type JsonObject, objectAt, parseJson } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChange } from "../../../platform/json-source.ts"
import type { BodyWriter, LoweringFault } from "../Protocol.ts"
import { isThought } from "./thinking-blocks.ts"
import { API_VERSION } from "./wire.ts"

/**
 * Sends a client's own request on, with the model's name put in: numbers, order and fields that nobody here knows stay as they
 * are. Its header fields say in which version and with which betas it is written.
 */
export const editMessages = (
  model: string,
  { headers = [] }: ChatTask,
  source: JsonSource,
): Result.Result<BodyWriter, LoweringFault> =>
  Result.succeed({
    write: (mode) => edit(source, model, mode, new Map()),
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
    ...(objectAt(body, "thinking")?.type === "enabled" ? [["thinking", "remove"] as const] : []),
  ])
}

const withoutThoughts = (message: unknown): unknown => {
  if (!isObject(message) || message.role !== "assistant" || !Array.isArray(message.content)) return message
  const content = message.content.filter((block: unknown) => !isObject(block) || !isThought(block))
  if (content.length === message.content.length) return message
  return { ...message, content: content.length > 0 ? content : [NOTHING_SAID] } satisfies JsonObject
}

/** Claude takes no turn without content. */
const NOTHING_SAID = { type: "text", text: "…" }
