/** Values by token digest, each belonging to a key id; the least recently used goes first above the capacity. */
export class TokenMap<V> {
  readonly #capacity: number
  readonly #entries = new Map<string, { readonly id: string; readonly value: V }>()
  readonly #digests = new Map<string, Set<string>>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(digest: string): V | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    this.#entries.delete(digest)
    this.#entries.set(digest, entry)
    return entry.value
  }

  set(digest: string, id: string, value: V): void {
    this.delete(digest)
    this.#entries.set(digest, { id, value })
    const digests = this.#digests.get(id)
    if (digests === undefined) this.#digests.set(id, new Set([digest]))
    else digests.add(digest)
    if (this.#entries.size <= this.#capacity) return
    for (const oldest of this.#entries.keys()) {
      this.delete(oldest)
      return
    }
  }

  delete(digest: string): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    const digests = this.#digests.get(entry.id)
    digests?.delete(digest)
    if (digests?.size === 0) this.#digests.delete(entry.id)
  }

  /** Deletes what is known of an id, but for the values that `keep` holds for. */
  deleteId(id: string, keep: (value: V) => boolean = () => false): void {
    for (const digest of this.#digests.get(id) ?? []) {
      const entry = this.#entries.get(digest)
      if (entry !== undefined && !keep(entry.value)) this.delete(digest)
    }
  }

  *entries(): IterableIterator<readonly [id: string, value: V]> {
    for (const { id, value } of this.#entries.values()) yield [id, value]
  }

  get size(): number {
    return this.#entries.size
  }

  clear(): void {
    this.#entries.clear()
    this.#digests.clear()
  }
}
