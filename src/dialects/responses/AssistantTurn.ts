import type { ChatMessage } from "../../domain/Chat.ts"
import { carriedReasoning, isCarriedReasoning } from "../../domain/carried-reasoning.ts"
import { detailsOfItem } from "../../domain/reasoning-details.ts"
import { type JsonObject, objectsAt, stringAt } from "../../platform/json.ts"
import type { ChatContent } from "./content.ts"

/** One turn of the assistant, as its items come. */
export class AssistantTurn {
  readonly #details: Array<JsonObject> = []
  readonly #calls: Array<JsonObject> = []
  readonly #said: Array<ChatContent> = []
  readonly #images: Array<JsonObject> = []
  #reasoning = ""

  /** True when another message of the assistant's is another turn. Words after calls belong to them: their results follow. */
  get isSaid(): boolean {
    return this.#said.length > 0 && this.#calls.length === 0
  }

  say(content: ChatContent): void {
    this.#said.push(content)
  }

  show(image: JsonObject): void {
    this.#images.push(image)
  }

  call(call: JsonObject): void {
    this.#calls.push(call)
  }

  /**
   * Encrypted reasoning is for its maker; any other goes on as a text, which some models want back beside their calls. Returns
   * what it made for a maker.
   */
  addReasoning(item: JsonObject): ReadonlyArray<JsonObject> {
    const data = stringAt(item, "encrypted_content")
    const details = isCarriedReasoning(data) ? carriedReasoning(data) : detailsOfItem(item)
    if (!data || isCarriedReasoning(data)) this.#reasoning += textOf(item)
    this.#details.push(...details)
    return details
  }

  /** Undefined when nothing was said. Reasoning alone is nothing that chat knows. */
  message(): ChatMessage | undefined {
    const isSilent = this.#said.length === 0 && this.#calls.length === 0
    if (isSilent && this.#images.length === 0) return undefined
    return {
      role: "assistant",
      content: isSilent ? "" : joined(this.#said),
      ...(this.#images.length > 0 && { images: this.#images }),
      ...(this.#calls.length > 0 && { tool_calls: this.#calls }),
      ...(this.#reasoning !== "" && { reasoning_content: this.#reasoning }),
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
    }
  }
}

const joined = (said: ReadonlyArray<ChatContent>): ChatContent | null => {
  if (said.length === 0) return null
  return said.every((content) => typeof content === "string") ? said.join("\n\n") : said.flatMap(partsOf)
}

const partsOf = (content: ChatContent) =>
  typeof content === "string" ? [{ type: "text", text: content }] : content

/** Returns the texts of a reasoning item: of its summary, or else of the reasoning itself. */
const textOf = (item: JsonObject): string => {
  const summary = objectsAt(item, "summary")
  const parts = summary.length > 0 ? summary : objectsAt(item, "content")
  return parts.map((part) => stringAt(part, "text") ?? "").join("\n\n")
}
