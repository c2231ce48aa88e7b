/** Numbers that depend on nothing but their seed: what a client or a fault does is told again by it. */
export class Random {
  #state: number

  constructor(...seed: ReadonlyArray<number>) {
    this.#state = 0x9e3779b9
    for (const part of seed) {
      this.#state = Math.imul(this.#state ^ part, 0x85ebca6b)
      this.next()
    }
  }

  /** 0 <= n < 1; mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  /** Whole, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  shuffled<A>(list: ReadonlyArray<A>): ReadonlyArray<A> {
    return list
      .map((item) => ({ item, at: this.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ item }) => item)
  }
}
