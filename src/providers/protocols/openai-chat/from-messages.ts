import type { ChatMessage, ChatRequest } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"
import { CLAUDES_ALONE, lostWithin, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import type { Audience } from "./audience.ts"

/**
 * What is left of Anthropic's words in a chat that came as Messages, for servers that speak OpenAI's: hints of caching go, a
 * wish for thinking becomes an effort, images in the result of a tool come after it.
 */
export const inOpenAiWords = (request: ChatRequest, audience: Audience): ChatRequest => ({
  ...settingsFor(request, audience),
  messages: withMediaAfterResults(request.messages.map(withoutHints)),
  ...(Array.isArray(request.tools) && { tools: request.tools.map(withoutHint) }),
})

const settingsFor = (request: ChatRequest, audience: Audience): JsonObject => ({
  ...Object.fromEntries(
    Object.entries(request).filter(
      ([field]) => KNOWN.has(field) || (!audience.isOpenAi && field === "top_k"),
    ),
  ),
  ...effortOf(request, audience),
})

const KNOWN: ReadonlySet<string> = new Set([
  ...["max_tokens", "temperature", "top_p", "stop", "tool_choice", "parallel_tool_calls"],
  ...["response_format", "user", "service_tier"],
])

/** Names what is left out and asks for something. */
export const lostOnOpenAi = (request: ChatRequest, audience: Audience): ReadonlyArray<string> => {
  const { messages: _, tools: __, ...asked } = request
  const settings = settingsFor(request, audience)
  const lost = Object.keys(asked)
    .filter((field) => asked[field] != null && settings[field] === undefined)
    .filter(
      (field) =>
        field !== "thinking" ||
        (settings.reasoning_effort === undefined && isAsked(asked.thinking, audience)),
    )
  return [
    ...lost,
    ...(lost.includes("thinking") ? [] : lostWithin(request, ["thinking.block_binding", "thinking.display"])),
    ...lostWithin(request, ["messages[].content[].cache_control", "tools[].cache_control"]),
  ]
}

/** Not to think is what a model of OpenAI's does anyway that does not reason. */
const isAsked = (thinking: unknown, { isOpenAi, reasons }: Audience): boolean =>
  isObject(thinking) && (thinking.type !== "disabled" || reasons || !isOpenAi)

// --- thinking

/** Returns the effort that OpenAI is asked for, in whatever words the client asked. */
export const effortFor = ({ dialect, request }: ChatTask, audience: Audience): unknown =>
  dialect === "messages" ? effortOf(request, audience).reasoning_effort : request.reasoning_effort

/** OpenAI refuses an effort for models that do not reason; of other servers only the client knows what they take. */
const effortOf = (request: ChatRequest, { isOpenAi, reasons }: Audience): { reasoning_effort?: unknown } => {
  const asked = request.reasoning_effort
  if (!isOpenAi) return asked === undefined ? {} : { reasoning_effort: asked }
  if (!reasons) return {}
  // OpenAI's highest has another name.
  if (asked !== undefined) return { reasoning_effort: asked === "max" ? "xhigh" : asked }
  const budget = isObject(request.thinking) ? request.thinking.budget_tokens : undefined
  return typeof budget === "number" ? { reasoning_effort: effortOfBudget(budget) } : {}
}

/** The same bounds as in Gemini's words. */
const effortOfBudget = (tokens: number): string =>
  tokens <= 1024 ? "low" : tokens <= 8192 ? "medium" : "high"

// --- hints

const withoutHints = (message: ChatMessage): ChatMessage => {
  const { content, role } = message
  if (!Array.isArray(content) || !content.some(isHinted)) return message
  const bare = content.map(withoutHint)
  const isText = bare.every((part) => isObject(part) && part.type === "text")
  // Some servers take a list from the user alone.
  return isText && (role !== "user" || bare.length === 1)
    ? { ...message, content: bare.map((part) => (isObject(part) ? part.text : "")).join("\n") }
    : ({ ...message, content: bare } as ChatMessage)
}

const isHinted = (part: unknown): boolean => isObject(part) && part.cache_control !== undefined

const withoutHint = (part: unknown): unknown => {
  if (!isObject(part)) return part
  const { cache_control: _, ...own } = part
  return own
}

// --- results of tools

/** Returns messages with what is no text after the results of tools: OpenAI takes nothing else in one. */
export const withMediaAfterResults = (messages: ReadonlyArray<ChatMessage>): ReadonlyArray<ChatMessage> => {
  if (!messages.some(hasMedia)) return messages
  const changed: Array<ChatMessage> = []
  let media: Array<Parts[number]> = []
  const release = () => {
    if (media.length > 0) changed.push({ role: "user", content: media })
    media = []
  }
  for (const message of messages) {
    if (message.role !== "tool") release()
    if (!hasMedia(message) || !Array.isArray(message.content)) {
      changed.push(message)
      continue
    }
    const { texts = [], others = [] } = Object.groupBy(message.content as Parts, ({ type }) =>
      type === "text" ? "texts" : "others",
    )
    changed.push({ ...message, content: [...texts.map(({ text }) => text), SEE_BELOW].join("\n") })
    media.push({ type: "text", text: `Of the result of ${message.tool_call_id}:` }, ...others)
  }
  release()
  return changed
}

type Parts = Exclude<ChatMessage["content"], string | null | undefined>

const SEE_BELOW = "(What is no text follows below.)"

const hasMedia = ({ role, content }: ChatMessage): boolean =>
  role === "tool" && Array.isArray(content) && content.some(({ type }) => type !== "text")

// --- what has no words here

const PARTS: ReadonlySet<unknown> = new Set(["text", "image_url", "file"])

/** Finds a field, a tool or a block that its vendor alone knows. */
export const unknownToOpenAi = (request: ChatRequest): LoweringFault | undefined => {
  const { messages, tools } = request
  const field = CLAUDES_ALONE.find((each) => present(request[each]) !== undefined)
  if (field !== undefined) return unsupported(field, `${field} is`)
  if (Array.isArray(tools)) {
    const index = tools.findIndex((tool: unknown) => !isObject(tool) || tool.type !== "function")
    if (index >= 0) return unsupported(`tools[${index}]`, "Tools other than the client's own are")
  }
  for (const [index, { content }] of messages.entries()) {
    if (!Array.isArray(content)) continue
    const nth = content.findIndex(({ type }) => !PARTS.has(type))
    if (nth >= 0) return unsupported(`messages[${index}].content[${nth}]`, "This type of content is")
  }
  return undefined
}
