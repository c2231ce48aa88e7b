import type { ChatMessage } from "../../domain/Chat.ts"
import { carriedReasoning, isCarriedReasoning } from "../../domain/carried-reasoning.ts"
import { isObject, type JsonObject, stringAt } from "../../platform/json.ts"
import { contentOf, hintsOf, imageUrl, type Part, partOf, partsOf, textAt, typeOf } from "./blocks.ts"
import type { Mistake, Mistakes } from "./mistake.ts"

type Path = Mistake["path"]

/** The mark of Claude's own reasoning, by which it is told from others' and goes back to Claude alone. */
export const CLAUDE_FORMAT = "anthropic-claude-v1"

/** Turns one message into those of chat, where results of tools are messages of their own. */
export const lowerTurn = (message: unknown, path: Path, mistakes: Mistakes): ReadonlyArray<ChatMessage> => {
  if (!isObject(message)) {
    mistakes.add(path, "Expected an object")
    return []
  }
  const at = [...path, "content"]
  switch (message.role) {
    case "user":
      return lowerQuestion(message.content, at, mistakes)
    case "assistant":
      return [lowerAnswer(message.content, at, mistakes)]
    case "system":
      return [{ role: "system", content: contentOf(partsOf(message.content, at, mistakes)) }]
    default:
      mistakes.add([...path, "role"], "Expected user, assistant or system")
      return []
  }
}

/** Results come before what else the user says: chat wants them right after their calls. */
const lowerQuestion = (content: unknown, path: Path, mistakes: Mistakes): ReadonlyArray<ChatMessage> => {
  if (!Array.isArray(content)) {
    return [{ role: "user", content: contentOf(partsOf(content, path, mistakes)) }]
  }
  const results: Array<ChatMessage> = []
  const said: Array<Part> = []
  for (const [index, block] of content.entries()) {
    const at = [...path, index]
    if (isObject(block) && block.type === "tool_result") results.push(lowerResult(block, at, mistakes))
    else said.push(...partOf(block, at, mistakes))
  }
  return said.length > 0 || results.length === 0
    ? [...results, { role: "user", content: contentOf(said) }]
    : results
}

const lowerResult = (block: JsonObject, path: Path, mistakes: Mistakes): ChatMessage => {
  const parts = partsOf(block.content, [...path, "content"], mistakes)
  const said = block.is_error === true ? asFailure(parts) : parts
  const hints = hintsOf(block)
  const last = said.at(-1)
  const marked =
    hints.cache_control === undefined || last === undefined
      ? said
      : [...said.slice(0, -1), { ...last, ...hints }]
  return {
    role: "tool",
    tool_call_id: textAt(block, "tool_use_id", path, mistakes),
    content: contentOf(marked, "\n"),
  }
}

/** Chat has no other way to say it. */
const FAILED = "The tool failed:"

const asFailure = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const [first, ...others] = parts
  return first?.type === "text"
    ? [{ ...first, text: `${FAILED}\n${first.text}` }, ...others]
    : [{ type: "text", text: FAILED }, ...parts]
}

const lowerAnswer = (content: unknown, path: Path, mistakes: Mistakes): ChatMessage => {
  if (!Array.isArray(content)) {
    return { role: "assistant", content: contentOf(partsOf(content, path, mistakes), "") }
  }
  const said: Array<Part> = []
  const calls: Array<unknown> = []
  const details: Array<unknown> = []
  const images: Array<unknown> = []
  let reasoning = ""
  for (const [index, block] of content.entries()) {
    const at = [...path, index]
    const type = typeOf(block, at, mistakes)
    if (!isObject(block) || type === undefined) continue
    switch (type) {
      case "thinking": {
        const text = textAt(block, "thinking", at, mistakes)
        const signature = stringAt(block, "signature") ?? ""
        // Claude signs all of its own.
        if (signature === "" || isCarriedReasoning(signature)) reasoning += text
        if (isCarriedReasoning(signature)) details.push(...carriedReasoning(signature))
        else if (signature !== "")
          details.push({ type: "reasoning.text", text, signature, format: CLAUDE_FORMAT })
        break
      }
      case "redacted_thinking":
        details.push({
          type: "reasoning.encrypted",
          data: textAt(block, "data", at, mistakes),
          format: CLAUDE_FORMAT,
        })
        break
      case "tool_use":
        calls.push(lowerCall(block, at, mistakes))
        break
      case "image": {
        const url = imageUrl(block, at, mistakes)
        images.push({ type: "image_url", image_url: { url }, ...extraOf(block) })
        break
      }
      default:
        said.push(...partOf(block, at, mistakes))
    }
  }
  return {
    role: "assistant",
    content: said.length === 0 && calls.length > 0 ? null : contentOf(said, ""),
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(images.length > 0 && { images }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

const lowerCall = (block: JsonObject, path: Path, mistakes: Mistakes) => ({
  id: textAt(block, "id", path, mistakes),
  type: "function",
  function: {
    name: textAt(block, "name", path, mistakes),
    arguments: JSON.stringify(block.input ?? {}),
  },
  ...extraOf(block),
})

/** What another vendor handed out beside a block, and this gateway with it: it comes back for that vendor. */
const extraOf = ({ extra_content }: JsonObject): { readonly extra_content?: unknown } =>
  extra_content === undefined ? {} : { extra_content }
