import { isCarriedReasoning } from "../../../domain/carried-reasoning.ts"
import { isObject, type JsonObject, stringAt } from "../../../platform/json.ts"
import { digestOf } from "../call-ids.ts"
import { isThought } from "./thinking-blocks.ts"

/**
 * Returns messages without what Claude never said of its turns and would refuse: reasoning that another signed or nobody, images,
 * texts without a word, turns of nothing, what other vendors handed out with a call, and names of calls that are not of its
 * form. This gateway gave them to a client whom others answered. The same list when there is nothing of it.
 */
export const claudesOwn = (messages: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  if (!messages.some(hasBlocks)) return messages
  const said = messages.some(isEmptyTurn) ? messages.filter((message) => !isEmptyTurn(message)) : messages
  const own = withoutForeign(said, (block) => isOthersThought(block) || isBlank(block))
  return hasForeignIds(own) ? withOwnIds(own) : own
}

/**
 * The same for another vendor's model that is asked in this dialect. It has its own reasoning back, which DeepSeek and vLLM sign
 * with a UUID and others not at all; nobody else is to have what Claude sealed.
 */
export const othersOwn = (messages: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  withoutForeign(messages, isSealed)

/** Names what `claudesOwn` leaves out. */
export const foreignToClaude = (messages: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  foreignPlaces(messages, isOthersThought)

/** Names what `othersOwn` leaves out. */
export const foreignToOthers = (messages: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  foreignPlaces(messages, isSealed)

/** Returns the blocks of a turn of the model's. */
const contentOf = (message: unknown): ReadonlyArray<unknown> =>
  isObject(message) && message.role === "assistant" ? blocksOf(message) : []

const blocksOf = (message: unknown): ReadonlyArray<unknown> =>
  isObject(message) && Array.isArray(message.content) ? message.content : []

/** Tells a turn of the model's that is more than a text, as that of another is said. */
const hasBlocks = (message: unknown): boolean =>
  isObject(message) && message.role === "assistant" && Array.isArray(message.content)

const isEmptyTurn = (message: unknown): boolean =>
  isObject(message) &&
  message.role === "assistant" &&
  Array.isArray(message.content) &&
  message.content.length === 0

type Test = (block: JsonObject) => boolean

const withoutForeign = (messages: ReadonlyArray<unknown>, isOthers: Test): ReadonlyArray<unknown> => {
  const isUnsaid: Test = (block) => block.type === "image" || isOthers(block)
  const isForeign = (block: unknown): block is JsonObject =>
    isObject(block) && (isUnsaid(block) || block.extra_content !== undefined)
  const own = (message: unknown): ReadonlyArray<unknown> => {
    const blocks = contentOf(message)
    if (!isObject(message) || !blocks.some(isForeign)) return [message]
    const content = blocks.flatMap((block) => {
      if (!isForeign(block)) return [block]
      const { extra_content: _, ...rest } = block
      return isUnsaid(block) ? [] : [rest]
    })
    // A turn of nothing is refused.
    return content.length === 0 ? [] : [{ ...message, content }]
  }
  return messages.some((message) => contentOf(message).some(isForeign)) ? messages.flatMap(own) : messages
}

const foreignPlaces = (messages: ReadonlyArray<unknown>, isForeign: Test): ReadonlyArray<string> => [
  ...placesOf(messages, (block) => block.type === "image" || isForeign(block)),
  ...placesOf(messages, (block) => block.extra_content !== undefined).map((at) => `${at}.extra_content`),
]

/** Names all thoughts. */
export const thoughtsIn = (messages: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  placesOf(messages, isThought)

const placesOf = (messages: ReadonlyArray<unknown>, isOne: Test): ReadonlyArray<string> =>
  messages.flatMap((message, turn) =>
    contentOf(message).flatMap((block, index) =>
      isObject(block) && isOne(block) ? [`messages[${turn}].content[${index}]`] : [],
    ),
  )

const isOthersThought: Test = ({ signature, type }) =>
  type === "thinking" &&
  ((signature ?? "") === "" || isCarriedReasoning(signature) || isRandomMark(signature))

/** Recognizes what vLLM (sixteen bytes in hexadecimal) and DeepSeek (a UUID) sign with. */
const isRandomMark = (signature: unknown): boolean =>
  typeof signature === "string" && /^[0-9a-f]{8}(-?)([0-9a-f]{4}\1){3}[0-9a-f]{12}$/i.test(signature)

/** What others write before a call; qwen and its like do. */
const isBlank: Test = ({ text, type }) => type === "text" && typeof text === "string" && text.trim() === ""

const isSealed: Test = ({ data, signature, type }) =>
  type === "thinking"
    ? isCarriedReasoning(signature) || isClaudesSeal(signature)
    : type === "redacted_thinking" && isClaudesSeal(data)

/** Recognizes what Claude seals its reasoning with: long Base64 of a message whose first field is its second, a block of bytes. */
const isClaudesSeal = (seal: unknown): boolean =>
  typeof seal === "string" && /^E[g-v][\w+/]{60,}={0,2}$/.test(seal)

// --- names of calls

/** Claude takes a name once in a conversation, while some vendors number the calls of each turn. */
const ID = /^[a-zA-Z0-9_-]{1,64}$/

const calledIn = (block: unknown): string | undefined =>
  isObject(block) && block.type === "tool_use" ? stringAt(block, "id") : undefined

const hasForeignIds = (messages: ReadonlyArray<unknown>): boolean => {
  const taken = new Set<string>()
  return messages.some((message) =>
    contentOf(message).some((block) => {
      const id = calledIn(block)
      if (id === undefined) return false
      const isForeign = taken.has(id) || !ID.test(id)
      taken.add(id)
      return isForeign
    }),
  )
}

/** Renames calls and their results. A made-up name is the same from one request to the next, which prompt caches live on. */
const withOwnIds = (messages: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const taken = new Set<string>()
  /** What the latest call of a name is called. */
  const names = new Map<string, string>()
  /** What is made up of a name begins so, and how many were: never anew, for a client may call all by one name. */
  const made = new Map<string, { readonly start: string; count: number }>()
  const ownBlock = (block: unknown): unknown => {
    if (!isObject(block)) return block
    const id = calledIn(block)
    if (id !== undefined) {
      let own = id
      while (taken.has(own) || !ID.test(own)) {
        const of = made.get(id) ?? { start: `call_${digestOf(id).slice(0, 32)}`, count: 0 }
        made.set(id, of)
        own = of.count === 0 ? of.start : `${of.start}_${of.count}`
        of.count += 1
      }
      taken.add(own)
      names.set(id, own)
      return { ...block, id: own }
    }
    const answered = block.type === "tool_result" ? stringAt(block, "tool_use_id") : undefined
    return answered === undefined ? block : { ...block, tool_use_id: names.get(answered) ?? answered }
  }
  return messages.map((message) =>
    isObject(message) && Array.isArray(message.content)
      ? { ...message, content: blocksOf(message).map(ownBlock) }
      : message,
  )
}
