import type { Snapshot } from "./KeyRecords.ts"

/**
 * The change numbers that must still be asked for. A number is drawn when a row is changed and seen when the
 * transaction commits, and transactions commit in any order: after 7 was seen, 5 may still come. So `after` moves up to
 * a number only when every transaction that can have drawn a smaller one has ended.
 *
 * Which these are follows from transaction ids: an UPDATE has its id (it locks the row) before it draws its number, so
 * whoever drew a number below one that is in a snapshot has an id below that snapshot's `nextTransaction`.
 */
export class ChangeWindow {
  #after: bigint | undefined
  #pending: { readonly upTo: bigint; readonly fence: bigint } | undefined

  /** Every change up to this number was seen. Undefined: which were seen is not known, compare everything. */
  get after(): bigint | undefined {
    return this.#after
  }

  /** Moves on, once the changes were dealt with that were read after this snapshot was taken. */
  advance({ newest, oldestRunning, nextTransaction }: Snapshot): void {
    this.#pending ??= { upTo: newest, fence: nextTransaction }
    if (oldestRunning < this.#pending.fence) return
    this.#after = this.#pending.upTo
    this.#pending = undefined
  }

  /** Forgets what was seen: the connection was lost, or the table has another past than before. */
  reset(): void {
    this.#after = undefined
    this.#pending = undefined
  }
}
