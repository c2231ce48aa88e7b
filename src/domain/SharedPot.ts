/** Why nothing was taken: there is not so much left, or what is left is for others. */
export type PotRefusal = "full" | "share"

/**
 * An amount that keys share. A key gets more as long as what it then has is at most so many times what is then left:
 * alone it gets up to `keyShare` of the whole, beside others that want as much an equal part of less, and there is always
 * something left for one that has nothing yet.
 */
export class SharedPot {
  #whole = 0
  #ratio = 0
  readonly #byKey = new Map<string, number>()
  #taken = 0

  /** `keyShare` is from 0 to 1. */
  constructor(whole: number, keyShare: number) {
    this.resize(whole, keyShare)
  }

  /** Makes it larger or smaller; what is taken stays so. */
  resize(whole: number, keyShare: number): void {
    this.#whole = whole
    this.#ratio = keyShare / (1 - keyShare)
  }

  get taken(): number {
    return this.#taken
  }

  get full(): boolean {
    return this.#taken >= this.#whole
  }

  take(key: string, amount: number): PotRefusal | undefined {
    const left = this.#whole - this.#taken - amount
    if (left < 0) return "full"
    const had = this.#byKey.get(key) ?? 0
    // The first time always, or nobody could have the whole of a small pot.
    if (had > 0 && had + amount > this.#ratio * left) return "share"
    this.#byKey.set(key, had + amount)
    this.#taken += amount
    return undefined
  }

  /** Takes it in any case, as it is there already. */
  put(key: string, amount: number): void {
    this.#byKey.set(key, (this.#byKey.get(key) ?? 0) + amount)
    this.#taken += amount
  }

  /** Tells whether a key has no more than it may have. */
  hasRoom(key: string): boolean {
    const left = this.#whole - this.#taken
    return left >= 0 && !((this.#byKey.get(key) ?? 0) > this.#ratio * left)
  }

  giveBack(key: string, amount: number): void {
    this.#taken -= amount
    const left = (this.#byKey.get(key) ?? 0) - amount
    if (left > 0) this.#byKey.set(key, left)
    else this.#byKey.delete(key)
  }
}
