import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"

/**
 * Numbers and ids of tool calls. Clients put the pieces of a streamed call together by its `index`, and send its `id` back with
 * the result; some servers leave them out, or number every call 0.
 */

interface Call {
  readonly number: number
  readonly id: string
}

/** The calls of one streamed choice so far. */
interface ChoiceCalls {
  count: number
  /** The number after the highest so far. */
  next: number
  last: Call | undefined
  readonly numbers: Set<number>
  readonly byId: Map<string, Call>
  /** By the vendor's own number, the latest that has it. */
  readonly byIndex: Map<number, Call>
}

/** Follows the calls of one stream. */
export class ToolCalls {
  readonly #choices = new Map<unknown, ChoiceCalls>()
  #count = 0

  /** Tells how many calls there are so far. */
  get count(): number {
    return this.#count
  }

  /** Returns the event's JSON with the numbers and ids that are missing or wrong; undefined when none is. */
  mend(json: JsonObject, choices: ReadonlyArray<JsonObject>): JsonObject | undefined {
    // Most events have none.
    if (!choices.some(({ delta }) => isObject(delta) && delta.tool_calls != null)) return undefined
    let isMended = false
    const mended = choices.map((choice) => {
      const delta = objectAt(choice, "delta")
      const pieces = objectsAt(delta, "tool_calls")
      if (pieces.length === 0) return choice
      const calls = this.#callsOf(choice.index ?? 0)
      const numbered = pieces.map((each) => {
        const piece = withTextArguments(each)
        if (piece !== each) isMended = true
        const known = callOf(calls, piece)
        if (known === undefined) this.#count += 1
        const call = known ?? begin(calls, piece, ownId(json, choice, calls.count))
        const hasId = known !== undefined || stringAt(piece, "id") === call.id
        if (piece.index === call.number && hasId) return piece
        isMended = true
        return { ...piece, index: call.number, ...(!hasId && { id: call.id, type: "function" }) }
      })
      return { ...choice, delta: { ...delta, tool_calls: numbered } }
    })
    return isMended ? { ...json, choices: mended } : undefined
  }

  #callsOf(choice: unknown): ChoiceCalls {
    const known = this.#choices.get(choice)
    if (known !== undefined) return known
    const calls: ChoiceCalls = {
      count: 0,
      next: 0,
      last: undefined,
      numbers: new Set(),
      byId: new Map(),
      byIndex: new Map(),
    }
    this.#choices.set(choice, calls)
    return calls
  }
}

/** Returns the call that a piece belongs to; undefined for the first piece of a new one. */
const callOf = ({ byId, byIndex, last }: ChoiceCalls, piece: JsonObject): Call | undefined => {
  const id = stringAt(piece, "id") || undefined
  // Only a call's first piece has its name; later ones may repeat the id, or have one of their own.
  const isFirst = Boolean(stringAt(objectAt(piece, "function"), "name"))
  if (isIndex(piece.index)) {
    const known = byIndex.get(piece.index)
    return known !== undefined && isFirst && id !== undefined && id !== known.id ? undefined : known
  }
  const same = id === undefined ? undefined : byId.get(id)
  return same ?? (isFirst ? undefined : last)
}

const begin = (calls: ChoiceCalls, piece: JsonObject, ownId: string): Call => {
  const { byId, byIndex, next, numbers } = calls
  const { index } = piece
  const number = isIndex(index) && !numbers.has(index) ? index : next
  const call = { number, id: stringAt(piece, "id") || ownId }
  calls.count += 1
  calls.next = Math.max(next, number + 1)
  calls.last = call
  numbers.add(number)
  byId.set(call.id, call)
  byIndex.set(isIndex(index) ? index : number, call)
  return call
}

const isIndex = (index: unknown): index is number => Number.isInteger(index)

/** Makes an id for a call that came without one, within the 40 characters that OpenAI takes back. */
const ownId = (json: JsonObject, choice: JsonObject, nth: number): string => {
  const answer = (stringAt(json, "id") ?? "").replace(/\W/g, "").slice(-24)
  return `call_${answer}_${choice.index ?? 0}_${nth}`
}

/** Returns a whole answer whose calls all have ids, and texts as arguments; undefined when they have. */
export const withCallIds = (json: JsonObject, choices: ReadonlyArray<JsonObject>): JsonObject | undefined => {
  const isOdd = (call: JsonObject) => !stringAt(call, "id") || withTextArguments(call) !== call
  const callsOf = (choice: JsonObject) => objectsAt(objectAt(choice, "message"), "tool_calls")
  if (!choices.some((choice) => callsOf(choice).some(isOdd))) return undefined
  return {
    ...json,
    choices: choices.map((choice) => {
      const { message } = choice
      if (!isObject(message) || !callsOf(choice).some(isOdd)) return choice
      const calls = callsOf(choice).map((call, nth) =>
        isOdd(call)
          ? {
              type: "function",
              ...withTextArguments(call),
              id: stringAt(call, "id") || ownId(json, choice, nth),
            }
          : call,
      )
      return { ...choice, message: { ...message, tool_calls: calls } }
    }),
  }
}

/** Some builds of llama.cpp send an object. */
const withTextArguments = (call: JsonObject): JsonObject => {
  const called = objectAt(call, "function")
  return isObject(called?.arguments)
    ? { ...call, function: { ...called, arguments: JSON.stringify(called.arguments) } }
    : call
}
