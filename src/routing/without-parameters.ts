import type { ChatRequest } from "../domain/Chat.ts"
import type { Parameter } from "../domain/parameters.ts"
import { ownNamesOf, type Task } from "../domain/Task.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { isObject, type JsonObject } from "../platform/json.ts"
import { type JsonSource, withChanges } from "../platform/json-source.ts"
import { remembered } from "../platform/remembered.ts"

/** Tasks without some of their parameters, made once for all candidates that do not take the same. */
const made = remembered((_task: Task) => new Map<string, Task>())

/** Leaves parameters out of a task, in chat's words, in the client's own and in its bytes. */
export const withoutParameters = (task: Task, parameters: ReadonlyArray<Parameter>): Task => {
  const name = parameters.map(({ path }) => path).join(" ")
  return getOrInsert(made(task), name, () => reduce(task, parameters))
}

const reduce = (task: Task, parameters: ReadonlyArray<Parameter>): Task => {
  const ways = parameters.flatMap((parameter) => parameter.ways)
  // What was read from a request holds after a field has gone too: none that may be left out has to be there.
  const request = without(task.request, ways) as ChatRequest
  if (task._tag === "Embedding") {
    const { source, ...rest } = task
    return {
      ...rest,
      request: { ...request, input: task.request.input },
      ...(source && { source: reduced(source, task.request, ways) }),
    }
  }
  const { body, source, ...rest } = task
  const own = [...ways, ...parameters.flatMap(({ path }) => ownNamesOf(task, path).map(wayTo))]
  return {
    ...rest,
    request,
    ...(body && { body: without(body, own) }),
    ...(source && { source: reduced(source, body ?? task.request, own) }),
  }
}

const wayTo = (name: string): ReadonlyArray<string> => name.split(".")

type Ways = ReadonlyArray<ReadonlyArray<string>>

/** Returns the fields without what the ways lead to, and without objects that had nothing else. */
const without = (fields: JsonObject, ways: Ways): JsonObject => {
  let left = fields
  for (const [field, changed] of changesIn(fields, ways)) {
    const { [field]: _, ...others } = left
    left = changed === undefined ? others : { ...others, [field]: changed }
  }
  return left
}

/** Returns the fields that are to be changed, with what is left of them; undefined for nothing. */
const changesIn = (fields: JsonObject, ways: Ways): ReadonlyMap<string, JsonObject | undefined> => {
  const changes = new Map<string, JsonObject | undefined>()
  for (const [field, ...inner] of ways) {
    if (field === undefined || !Object.hasOwn(fields, field)) continue
    if (inner.length === 0) {
      changes.set(field, undefined)
      continue
    }
    const value = changes.has(field) ? changes.get(field) : fields[field]
    if (!isObject(value)) continue
    const left = without(value, [inner])
    if (left !== value) changes.set(field, Object.keys(left).length === 0 ? undefined : left)
  }
  return changes
}

/** Has some fields left out of the client's bytes. */
const reduced = (source: JsonSource, fields: object, ways: Ways): JsonSource => {
  const changes = changesIn(fields as JsonObject, ways)
  return withChanges(
    source,
    Array.from(changes, ([field, left]) => [
      field,
      left === undefined ? "remove" : { value: JSON.stringify(left) },
    ]),
  )
}
