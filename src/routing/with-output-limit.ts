import type { ChatTask, Task } from "../domain/Task.ts"
import { addMember, type JsonSource } from "../platform/json-source.ts"
import { ChangedSource, withChanges } from "./ChangedSource.ts"

/** Limits the answer of a task whose client does not, in chat's words, in the client's own and in its bytes. */
export const withOutputLimit = (task: Task, tokens: number): Task =>
  task._tag === "Embedding" ? task : limit(task, tokens)

const limit = (task: ChatTask, tokens: number): ChatTask => {
  const { body, request, source, ...rest } = task
  const name = task.dialect === "responses" ? "max_output_tokens" : "max_tokens"
  return {
    ...rest,
    request: { ...request, max_tokens: tokens },
    ...(body && { body: { ...body, [name]: tokens } }),
    ...(source && {
      source: new ChangedSource(() => withMember(source, name, String(tokens))),
    }),
  }
}

const withMember = (source: JsonSource, name: string, value: string): JsonSource =>
  source.members.some((member) => member.name === name)
    ? withChanges(source, new Map([[name, { value }]]))
    : addMember(source, name, value)
