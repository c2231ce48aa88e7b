import { Result } from "effect"
import type { ChatMessage } from "../../domain/Chat.ts"
import { openSummary } from "../../domain/compaction.ts"
import type { GatewayError } from "../../domain/GatewayError.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { AssistantTurn } from "./AssistantTurn.ts"
import type { Beyond } from "./beyond.ts"
import { readContent, withJoinedTexts } from "./content.ts"
import { malformed } from "./malformed.ts"
import { chatName } from "./namespaces.ts"

/**
 * Turns the items of `input` into messages. What the model said comes as one item each: its reasoning, its words and its
 * calls. Those that follow each other are one turn of the assistant.
 */
export const readInput = (
  input: unknown,
  beyond: Beyond,
): Result.Result<ReadonlyArray<ChatMessage>, GatewayError> => {
  if (typeof input === "string") {
    return Result.succeed([beyond.from({ role: "user", content: input }, "input")])
  }
  if (!Array.isArray(input)) return Result.fail(malformed("input", "Expected a text or a list of items."))
  const reader = new ItemReader(beyond)
  for (const [index, item] of input.entries()) {
    const at = `input[${index}]`
    const fault = isObject(item) ? reader.read(item, at) : malformed(at, "Expected an object.")
    if (fault !== undefined) return Result.fail(fault)
  }
  return Result.succeed(reader.end())
}

const nameIn = ({ name, namespace }: JsonObject): unknown =>
  typeof name === "string" ? chatName(namespace, name) : name

/** What chat has of items, and what says nothing that is not said: that they are finished, and what the call of an output was. */
const knownOfMessages: ReadonlySet<string> = new Set(["type", "role", "content", "status"])
const ofCalls = ["type", "call_id", "name", "namespace", "status", "caller"]
const knownOfCalls: ReadonlySet<string> = new Set([...ofCalls, "arguments", "input", "extra_content"])
const knownOfOutputs: ReadonlySet<string> = new Set([...ofCalls, "output"])

/** How an image was made says nothing that it does not show. */
const knownOfImages: ReadonlySet<string> = new Set([
  ...["type", "status", "result", "output_format", "extra_content"],
  ...["action", "background", "quality", "size", "svg_usage"],
])

/** The first characters of images as base64. */
const BEGINNINGS: ReadonlyArray<readonly [beginning: string, format: string]> = [
  ["/9j/", "jpeg"],
  ["UklGR", "webp"],
  ["R0lGOD", "gif"],
]

const mediaTypeOf = ({ output_format }: JsonObject, data: string): string => {
  const format =
    typeof output_format === "string" && /^[a-z]{1,10}$/.test(output_format)
      ? output_format
      : (BEGINNINGS.find(([beginning]) => data.startsWith(beginning))?.[1] ?? "png")
  return format === "svg" ? "image/svg+xml" : `image/${format}`
}

const dropCaller = ({ caller }: JsonObject, at: string, beyond: Beyond): void => {
  if (isObject(caller) && caller.type !== "direct") beyond.drop(`${at}.caller`)
}

const roles = ["system", "developer", "user", "assistant"] as const

class ItemReader {
  readonly #beyond: Beyond
  readonly #messages: Array<ChatMessage> = []
  #turn = new AssistantTurn()
  /** Where the turn began to say something, and where its reasoning stands. */
  #turnAt: string | undefined
  #thoughtsAt: Array<string> = []

  constructor(beyond: Beyond) {
    this.#beyond = beyond
  }

