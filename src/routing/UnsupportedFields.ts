import { modeOf, type Task } from "../domain/Task.ts"

/** Models learn: what one did not take is tried again after so long. */
const REMEMBERED_MS = 10 * 60_000

/** Fields of one candidate; vendors name few, and clients may invent any number. */
const MAX_FIELDS = 50

/** What every request has says nothing of the next one. */
const EVERYWHERE: ReadonlySet<string> = new Set(["messages", "input", "model"])

/**
 * Fields of requests that candidates said they do not take. Who has such a field asks others first, and this one all the
 * same when there is no other: it may have meant only some values, or only beside other fields.
 */
export class UnsupportedFields {
  readonly #untilMs = new Map<string, Map<string, number>>()

  /** `param` is a vendor's path, such as `tools[0].strict`, of which the first step is remembered. */
  remember(candidate: string, param: string, nowMs: number): void {
    const field = /^[A-Za-z_]\w{0,63}/.exec(param)?.[0]
    if (field === undefined || EVERYWHERE.has(field)) return
    const fields = this.#untilMs.get(candidate) ?? new Map<string, number>()
    this.#untilMs.set(candidate, fields)
    fields.delete(field)
    const [oldest] = fields.keys()
    if (fields.size >= MAX_FIELDS && oldest !== undefined) fields.delete(oldest)
    fields.set(field, nowMs + REMEMBERED_MS)
  }

  /** Tells that a task has a field which the candidate lately did not take. */
  concern(candidate: string, task: Task, nowMs: number): boolean {
    const fields = this.#untilMs.get(candidate)
    if (fields === undefined) return false
    for (const [field, untilMs] of fields) {
      if (untilMs <= nowMs) fields.delete(field)
      else if (has(task, field)) return true
    }
    return false
  }

  forget(candidate: string): void {
    this.#untilMs.delete(candidate)
  }
}

const has = (task: Task, field: string): boolean => {
  if (field === "stream" || field === "stream_options") return modeOf(task) === "stream"
  const { request } = task
  return Object.hasOwn(request, field) && (request as Record<string, unknown>)[field] !== null
}
