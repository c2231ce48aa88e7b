import type { KeyId } from "../domain/Ids.ts"

/** `full`: there is none left. `own_bound`: there is, but this key may not have it. */
type Taking = "taken" | "own_bound" | "full"

/**
 * Room that the API keys of a process share. A key may hold as much as it leaves for all others: alone half of it,
 * beside one that is at its bound a quarter. So whoever comes next finds room, and nothing is set aside for nobody.
 */
export class SharedRoom {
  #free: number
  /** Only of keys that hold something. */
  readonly #held = new Map<KeyId, number>()

  constructor(size: number) {
    this.#free = size
  }

  take(keyId: KeyId, amount: number): Taking {
    if (amount > this.#free) return "full"
    const held = (this.#held.get(keyId) ?? 0) + amount
    if (held > this.#free) return "own_bound"
    this.#free -= amount
    this.#held.set(keyId, held)
    return "taken"
  }

  /** Gives back what was taken. */
  give(keyId: KeyId, amount: number): void {
    const held = (this.#held.get(keyId) ?? 0) - amount
    this.#free += amount
    if (held > 0) this.#held.set(keyId, held)
    else this.#held.delete(keyId)
  }
}
