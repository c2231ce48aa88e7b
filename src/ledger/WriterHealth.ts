import type { Clock } from "effect"
import type { SqlError } from "effect/sql"
import { explainFailure } from "../database/explain-failure.ts"
import type { Refusal } from "../journal/Journal.ts"

/** A batch takes milliseconds, and a failover of the database seconds. */
const STUCK_AFTER_MS = 10_000

/** A refusal is over when the journal takes something again, or when nobody has come to be refused for as long. */
const REFUSAL_MS = 60_000

/** What the system calls say of a disk. */
const DISK_MEANINGS: Readonly<Record<string, string>> = {
  EACCES: "it may not be written to",
  EDQUOT: "the quota is used up",
  EFBIG: "a file may not grow further",
  EIO: "the disk fails",
  EMFILE: "no file can be opened any more",
  ENOENT: "its directory is gone",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
}

/** Returns in words, with its code, why the disk refused something. */
export const explainDiskFault = (code: string): string =>
  `${DISK_MEANINGS[code] ?? "the disk refuses it"} (${code})`

/** Knows whether records get into the database and into the journal, and if not, why. */
export class WriterHealth {
  readonly #clock: Clock.Clock
  /** Records that the journal did not take. */
  readonly #overflowing: () => number
  /** Since when the database has not answered for the batch under way. */
  #waitingSinceMs: number | undefined
  #failure: SqlError.SqlError | undefined
  #refused: { readonly atMs: number; readonly why: string } | undefined

  constructor(clock: Clock.Clock, overflowing: () => number) {
    this.#clock = clock
    this.#overflowing = overflowing
  }

  /** A batch is on its way. */
  began(): void {
    this.#waitingSinceMs ??= this.#nowMs()
  }

  failed(error: SqlError.SqlError): void {
    this.#failure = error
  }

  /** The database has judged some of the batch: written it, or refused what is in it. */
  answered(): void {
    this.#waitingSinceMs = this.#nowMs()
    this.#failure = undefined
  }

  /** The batch is where it belongs. */
  ended(): void {
    this.#waitingSinceMs = undefined
    this.#failure = undefined
  }

  /** The journal has taken something. */
  taken(): void {
    this.#refused = undefined
  }

  /** The journal has not taken something; `code` is of the disk's fault. */
  refused(refusal: Refusal, code: string | undefined): void {
    const why =
      refusal === "journal_full"
        ? "as many wait as ledger.journal_max_bytes allows"
        : explainDiskFault(code ?? "unknown")
    this.#refused = { atMs: this.#nowMs(), why }
  }

  /** Returns why no batch has been written for a while; undefined when they are, or there is none. */
  readonly databaseFault = (): string | undefined => {
    if (this.#waitingSinceMs === undefined || this.#nowMs() - this.#waitingSinceMs < STUCK_AFTER_MS) return
    return this.#failure === undefined ? "no batch gets through" : explainFailure(this.#failure)
  }

  /** Returns why the journal does not take records; undefined when it does. */
  readonly journalFault = (): string | undefined => {
    if (this.#refused === undefined) return undefined
    const lasts = this.#overflowing() > 0 || this.#nowMs() - this.#refused.atMs < REFUSAL_MS
    return lasts ? this.#refused.why : undefined
  }

  #nowMs(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  }
}
