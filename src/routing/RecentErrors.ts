const ANSWERS = 100

/** How far a candidate's predicted times were off at its latest answers in one mode. */
export class RecentErrors {
  /** Actual to predicted time, the oldest overwritten. */
  readonly #ratios = new Float64Array(ANSWERS)
  #answers = 0

  add(ratio: number): void {
    this.#ratios[this.#answers % ANSWERS] = ratio
    this.#answers += 1
  }

  forget(): void {
    this.#answers = 0
  }

  /** `bias`: mean of the ratios, 1 is right. `p90Error`: nine in ten were off by no more than this share. Undefined before any. */
  summary(): { readonly answers: number; readonly bias: number; readonly p90Error: number } | undefined {
    const answers = Math.min(this.#answers, ANSWERS)
    if (answers === 0) return undefined
    const ratios = this.#ratios.subarray(0, answers)
    const errors = ratios.map((ratio) => Math.abs(ratio - 1)).toSorted()
    return {
      answers,
      bias: ratios.reduce((sum, ratio) => sum + ratio, 0) / answers,
      p90Error: errors[Math.ceil(0.9 * answers) - 1] ?? 0,
    }
  }
}
