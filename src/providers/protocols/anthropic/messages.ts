import type { ContentBlockParam, TextBlockParam } from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import type { ChatMessage } from "../../../domain/Chat.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { withoutThoughts } from "../thinking.ts"
import { CallHistory, lowerCall, lowerToolResult } from "./calls.ts"
import { cacheMark, lowerContent, lowerTexts, textBlock } from "./content-blocks.ts"
import { isThought, thoughtsOf } from "./thinking-blocks.ts"
import type { Turn } from "./wire.ts"

/** Instructions apart, turns of both sides in turn, each call with its result in the next one. */
export interface Conversation {
  readonly system: ReadonlyArray<TextBlockParam>
  readonly turns: ReadonlyArray<Turn>
  /** Names of the functions that were called. */
  readonly called: ReadonlySet<string>
}

/** What stands where Claude wants the user to say something and nothing was said. */
const GO_ON = "Continue."
const NO_RESULT = "No result."

export const lowerMessages = (
  messages: ReadonlyArray<ChatMessage>,
): Result.Result<Conversation, LoweringFault> => {
  const draft: Draft = { system: [], turns: [], history: new CallHistory(), held: [] }
  for (const [index, message] of messages.entries()) {
    const refusal = lowerMessage(draft, message, `messages[${index}]`)
    if (refusal !== undefined) return Result.fail(refusal)
  }
  release(draft)
  const { history, system, turns } = draft
  // Claude wants something to answer; OpenAI's models take instructions alone.
  if (turns.length === 0) append(turns, "user", system.splice(0))
  // A history that was cut short may begin with an answer. One at its end is not to be gone on with, as Claude would.
  if (turns[0]?.role !== "user") turns.unshift({ role: "user", content: [textBlock(GO_ON)] })
  if (turns.at(-1)?.role !== "user") append(turns, "user", [textBlock(GO_ON)])
  return Result.succeed({ system, turns, called: history.called })
}

interface Draft {
  readonly system: Array<TextBlockParam>
  readonly turns: Array<Turn>
  readonly history: CallHistory
  /** Instructions that stand between a call and its result, where Claude takes nothing. */
  readonly held: Array<TextBlockParam>
}

const lowerMessage = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  switch (message.role) {
    case "system":
    case "developer":
      return lowerInstruction(draft, message, path)
    case "user": {
      const blocks = lowerContent(message.content, `${path}.content`)
      if (Result.isFailure(blocks)) return blocks.failure
      release(draft)
      append(draft.turns, "user", marked(message, blocks.success))
      return undefined
    }
    case "assistant":
      release(draft)
      return lowerAssistant(draft, message, path)
    case "tool": {
      const result = lowerToolResult(draft.history, message, path)
      if (Result.isFailure(result)) return result.failure
      append(draft.turns, "user", [result.success])
      if (draft.history.open.size === 0) release(draft)
      return undefined
    }
    default:
      return unsupported(`${path}.role`, "This role is")
  }
}

/**
 * Lowers instructions. Those at the beginning stand apart; later ones keep their place, as the user's words: what came
 * before them stays the same from one turn to the next, which prompt caches live on.
 */
const lowerInstruction = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  const blocks = lowerTexts(message.content, `${path}.content`)
  if (Result.isFailure(blocks)) return blocks.failure
  const isFirst = draft.turns.length === 0
  push(isFirst ? draft.system : draft.held, marked(message, blocks.success))
  if (!isFirst && draft.history.open.size === 0) release(draft)
  return undefined
}

/** Gives calls without a result an empty one, since Claude takes no call without; held instructions follow. */
const release = ({ held, history, turns }: Draft): void => {
  for (const tool_use_id of history.open.values()) {
    append(turns, "user", [{ type: "tool_result", tool_use_id, content: NO_RESULT }])
  }
  history.open.clear()
  append(turns, "user", held.splice(0))
}

const lowerAssistant = (draft: Draft, message: ChatMessage, path: string): LoweringFault | undefined => {
  if (present(message.function_call) !== undefined)
    return unsupported(`${path}.function_call`, "function_call is")
  if (present(message.audio) !== undefined) return unsupported(`${path}.audio`, "Earlier audio is")
  const blocks = lowerTexts(withoutThoughts(message.content) ?? message.refusal, `${path}.content`)
  if (Result.isFailure(blocks)) return blocks.failure
  const calls = present(message.tool_calls) ?? []
  if (!Array.isArray(calls)) return malformed(`${path}.tool_calls`, "tool_calls is a list.")
  const said: Array<ContentBlockParam> = blocks.success
  for (const [index, call] of calls.entries()) {
    const block = lowerCall(draft.history, call, `${path}.tool_calls[${index}]`)
    if (Result.isFailure(block)) return block.failure
    said.push(block.success)
  }
  // A turn of thoughts alone is refused.
  const thoughts = said.length > 0 ? thoughtsOf(message) : []
  append(draft.turns, "assistant", [...thoughts, ...marked(message, said)])
  return undefined
}

/** Puts the mark of a message to its last block. */
const marked = <Each extends ContentBlockParam>(message: ChatMessage, blocks: Array<Each>): Array<Each> => {
  const last = blocks.at(-1)
  if (last === undefined || message.cache_control === undefined) return blocks
  return [...blocks.slice(0, -1), { ...last, ...cacheMark(message) }]
}

/** Joins turns of one side. Results stand before what the user says, since they answer the turn before. */
const append = (turns: Array<Turn>, role: Turn["role"], blocks: ReadonlyArray<ContentBlockParam>): void => {
  if (blocks.length === 0) return
  const last = turns.at(-1)
  if (last?.role === role) push(last.content, blocks)
  else turns.push({ role, content: [...blocks] })
}

/** Adds one by one: the blocks of a turn have to fit the stack. */
const push = <Each>(blocks: Array<Each>, more: ReadonlyArray<Each>): void => {
  for (const block of more) blocks.push(block)
}

/** Returns turns without Claude's thoughts, for when it does not take them back. */
export const withoutThoughtBlocks = (turns: ReadonlyArray<Turn>): ReadonlyArray<Turn> =>
  turns.map(({ content, role }) => ({ role, content: content.filter((block) => !isThought(block)) }))

/**
 * Tells whether the results that a conversation ends with are of calls without a thought, of another vendor's model for one.
 * A model that thinks within a budget takes no such turn while it thinks: "Expected `thinking`, but found `tool_use`".
 */
export const endsInBareCalls = (turns: ReadonlyArray<Turn>): boolean => {
  const [first] = turns.at(-2)?.content ?? []
  return turns.at(-1)?.content[0]?.type === "tool_result" && first !== undefined && !isThought(first)
}
