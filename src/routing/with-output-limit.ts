import type { ChatTask, Task } from "../domain/Task.ts"
import { withChanges } from "../platform/json-source.ts"

/** Limits the answer of a task whose client does not, in chat's words, in the client's own and in its bytes. */
export const withOutputLimit = (task: Task, tokens: number): Task =>
  task._tag === "Embedding" ? task : limit(task, tokens)

const limit = (task: ChatTask, tokens: number): ChatTask => {
  const { body, request, source } = task
  const name = task.dialect === "responses" ? "max_output_tokens" : "max_tokens"
  return {
    ...task,
    request: { ...request, max_tokens: tokens },
    body: body && { ...body, [name]: tokens },
    source: source && withChanges(source, new Map([[name, { value: String(tokens) }]])),
  }
}
