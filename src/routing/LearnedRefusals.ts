import type { Dialect } from "../domain/Dialect.ts"
import { asksFor, type Parameter, parameterOf, textIn } from "../domain/parameters.ts"
import type { Task } from "../domain/Task.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"

/** Models learn: what one did not take is tried again after so long, and after twice as long each time it is refused then. */
const REMEMBERED_MS = 10 * 60_000
const LONGEST_MS = 60 * 60_000

/** Parameters of one candidate; vendors name few, and clients may invent any number. */
const MAX_PARAMETERS = 50

/** What every request has says nothing of the next one. */
const EVERYWHERE: ReadonlySet<string> = new Set(["messages", "input", "model", "contents", "system"])

/** A parameter that a candidate refused, in milliseconds of the clock that never steps. */
export interface LearnedRefusal {
  readonly parameter: Parameter
  /** What the client spoke who said it: the words of others may be translated into something that is taken. */
  readonly dialect: Dialect
  readonly sinceMs: number
  readonly untilMs: number
}

/** The same for people, with the times from now. */
export interface RefusedParameter {
  readonly parameter: string
  readonly dialect: Dialect
  readonly agoMs: number
  readonly leftMs: number
}

/**
 * Parameters that candidates said they do not take. A refusal may have meant only some values, or only beside other
 * parameters: so it is for a time, and a candidate that nobody can stand in for is asked all the same.
 */
export class LearnedRefusals {
  readonly #byCandidate = new Map<string, Map<string, LearnedRefusal>>()

  /** `task` is what was refused, `param` the vendor's path of what is to blame in it, `code` its reason. */
  remember(candidate: string, task: Task, { code, param }: Refused, nowMs: number): void {
    const parameter = meant(task, param, code)
    if (parameter === undefined || EVERYWHERE.has(parameter.path.split(".")[0] ?? "")) return
    const known = getOrInsert(this.#byCandidate, candidate, () => new Map<string, LearnedRefusal>())
    const dialect = dialectOf(task)
    const name = `${dialect} ${parameter.name}`
    const before = known.get(name)
    known.delete(name)
    const [oldest] = known.keys()
    if (known.size >= MAX_PARAMETERS && oldest !== undefined) known.delete(oldest)
    known.set(name, { parameter, dialect, sinceMs: nowMs, untilMs: nowMs + rememberedMs(before, nowMs) })
  }

  /** Returns what a task asks for and the candidate lately refused. */
  concerning(candidate: string, task: Task, nowMs: number): ReadonlyArray<LearnedRefusal> {
    const known = this.#byCandidate.get(candidate)
    if (known === undefined) return NONE
    let found: Array<LearnedRefusal> | undefined
    const dialect = dialectOf(task)
    for (const refusal of known.values()) {
      if (refusal.dialect !== dialect || refusal.untilMs <= nowMs) continue
      if (!asksFor(task, refusal.parameter)) continue
      found ??= []
      found.push(refusal)
    }
    return found ?? NONE
  }

  /** Returns all that is remembered of a candidate. */
  of(candidate: string, nowMs: number): ReadonlyArray<RefusedParameter> {
    return [...(this.#byCandidate.get(candidate)?.values() ?? [])].flatMap(
      ({ dialect, parameter, sinceMs, untilMs }) =>
        untilMs > nowMs
          ? [{ parameter: parameter.name, dialect, agoMs: nowMs - sinceMs, leftMs: untilMs - nowMs }]
          : [],
    )
  }

  forget(candidate: string): void {
    this.#byCandidate.delete(candidate)
  }
}

const dialectOf = (task: Task): Dialect => (task._tag === "Chat" ? (task.dialect ?? "chat") : "chat")

type Refused = { readonly param: string; readonly code?: string | undefined }

/** Reads which parameter a vendor means: one value of it, or all, and then also one that is no more than usual. */
const meant = (task: Task, param: string, code: string | undefined): Parameter | undefined => {
  const parameter = parameterOf(param)
  if (parameter === undefined) return undefined
  const text = code === "unsupported_value" ? textIn(task, parameter) : undefined
  if (text !== undefined) return parameterOf(parameter.path, text) ?? parameter
  return asksFor(task, parameter) ? parameter : { ...parameter, whateverItSays: true }
}

const NONE: ReadonlyArray<LearnedRefusal> = []

/** While it is remembered, only calls that were under way already are refused once more. */
const rememberedMs = (before: LearnedRefusal | undefined, nowMs: number): number => {
  if (before === undefined || nowMs - before.untilMs > LONGEST_MS) return REMEMBERED_MS
  const lastedMs = before.untilMs - before.sinceMs
  return nowMs < before.untilMs ? lastedMs : Math.min(LONGEST_MS, 2 * lastedMs)
}
