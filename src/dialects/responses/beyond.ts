import type { BeyondChat } from "../../domain/Task.ts"
import type { JsonObject } from "../../platform/json.ts"
import type { Origins } from "../own-names.ts"

/** Gathers what of a request chat has no word for. */
export class Beyond {
  /** Where what stands in the chat comes from; noted only for who asks. */
  readonly #origins: Origins | undefined
  #refused: BeyondChat["refused"]
  readonly #dropped: Array<string> = []
  #isReduced = false

  constructor(origins?: Origins) {
    this.#origins = origins
  }

  /** Notes where `value` comes from; `within`: where what it has does, by chat's path. */
  from<Value extends object>(
    value: Value,
    at: string,
    within: () => Readonly<Record<string, ReadonlyArray<string>>> = () => ({}),
  ): Value {
    this.#origins?.set(value, { at, within: within() })
    return value
  }

  /** Notes what an answer without it would not be an answer to. */
  refuse(param: string, what: string): void {
    this.#refused ??= {
      param,
      reason: `${what} have no equivalent in chat completions, which this request needs.`,
    }
  }

  /** Notes what an answer can do without. */
  drop(param: string): void {
    this.#dropped.push(param)
  }

  /** Notes the fields of an object that are none of these and ask for something; `prefix` stands before their names. */
  dropOthers(object: JsonObject, known: ReadonlySet<string>, prefix = ""): void {
    for (const field in object) {
      if (!known.has(field) && asks(object[field])) this.drop(`${prefix}${field}`)
    }
  }

  /** Notes what an answer can do without, and may be the lesser for. */
  spare(param: string): void {
    this.#dropped.push(param)
    this.#isReduced = true
  }

  get found(): BeyondChat | undefined {
    return this.#refused === undefined && this.#dropped.length === 0
      ? undefined
      : { refused: this.#refused, dropped: this.#dropped, isReduced: this.#isReduced }
  }
}

const asks = (value: unknown): boolean =>
  value != null && value !== false && !(Array.isArray(value) && value.length === 0)
