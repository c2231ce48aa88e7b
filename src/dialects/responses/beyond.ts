import type { BeyondChat } from "../../domain/Task.ts"

/** Gathers what of a request chat has no word for. */
export class Beyond {
  #refused: BeyondChat["refused"]
  readonly #dropped: Array<string> = []
  #isReduced = false

  /** Notes what an answer without it would not be an answer to. */
  refuse(param: string, what: string): void {
    this.#refused ??= {
      param,
      reason: `${what} can be sent to providers that speak Responses themselves only.`,
    }
  }

  /** Notes what an answer can do without. */
  drop(param: string): void {
    this.#dropped.push(param)
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
