import type { BeyondChat } from "../../domain/Task.ts"
import type { Origins } from "../own-names.ts"

/** The first thing in a client's request that breaks a rule: where it stands, and the rule. */
export interface Mistake {
  readonly path: Path
  readonly rule: string
}

export type Path = ReadonlyArray<string | number>

type Within = Readonly<Record<string, Path>>

/** What is noted of a request while it is translated, so that what reads it need not stop at each. */
export class Notes {
  /** Where what stands in the chat comes from; noted only for who asks. */
  readonly #origins: Origins | undefined
  readonly #dropped: Array<string> = []
  #mistake: Mistake | undefined

  constructor(origins?: Origins) {
    this.#origins = origins
  }

  get mistake(): Mistake | undefined {
    return this.#mistake
  }

  refuse(path: Path, rule: string): void {
    this.#mistake ??= { path, rule }
  }

  /** Notes what is left out, and an answer can do without. */
  drop(path: Path): void {
    this.#dropped.push(pathText(path))
  }

  /** Notes where `value` comes from; `within`: where what it has does, by chat's path and from `path` on. */
  from<Value extends object>(value: Value, path: Path, within?: Within): Value {
    if (this.#origins !== undefined) this.fromAll([value], path, within)
    return value
  }

  fromAll(values: ReadonlyArray<object>, path: Path, within: Within = {}): void {
    if (this.#origins === undefined) return
    const inner = Object.entries(within).map(([each, steps]) => [
      each,
      steps.map((step) => pathText([...path, step])),
    ])
    const origin = { at: pathText(path), within: Object.fromEntries(inner) }
    for (const value of values) this.#origins.set(value, origin)
  }

  get beyond(): BeyondChat | undefined {
    return this.#dropped.length === 0
      ? undefined
      : { refused: undefined, dropped: this.#dropped, isReduced: false }
  }
}

const pathText = (path: Path): string =>
  path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join("")
