import { isObject, type JsonObject, parseJson } from "../../platform/json.ts"
import { scanJson } from "../../platform/json-source.ts"
import { MAX_VALUE_LEVELS } from "./depth.ts"

/** Fields of one object within the arguments or the result of a call: far more than any function takes or gives. */
const MAX_VALUE_FIELDS = 10_000
/** Fields, objects and lists within the arguments and results of a whole conversation. */
const MAX_VALUE_PIECES = 250_000

/** Bounds what is built of the JSON that stands in the texts of one conversation. */
export class ValueBudget {
  #piecesLeft = MAX_VALUE_PIECES

  /** Reads a text as an object; undefined when it is none, or more than may still be built. */
  read(text: string): JsonObject | undefined {
    if (!/^\s*\{/.test(text)) return undefined
    const { excess, pieces } = scanJson(Buffer.from(text), {
      depth: MAX_VALUE_LEVELS,
      fields: MAX_VALUE_FIELDS,
      innerFields: MAX_VALUE_FIELDS,
      pieces: this.#piecesLeft,
    })
    if (excess !== undefined) return undefined
    this.#piecesLeft -= pieces
    const json = parseJson(text)
    return isObject(json) ? json : undefined
  }

  /**
   * Reads the arguments of a call. A function without parameters is often called with an empty text; what some model wrote that
   * is no object goes on as a text, since the conversation makes sense all the same.
   */
  readArguments(value: unknown): Record<string, unknown> {
    if (value === undefined || value === null || value === "") return {}
    const text = typeof value === "string" ? value : JSON.stringify(value)
    return this.read(text) ?? { arguments: text }
  }
}
