import { Result } from "effect"
import { GatewayError } from "../../domain/GatewayError.ts"
import { isObject, type JsonObject, objectsAt } from "../../platform/json.ts"
import { changeMembers, type JsonSource, type MemberChanges } from "../../platform/json-source.ts"
import { malformed } from "./malformed.ts"

/** Items up to a response, that one's own included. */
interface Turn {
  /** JSON of the items, without a list's brackets. */
  readonly items: string
  /** Ids of the calls among them. */
  readonly calls: ReadonlySet<unknown>
}

/**
 * What was said on one WebSocket. The last response is kept, and from it the next request may go on with its new items
 * alone. One that fails then takes it along, as Open Responses has it.
 */
export class Conversation {
  #last: (Turn & { readonly id: unknown }) | undefined
  #asked: (Turn & { readonly goesOn: boolean; readonly warmsUp: boolean }) | undefined

  /** Memory that the last response takes: two bytes for a character. */
  get bytes(): number {
    return 2 * (this.#last?.items.length ?? 0)
  }

  /** True when what was asked last is only to be got ready: its response says nothing, and is gone on from. */
  get warmsUp(): boolean {
    return this.#asked?.warmsUp === true
  }

  /** Makes the body of the same request to `POST /v1/responses` of a client's event. */
  ask(event: unknown, source: JsonSource | undefined): Result.Result<Buffer, GatewayError> {
    if (!isObject(event) || source === undefined) {
      return Result.fail(noObject)
    }
    if (event.type !== "response.create") return Result.fail(malformed("type", "Expected response.create."))
    const previous = event.previous_response_id === this.#last?.id ? this.#last : undefined
    const items = [previous?.items ?? "", ownItems(source)].filter((text) => text !== "").join(",")
    const calls = new Set([...(previous?.calls ?? []), ...callsIn(event, "input")])
    this.#asked = { items, calls, goesOn: previous !== undefined, warmsUp: event.generate === false }
    let changes: MemberChanges = [
      ["type", "remove"],
      ["generate", "remove"],
      ["stream", { value: "true" }],
    ]
    if (previous !== undefined) {
      const orphan = objectsAt(event, "input").findIndex((item) => isOutput(item) && !calls.has(item.call_id))
      if (orphan !== -1) {
        return Result.fail(malformed(`input[${orphan}].call_id`, "No call of this id was made before."))
      }
      changes = [...changes, ["previous_response_id", "remove"], ["input", { value: `[${items}]` }]]
    }
    return Result.succeed(changeMembers(source, changes))
  }

  /** Ends the request with its response; undefined for none that can be gone on from. */
  answered(response: JsonObject | undefined): void {
    const asked = this.#asked
    this.#asked = undefined
    if (!Array.isArray(response?.output) || asked === undefined) {
      // One that was not even read may have gone on from it.
      if (asked?.goesOn !== false) this.#last = undefined
      return
    }
    const said = JSON.stringify(response.output).slice(1, -1)
    this.#last = {
      id: response.id,
      items: said === "" ? asked.items : `${asked.items},${said}`,
      calls: new Set([...asked.calls, ...callsIn(response, "output")]),
    }
  }

  forget(): void {
    this.#last = undefined
  }
}

const noObject = new GatewayError({
  code: "invalid_request",
  detail: "Expected one object, with every field once.",
})

const isOutput = ({ type }: JsonObject): boolean =>
  type === "function_call_output" || type === "custom_tool_call_output"

const callsIn = (parent: JsonObject, key: "input" | "output"): ReadonlyArray<unknown> =>
  objectsAt(parent, key).flatMap(({ call_id, type }) =>
    type === "function_call" || type === "custom_tool_call" ? [call_id] : [],
  )

/** Returns the text of the items in `input`; a text alone is a message of the user's. */
const ownItems = ({ bytes, members }: JsonSource): string => {
  const input = members.find(({ name }) => name === "input")
  if (input === undefined) return ""
  const value = bytes.toString("utf8", input.valueStart, input.valueEnd)
  if (value.startsWith('"')) return `{"type":"message","role":"user","content":${value}}`
  return value.startsWith("[") ? value.slice(1, -1).trim() : ""
}
