/**
 * How far what was measured lies from what was predicted, as quantiles of the ratio of both: a histogram of its logarithm, in which
 * old answers fade with new ones. Synchronous; adding is a few operations.
 */

/** Bounds of a bin are so many to a factor of 2, and bins reach from 1/16 to 64. */
const PER_OCTAVE = 8
const LOWEST = 1 / 16
const BINS = 10 * PER_OCTAVE
/** Every quantile is that of so many answers. */
const ANSWERS = 200
/** Weights are scaled back before they grow beyond what a sum of them can tell apart. */
const MAX_UNIT = 1e12

export class RatioQuantiles {
  readonly #bins = new Float64Array(BINS)
  /** Weight of the next answer: it grows in place of the others' fading. */
  #unit = 1
  /** That were learned from, without those that were cut. */
  answers = 0

  add(ratio: number): void {
    this.answers += 1
    this.#put(binOf(ratio))
  }

  /**
   * Takes note of a call that was cut at this ratio: all that is known is that it would have taken longer. It counts as what the
   * longer ones are like.
   */
  addLonger(ratio: number): void {
    const from = binOf(ratio) + 1
    let longer = 0
    for (let bin = from; bin < BINS; bin++) longer += this.#bins[bin] ?? 0
    if (longer === 0) {
      this.#put(Math.min(from, BINS - 1))
      return
    }
    const share = this.#unit / longer
    for (let bin = from; bin < BINS; bin++) this.#bins[bin] = (this.#bins[bin] ?? 0) * (1 + share)
    this.#grow()
  }

  /** Returns the ratio that the share `q` of calls at least does not exceed; 1 before anything was learned. */
  quantile(q: number): number {
    let sum = 0
    for (const weight of this.#bins) sum += weight
    if (sum === 0) return 1
    let left = q * sum
    for (let bin = 0; bin < BINS; bin++) {
      left -= this.#bins[bin] ?? 0
      if (left <= 0) return LOWEST * 2 ** ((bin + 1) / PER_OCTAVE)
    }
    return LOWEST * 2 ** (BINS / PER_OCTAVE)
  }

  #put(bin: number): void {
    this.#bins[bin] = (this.#bins[bin] ?? 0) + this.#unit
    this.#grow()
  }

  #grow(): void {
    this.#unit *= 1 + 1 / ANSWERS
    if (this.#unit < MAX_UNIT) return
    for (let bin = 0; bin < BINS; bin++) this.#bins[bin] = (this.#bins[bin] ?? 0) / this.#unit
    this.#unit = 1
  }
}

const binOf = (ratio: number): number =>
  Math.min(BINS - 1, Math.max(0, Math.floor(PER_OCTAVE * Math.log2(ratio / LOWEST))))
