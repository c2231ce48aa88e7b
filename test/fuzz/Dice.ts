import { createHash } from "node:crypto"

/** Random numbers that a seed and a case's number decide, so that any case can be made again on its own. */
export class Dice {
  #state: number

  constructor(seed: string, index: number) {
    this.#state = createHash("sha256").update(`${seed} ${index}`).digest().readUInt32LE(0)
  }

  /** From 0, below 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** From 0, below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** Whole, from `low`, below `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low)
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<Choice>(choices: ReadonlyArray<Choice>): Choice {
    const choice = choices[this.below(choices.length)]
    if (choice === undefined) throw new Error("nothing to choose from")
    return choice
  }
}
