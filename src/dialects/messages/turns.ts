import type { ChatMessage } from "../../domain/Chat.ts"
import { carriedReasoning, isCarriedReasoning } from "../../domain/carried-reasoning.ts"
import { CLAUDE_FORMAT } from "../../domain/reasoning-details.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import {
  contentOf,
  hintsOf,
  imageUrl,
  lowerContent,
  type Part,
  partOf,
  partsOf,
  textAt,
  typeOf,
} from "./blocks.ts"
import type { Notes, Path } from "./notes.ts"

/** Turns one message into those of chat, where results of tools are messages of their own. */
export const lowerTurn = (message: unknown, path: Path, notes: Notes): ReadonlyArray<ChatMessage> => {
  if (!isObject(message)) {
    notes.refuse(path, "Expected an object")
    return []
  }
  const at = [...path, "content"]
  switch (message.role) {
    case "user":
      return lowerQuestion(message.content, at, notes)
    case "assistant":
      return [lowerAnswer(message.content, at, notes)]
    case "system":
      return [notes.from({ role: "system", content: lowerContent(message.content, at, notes) }, at)]
    default:
      notes.refuse([...path, "role"], "Expected user, assistant or system")
      return []
  }
}

/** Results come before what else the user says: chat wants them right after their calls. */
const lowerQuestion = (content: unknown, path: Path, notes: Notes): ReadonlyArray<ChatMessage> => {
  if (!Array.isArray(content)) {
    return [notes.from({ role: "user", content: lowerContent(content, path, notes) }, path)]
  }
  const results: Array<ChatMessage> = []
  const said: Array<Part> = []
  for (const [index, block] of content.entries()) {
    const at = [...path, index]
    if (isObject(block) && block.type === "tool_result") results.push(lowerResult(block, at, notes))
    else said.push(...partOf(block, at, notes))
  }
  return said.length > 0 || results.length === 0
    ? [...results, notes.from({ role: "user", content: contentOf(said) }, path)]
    : results
}

const lowerResult = (block: JsonObject, path: Path, notes: Notes): ChatMessage => {
  const parts = partsOf(block.content, [...path, "content"], notes)
  const said = block.is_error === true ? asFailure(parts) : parts
  const hints = hintsOf(block)
  const last = said.at(-1)
  const isMarked = hints.cache_control !== undefined
  if (isMarked && last === undefined) notes.drop([...path, "cache_control"])
  const marked =
    isMarked && last !== undefined ? [...said.slice(0, -1), notes.from({ ...last, ...hints }, path)] : said
  dropFields(block, ["toolset_name"], path, notes)
  return notes.from(
    {
      role: "tool",
      tool_call_id: textAt(block, "tool_use_id", path, notes),
      content: contentOf(marked, "\n"),
    },
    path,
  )
}

/** Chat has no other way to say it. */
const FAILED = "The tool failed:"

const asFailure = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const [first, ...others] = parts
  return first?.type === "text"
    ? [{ ...first, text: `${FAILED}\n${first.text}` }, ...others]
    : [{ type: "text", text: FAILED }, ...parts]
}

const lowerAnswer = (content: unknown, path: Path, notes: Notes): ChatMessage => {
  if (!Array.isArray(content)) {
    return notes.from({ role: "assistant", content: lowerContent(content, path, notes) }, path)
  }
  const said: Array<Part> = []
  const calls: Array<unknown> = []
  const details: Array<unknown> = []
  const images: Array<unknown> = []
  let reasoning = ""
  const thoughts: Array<number> = []
  for (const [index, block] of content.entries()) {
    const at = [...path, index]
    const type = typeOf(block, at, notes)
    if (!isObject(block) || type === undefined) continue
    switch (type) {
      case "thinking": {
        const text = textAt(block, "thinking", at, notes)
        const signature = stringAt(block, "signature") ?? ""
        // Claude signs all of its own.
        if (signature === "" || isCarriedReasoning(signature)) {
          reasoning += text
          thoughts.push(index)
        }
        if (isCarriedReasoning(signature)) {
          details.push(...carriedReasoning(signature).map((each) => notes.from(each, at)))
        } else if (signature !== "") {
          const own = { type: "reasoning.text", text, signature, format: CLAUDE_FORMAT }
          details.push(notes.from(own, at))
        }
        break
      }
      case "redacted_thinking": {
        const data = textAt(block, "data", at, notes)
        details.push(notes.from({ type: "reasoning.encrypted", data, format: CLAUDE_FORMAT }, at))
        break
      }
      case "tool_use":
        dropFields(block, ["cache_control", "toolset_name"], at, notes)
        if (objectAt(block, "caller")?.type !== "direct") dropFields(block, ["caller"], at, notes)
        calls.push(notes.from(lowerCall(block, at, notes), at))
        break
      case "image": {
        const url = imageUrl(block, at, notes)
        images.push(notes.from({ type: "image_url", image_url: { url }, ...extraOf(block) }, at))
        break
      }
      default:
        said.push(...partOf(block, at, notes))
    }
  }
  return notes.from(
    {
      role: "assistant",
      content: said.length === 0 && calls.length > 0 ? null : contentOf(said, ""),
      ...(reasoning !== "" && { reasoning_content: reasoning }),
      ...(details.length > 0 && { reasoning_details: details }),
      ...(images.length > 0 && { images }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    path,
    { reasoning_content: thoughts },
  )
}

const dropFields = (block: JsonObject, fields: ReadonlyArray<string>, path: Path, notes: Notes): void => {
  for (const field of fields) if (block[field] != null) notes.drop([...path, field])
}

const lowerCall = (block: JsonObject, path: Path, notes: Notes) => ({
  id: textAt(block, "id", path, notes),
  type: "function",
  function: {
    name: textAt(block, "name", path, notes),
    arguments: JSON.stringify(block.input ?? {}),
  },
  ...extraOf(block),
})

/** What another vendor handed out beside a block, and this gateway with it: it comes back for that vendor. */
const extraOf = ({ extra_content }: JsonObject): { readonly extra_content?: unknown } =>
  extra_content === undefined ? {} : { extra_content }
