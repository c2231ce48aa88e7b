import type { ToolResultBlockParam, ToolUseBlockParam } from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { stringAt } from "../../../platform/json.ts"
import { toWireName } from "../function-names.ts"
import { readCall } from "../functions.ts"
import { unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { ValueBudget } from "../ValueBudget.ts"
import { type Block, cacheMark, lowerContent } from "./content-blocks.ts"

/** Names and ids as Claude takes them. */
const NAME = /^[a-zA-Z0-9_-]{1,128}$/
const ID = /^[a-zA-Z0-9_-]{1,64}$/

/** Returns the name under which Claude knows a function; undefined for one that gets too long. */
export const toClaudeName = (name: string): string | undefined => toWireName(name, NAME)

/** The calls of a conversation so far. */
export class CallHistory {
  /** Calls that have no result yet: the client's ids of them, and those that Claude is told. */
  readonly open = new Map<string, string>()
  /** Names of the functions that were called. */
  readonly called = new Set<string>()
  readonly values = new ValueBudget()
  readonly #taken = new Set<string>()
  #made = 0

  /**
   * Returns the id that Claude is told of a call: it takes each once in a conversation, while some vendors number the calls of
   * each turn. A made-up one is the same from one request to the next, which prompt caches live on.
   */
  opens(id: string | undefined): string {
    let own = id ?? ""
    // Never begins anew: a client may have taken any of these.
    while (!ID.test(own) || this.#taken.has(own)) own = `call_${this.#made++}`
    this.#taken.add(own)
    this.open.set(id ?? own, own)
    return own
  }
}

export const lowerCall = (
  history: CallHistory,
  call: unknown,
  path: string,
): Result.Result<ToolUseBlockParam, LoweringFault> =>
  Result.map(readCall(call, path, toClaudeName), ({ args, id, name }) => {
    history.called.add(name)
    return {
      type: "tool_use",
      id: history.opens(id),
      name,
      input: history.values.readArguments(args),
    }
  })

/** Lowers the result of a call, which may have images and documents. */
export const lowerToolResult = (
  history: CallHistory,
  message: ChatMessage,
  path: string,
): Result.Result<ToolResultBlockParam, LoweringFault> => {
  const id = stringAt(message, "tool_call_id")
  const own = id === undefined ? undefined : history.open.get(id)
  if (id === undefined || own === undefined) {
    return Result.fail(
      unsupported(`${path}.tool_call_id`, "A result without a call of its id just before is"),
    )
  }
  history.open.delete(id)
  return Result.map(lowerContent(message.content, `${path}.content`), (content) => ({
    type: "tool_result",
    tool_use_id: own,
    ...(content.length > 0 && { content: plain(content) }),
    ...cacheMark(message),
  }))
}

/** Writes a single text as such. */
const plain = (content: Array<Block>): NonNullable<ToolResultBlockParam["content"]> => {
  const [first, ...others] = content
  return first?.type === "text" && others.length === 0 && first.cache_control === undefined
    ? first.text
    : content
}
