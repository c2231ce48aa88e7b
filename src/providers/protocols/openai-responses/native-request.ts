import { identity } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import { isCarriedReasoning } from "../../../domain/carried-reasoning.ts"
import { openSummary } from "../../../domain/compaction.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import { isObject, type JsonObject } from "../../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChanges } from "../../../platform/json-source.ts"
import type { BodyWriter } from "../Protocol.ts"
import { ownCallId } from "./input.ts"
import { ENCRYPTED, reasons } from "./model-abilities.ts"

/** What sets a vendor's Responses apart from OpenAI's own. */
export interface VendorResponses {
  /** Which of its models hand out their reasoning encrypted: all, those of OpenAI's among them, or none that is known. */
  readonly encrypts?: "all" | "OpenAI's"
  /** Fields that it refuses, and that an answer can do without. */
  readonly without?: ReadonlyArray<string>
}

/** OpenAI itself. */
export const OPENAI: VendorResponses = { encrypts: "OpenAI's" }

/**
 * Sends a client's own request on, for the routed model and with nothing stored. So reasoning has to travel with the client,
 * encrypted where the model shows it to nobody.
 */
export const nativeWriter = (
  model: string,
  vendor: VendorResponses,
  { body = {} }: ChatTask,
  source: JsonSource,
): BodyWriter => {
  const writerOf = (isPlain: boolean): BodyWriter => ({
    write: (mode) => edit(model, source, body, mode, vendor, isPlain ? withoutReasoning : identity),
    dropped: () => [...unsaid(model, body, vendor), ...(isPlain ? reasoningIn(body) : [])],
    reworded: () => (isPlain || reasoningIn(body).length === 0 ? undefined : writerOf(true)),
  })
  return writerOf(false)
}

/** The same for a conversation that is to be compacted, of which nothing is stored anyway. */
export const compactionWriter = (
  model: string,
  { body: { input } = {} }: ChatTask,
  source: JsonSource,
): BodyWriter => ({
  write: () =>
    changeMembers(source, [
      ["model", { value: JSON.stringify(model) }],
      ...ownInput(input, OPENAI, model, identity),
    ]),
  dropped: () => unsaid(model, { input }, OPENAI),
})

const edit = (
  model: string,
  source: JsonSource,
  { include, input }: JsonObject,
  mode: CallMode,
  vendor: VendorResponses,
  reworded: (items: unknown) => unknown,
): Uint8Array => {
  const name = nameOf(model)
  const changes: Array<MemberChanges[number]> = [
    ["model", { value: JSON.stringify(model) }],
    ["store", { value: "false" }],
    ["stream", mode === "stream" ? { value: "true" } : "remove"],
  ]
  const wanted = Array.isArray(include) ? include : []
  if ((vendor.encrypts === "all" || reasons(name)) && !wanted.includes(ENCRYPTED)) {
    changes.push(["include", { value: JSON.stringify([...wanted, ENCRYPTED]) }])
  }
  for (const field of vendor.without ?? []) changes.push([field, "remove"])
  changes.push(...ownInput(input, vendor, name, reworded))
  return changeMembers(source, changes)
}

const ownInput = (
  input: unknown,
  vendor: VendorResponses,
  name: string,
  reworded: (items: unknown) => unknown,
): MemberChanges => {
  const own = reworded(ownItems(vendor, name, input))
  return own === input ? [] : [["input", { value: JSON.stringify(own) }]]
}

const isReasoning = (item: unknown): boolean => isObject(item) && item.type === "reasoning"

/** Names all reasoning. */
const reasoningIn = ({ input }: JsonObject): ReadonlyArray<string> =>
  (Array.isArray(input) ? input : []).flatMap((item, index) => (isReasoning(item) ? [`input[${index}]`] : []))

/** Leaves out all reasoning, and the ids of other items, under which a vendor would miss it. */
const withoutReasoning = (input: unknown): unknown =>
  Array.isArray(input)
    ? input
        .filter((item) => !isReasoning(item))
        .map((item: unknown) => {
          if (!isObject(item)) return item
          const { id: _, ...rest } = item
          return rest
        })
    : input

/** Returns a model's name without whose it is and where: `gpt-5.4` of `openai/gpt-5.4` and of `us.openai.gpt-5.4`. */
const nameOf = (model: string): string => model.replace(/^(.*\/|([a-z]+\.)*openai\.)/, "")

const isOpenAiModel = (name: string): boolean => /^(ft:)?(gpt-\d|o\d|codex-|chatgpt-)/.test(name)

/**
 * Returns items without what another vendor said: its reasoning, what it wants back with a call, and ids of calls that OpenAI
 * does not take; and with the gateway's own summaries as texts.
 */
const ownItems = (vendor: VendorResponses, name: string, input: unknown): unknown => {
  if (!Array.isArray(input)) return input
  const isOthers = othersReasoning(vendor, name)
  const idOf = mayBeOpenAis(vendor, name) ? ownCallId : identity
  const isForeign = (item: unknown): item is JsonObject =>
    isObject(item) &&
    (isOthers(item) ||
      item.extra_content !== undefined ||
      idOf(item.call_id) !== item.call_id ||
      openSummary(item) !== undefined)
  if (!input.some(isForeign)) return input
  return input.flatMap((item: unknown) => {
    if (!isForeign(item)) return [item]
    if (isOthers(item)) return []
    const summary = openSummary(item)
    if (summary !== undefined) return [{ type: "message", role: "user", content: summary }]
    const { extra_content: _, ...own } = item
    return [own.call_id === undefined ? own : { ...own, call_id: idOf(own.call_id) }]
  })
}

/** Names what is left out, or said otherwise. */
const unsaid = (model: string, body: JsonObject, vendor: VendorResponses): ReadonlyArray<string> => {
  const isOthers = othersReasoning(vendor, nameOf(model))
  const { input, store } = body
  return [
    ...(store === true ? ["store"] : []),
    ...(vendor.without ?? []).filter((field) => field !== "store" && body[field] != null),
    ...(Array.isArray(input) ? input : []).flatMap((item: unknown, index) => {
      if (!isObject(item)) return []
      if (isOthers(item)) return [`input[${index}]`]
      return item.extra_content === undefined ? [] : [`input[${index}].extra_content`]
    }),
  ]
}

const mayBeOpenAis = ({ encrypts }: VendorResponses, name: string): boolean =>
  encrypts === "OpenAI's" || isOpenAiModel(name)

/**
 * Recognizes what another vendor reasoned: for whose models encrypt, what is in the open, which they would look for in their
 * store; for others, what OpenAI encrypted. That is a Fernet token, whose first bytes are a version and a time.
 */
const othersReasoning = (vendor: VendorResponses, name: string) => {
  const takesOpenAis = mayBeOpenAis(vendor, name)
  const isSecretive = takesOpenAis || vendor.encrypts !== undefined
  return ({ encrypted_content: sealed, type }: JsonObject): boolean =>
    type === "reasoning" &&
    (typeof sealed === "string"
      ? (!takesOpenAis && sealed.startsWith("gAAAAA")) || isCarriedReasoning(sealed)
      : isSecretive)
}