  end(): ReadonlyArray<ChatMessage> {
    this.#closeTurn()
    // Of a turn that says nothing.
    for (const at of this.#thoughtsAt) this.#beyond.drop(at)
    return this.#messages
  }

  /** Returns what is wrong with the item; undefined for nothing. */
  read(item: JsonObject, at: string): GatewayError | undefined {
    switch (item.type ?? "message") {
      case "message":
        return this.#message(item, at)
      case "reasoning":
        for (const detail of this.#turn.addReasoning(item)) this.#beyond.from(detail, at)
        this.#thoughtsAt.push(at)
        return undefined
      case "function_call":
        return this.#call(item, at, {
          type: "function",
          function: { name: nameIn(item), arguments: stringAt(item, "arguments") ?? "" },
        })
      case "custom_tool_call":
        return this.#call(item, at, {
          type: "custom",
          custom: { name: nameIn(item), input: stringAt(item, "input") ?? "" },
        })
      case "function_call_output":
      case "custom_tool_call_output":
        return this.#output(item, at)
      case "image_generation_call":
        this.#image(item, at)
        return undefined
      case "compaction":
        this.#summary(item, at)
        return undefined
      case "item_reference":
        return malformed(
          `${at}.type`,
          "No item is stored here. Send the item itself; with `store: false`, clients do so on their own.",
        )
      default:
        this.#beyond.refuse(`${at}.type`, "Items of this type")
        return undefined
    }
  }

  #message(item: JsonObject, at: string): GatewayError | undefined {
    const role = roles.find((each) => each === item.role)
    if (role === undefined) {
      return malformed(`${at}.role`, "Expected user, assistant, system or developer.")
    }
    const content = readContent(item.content, `${at}.content`, this.#beyond)
    if (Result.isFailure(content)) return content.failure
    this.#beyond.dropOthers(item, knownOfMessages, `${at}.`)
    if (role !== "assistant") {
      this.#closeTurn()
      this.#messages.push(this.#beyond.from({ role, content: content.success }, at))
      return undefined
    }
    if (this.#turn.isSaid) this.#closeTurn()
    this.#turnAt ??= at
    this.#turn.say(withJoinedTexts(content.success))
    return undefined
  }

  #call(item: JsonObject, at: string, call: JsonObject): GatewayError | undefined {
    const id = stringAt(item, "call_id")
    if (id === undefined) return malformed(`${at}.call_id`, "Expected a text.")
    if (typeof item.name !== "string") return malformed(`${at}.name`, "Expected a text.")
    // What a vendor wants back with a call, and `answer` handed out there.
    const extra = objectAt(item, "extra_content")
    this.#turnAt ??= at
    this.#beyond.dropOthers(item, knownOfCalls, `${at}.`)
    dropCaller(item, at, this.#beyond)
    const made = { id, ...call, ...(extra !== undefined && { extra_content: extra }) }
    this.#turn.call(this.#beyond.from(made, at))
    return undefined
  }

  #output(item: JsonObject, at: string): GatewayError | undefined {
    const id = stringAt(item, "call_id")
    if (id === undefined) return malformed(`${at}.call_id`, "Expected a text.")
    const output = readContent(item.output, `${at}.output`, this.#beyond)
    if (Result.isFailure(output)) return output.failure
    this.#beyond.dropOthers(item, knownOfOutputs, `${at}.`)
    dropCaller(item, at, this.#beyond)
    this.#closeTurn()
    this.#messages.push(this.#beyond.from({ role: "tool", tool_call_id: id, content: output.success }, at))
    return undefined
  }

  /** One that came to nothing says nothing. */
  #image(item: JsonObject, at: string): void {
    const data = stringAt(item, "result")
    if (!data) {
      this.#beyond.drop(at)
      return
    }
    const extra = objectAt(item, "extra_content")
    this.#turnAt ??= at
    this.#beyond.dropOthers(item, knownOfImages, `${at}.`)
    const image = {
      type: "image_url",
      image_url: { url: `data:${mediaTypeOf(item, data)};base64,${data}` },
      ...(extra !== undefined && { extra_content: extra }),
    }
    this.#turn.show(this.#beyond.from(image, at))
  }

  /** Another maker's is for that one alone. */
  #summary(item: JsonObject, at: string): void {
    const content = openSummary(item)
    if (content === undefined) {
      this.#beyond.refuse(`${at}.type`, "Items of this type")
      return
    }
    this.#closeTurn()
    this.#messages.push({ role: "user", content })
  }

  #closeTurn(): void {
    const message = this.#turn.message()
    if (message === undefined) return
    const thoughts = this.#thoughtsAt
    this.#messages.push(
      this.#beyond.from(message, this.#turnAt ?? "input", () => ({ reasoning_content: thoughts })),
    )
    this.#turn = new AssistantTurn()
    this.#turnAt = undefined
    this.#thoughtsAt = []
  }
}
