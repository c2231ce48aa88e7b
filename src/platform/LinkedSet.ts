/** A value's place in a `LinkedSet`, which is how it leaves. */
export interface Link<A> {
  readonly value: A
  /** The next younger one; undefined: it is the youngest, or has left. */
  readonly newer: Link<A> | undefined
}

/**
 * Values in the order in which they came, for what comes and goes with each request and a collection that stays. A `Map` or `Set`
 * makes its table anew after so many deletions, and the former table keeps the new one and what was in it itself: once one of
 * them is in old space, all later ones stay until the next full collection, with every request that was ever in them.
 */
export class LinkedSet<A> {
  #oldest: Entry<A> | undefined
  #newest: Entry<A> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get oldest(): Link<A> | undefined {
    return this.#oldest
  }

  add(value: A): Link<A> {
    const entry = new Entry(value, this.#newest, this)
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
    this.#size += 1
    return entry
  }

  has(link: Link<A>): link is Entry<A> {
    return link instanceof Entry && link.owner === this
  }

  /** Tells whether it was there. */
  delete(link: Link<A>): boolean {
    if (!this.has(link)) return false
    const { newer, older } = link
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    // One that has become old itself would keep those beside it.
    link.newer = undefined
    link.older = undefined
    link.owner = undefined
    this.#size -= 1
    return true
  }

  /** Visits them from the oldest on. The one that is visited may leave meanwhile, and no other. */
  forEach(visit: (value: A, link: Link<A>) => void): void {
    for (let entry = this.#oldest; entry !== undefined; ) {
      const { newer, value } = entry
      visit(value, entry)
      entry = newer
    }
  }

  clear(): void {
    while (this.#oldest !== undefined) this.delete(this.#oldest)
  }
}

class Entry<A> implements Link<A> {
  readonly value: A
  newer: Entry<A> | undefined
  older: Entry<A> | undefined
  owner: LinkedSet<A> | undefined

  constructor(value: A, older: Entry<A> | undefined, owner: LinkedSet<A>) {
    this.value = value
    this.older = older
    this.owner = owner
  }
}
