/**
 * Weighted counts of positive numbers in logarithmic bins, each about 2.2 % wide. Weights may be negative: what is
 * estimated is a sum of distributions and of differences between them.
 */

const BINS_PER_DOUBLING = 32
/** On either side of 1: milliseconds up to four hours, and ratios as far in both directions. */
const DOUBLINGS = 24
const ORIGIN = DOUBLINGS * BINS_PER_DOUBLING
const BINS = 2 * ORIGIN + 1

const clamp = (bin: number): number => Math.min(Math.max(bin, 0), BINS - 1)

const binOf = (value: number): number => clamp(ORIGIN + Math.round(BINS_PER_DOUBLING * Math.log2(value)))

/** Holds the bins that have something, for one of many that are kept. */
export class SparseHistogram {
  readonly #counts = new Map<number, number>()

  /** Adds a number above 0. */
  add(value: number, weight: number): void {
    const bin = binOf(value)
    this.#counts.set(bin, (this.#counts.get(bin) ?? 0) + weight)
  }

  addTo(into: Histogram, times: number): void {
    for (const [bin, weight] of this.#counts) into.addBin(bin, times * weight)
  }
}

/** Holds every bin, to calculate with. */
export class Histogram {
  readonly #weights = new Float64Array(BINS)

  static of(value: number): Histogram {
    const histogram = new Histogram()
    histogram.addBin(binOf(value), 1)
    return histogram
  }

  get total(): number {
    let total = 0
    for (const weight of this.#weights) total += weight
    return total
  }

  addBin(bin: number, weight: number): void {
    this.#weights[bin] = (this.#weights[bin] ?? 0) + weight
  }

  add(other: Histogram, times: number): void {
    other.#weights.forEach((weight, bin) => {
      if (weight !== 0) this.addBin(bin, times * weight)
    })
  }

  /** Returns the distribution of what is in this times a ratio drawn from `ratios`, which is not empty. */
  spreadBy(ratios: Histogram): Histogram {
    const total = ratios.total
    const shares: Array<readonly [offset: number, share: number]> = []
    ratios.#weights.forEach((weight, bin) => {
      if (weight !== 0) shares.push([bin - ORIGIN, weight / total])
    })
    const spread = new Histogram()
    this.#weights.forEach((weight, bin) => {
      if (weight === 0) return
      for (const [offset, share] of shares) spread.addBin(clamp(bin + offset), weight * share)
    })
    return spread
  }

  /** Returns the number that `share` of the weight does not exceed, interpolated within its bin; null for no weight. */
  quantile(share: number): number | null {
    const { total } = this
    if (!(total > 0)) return null
    let left = share * total
    for (const [bin, weight] of this.#weights.entries()) {
      if (weight > 0 && weight >= left) {
        return 2 ** ((bin - ORIGIN - 0.5 + Math.max(left, 0) / weight) / BINS_PER_DOUBLING)
      }
      left -= weight
    }
    return null
  }
}
