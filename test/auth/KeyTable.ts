import { Effect } from "effect"
import {
  KeyRecords,
  type KeyRecordsUnavailable,
  type KeyVersion,
  MAX_CHANGES,
  NO_ROW,
  type Snapshot,
} from "../../src/auth/KeyRecords.ts"

/** A transaction that changed a row and has not committed. */
export interface Change extends KeyVersion {
  readonly transaction: bigint
}

/**
 * The table of keys as PostgreSQL would show it: rows have numbers that are drawn at the change and seen at the commit,
 * and a snapshot says which transactions may still be running.
 */
export class KeyTable {
  readonly rows = new Map<string, bigint>()
  readonly #running = new Set<bigint>()
  #nextTransaction = 1_000n
  #lastNumber = 0n

  begin(id: string): Change {
    const transaction = this.transaction()
    this.#lastNumber += 1n
    return { id, changeSeq: this.#lastNumber, transaction }
  }

  /** A transaction that changes no key. */
  transaction(): bigint {
    const transaction = this.#nextTransaction
    this.#nextTransaction += 1n
    this.#running.add(transaction)
    return transaction
  }

  commit({ id, changeSeq, transaction }: Change): void {
    this.#running.delete(transaction)
    this.rows.set(id, changeSeq)
  }

  change(id: string): bigint {
    const change = this.begin(id)
    this.commit(change)
    return change.changeSeq
  }

  snapshot(): Snapshot {
    return {
      newest: this.#byNumber().at(-1)?.changeSeq ?? NO_ROW,
      // In the order of their ids.
      oldestRunning: [...this.#running].at(0) ?? this.#nextTransaction,
      nextTransaction: this.#nextTransaction,
    }
  }

  changedAfter(after: bigint): ReadonlyArray<KeyVersion> {
    return this.#byNumber()
      .filter(({ changeSeq }) => changeSeq > after)
      .slice(0, MAX_CHANGES + 1)
  }

  outdated(versions: ReadonlyArray<KeyVersion>): ReadonlyArray<string> {
    return versions
      .filter(({ id, changeSeq }) => (this.rows.get(id) ?? NO_ROW) !== changeSeq)
      .map(({ id }) => id)
  }

  /** `answered` gets each answer, as of the time of the question, and decides when and whether it arrives. */
  records(answered: <A>(answer: A) => Effect.Effect<A, KeyRecordsUnavailable>): KeyRecords["Service"] {
    return KeyRecords.of({
      find: () => Effect.die("not asked here"),
      saveProof: () => Effect.die("not asked here"),
      snapshot: Effect.suspend(() => answered(this.snapshot())),
      changedAfter: (after) => Effect.suspend(() => answered(this.changedAfter(after))),
      outdated: (versions) => Effect.suspend(() => answered(this.outdated(versions))),
    })
  }

  #byNumber(): ReadonlyArray<KeyVersion> {
    return [...this.rows]
      .map(([id, changeSeq]) => ({ id, changeSeq }))
      .sort((a, b) => (a.changeSeq < b.changeSeq ? -1 : 1))
  }
}
