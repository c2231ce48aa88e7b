import { isObject, type JsonObject, objectAt, objectsAt, parseJson } from "../../../platform/json.ts"
import { countedIn, countsNothing } from "./usage.ts"

/**
 * Answers in the other form than was asked for: some servers ignore `stream`, some stream whatever they are asked. Both forms
 * say the same, so that either is made of the other.
 */

/** Makes a whole answer of a stream's events; undefined when they do not end. An error among them is returned as it is. */
export const joinEvents = (events: ReadonlyArray<{ readonly data: string }>): JsonObject | undefined => {
  let head: JsonObject = {}
  let usage: JsonObject | undefined
  const choices = new Map<number, Draft>()
  for (const { data } of events) {
    const json = parseJson(data)
    if (!isObject(json)) continue
    if (!Array.isArray(json.choices)) {
      if (json.error != null || json.object === "error") return json
      continue
    }
    head = { ...json, ...head, service_tier: json.service_tier ?? head.service_tier }
    const counted = countedIn(json, objectsAt(json, "choices"))
    if (counted !== undefined && !countsNothing(counted)) usage = counted
    for (const choice of objectsAt(json, "choices")) addTo(choices, choice)
  }
  const drafts = [...choices].toSorted(([a], [b]) => a - b)
  if (drafts.length === 0 || drafts.some(([, { finish_reason }]) => !finish_reason)) return undefined
  return {
    ...head,
    object: "chat.completion",
    choices: drafts.map(([index, { calls, message, ...rest }]) => ({
      index,
      message: {
        role: "assistant",
        content: null,
        ...message,
        ...(calls.size > 0 && { tool_calls: [...calls.values()] }),
      },
      ...rest,
    })),
    ...(usage !== undefined && { usage }),
  }
}

interface Draft {
  readonly message: Record<string, unknown>
  readonly calls: Map<unknown, Record<string, unknown>>
  finish_reason: unknown
}

const addTo = (choices: Map<number, Draft>, choice: JsonObject): void => {
  const index = typeof choice.index === "number" ? choice.index : 0
  const draft = choices.get(index) ?? { message: {}, calls: new Map(), finish_reason: null }
  choices.set(index, draft)
  draft.finish_reason = choice.finish_reason || draft.finish_reason
  const { role: _, tool_calls: __, ...delta } = objectAt(choice, "delta") ?? {}
  addTexts(draft.message, delta)
  for (const call of objectsAt(objectAt(choice, "delta"), "tool_calls")) {
    const known = draft.calls.get(call.index ?? 0) ?? {}
    draft.calls.set(call.index ?? 0, known)
    const { function: called, index: _, ...own } = call
    for (const [name, value] of Object.entries(own)) if (value != null && value !== "") known[name] = value
    if (!isObject(called)) continue
    const before = isObject(known.function) ? known.function : { name: "", arguments: "" }
    known.function = {
      name: called.name || before.name,
      arguments: `${before.arguments}${typeof called.arguments === "string" ? called.arguments : ""}`,
    }
  }
}

/** Adds texts to texts; of anything else the last one counts. */
const addTexts = (message: Record<string, unknown>, delta: JsonObject): void => {
  for (const [name, value] of Object.entries(delta)) {
    if (value == null) continue
    const before = message[name]
    message[name] = typeof before === "string" && typeof value === "string" ? before + value : value
  }
}

/** Makes a stream's events of a whole answer; undefined when it is none. */
export const splitAnswer = (json: unknown): ReadonlyArray<string> | undefined => {
  if (!isObject(json)) return undefined
  // An error is read where it stands.
  if (!Array.isArray(json.choices)) return [JSON.stringify(json)]
  const { usage, ...answer } = json
  const head = { ...answer, object: "chat.completion.chunk" }
  const chunk = {
    ...head,
    choices: objectsAt(json, "choices").map(({ message, ...choice }) => ({
      ...choice,
      delta: isObject(message) ? deltaOf(message) : {},
    })),
  }
  const counted = usage == null ? [] : [{ ...head, choices: [], usage }]
  return [...[chunk, ...counted].map((each) => JSON.stringify(each)), "[DONE]"]
}

const deltaOf = (message: JsonObject): JsonObject =>
  Array.isArray(message.tool_calls)
    ? {
        ...message,
        tool_calls: objectsAt(message, "tool_calls").map((call, index) => ({ index, ...call })),
      }
    : message
