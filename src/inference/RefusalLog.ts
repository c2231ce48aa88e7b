import type { LedgerRecord } from "../ledger/LedgerRecord.ts"

/** Refusals of one key in a period that have a row each. */
const ROWS_PER_KEY = 10

/** Refusals of one key that are alike, as the one record that will stand for them. */
interface Alike {
  readonly first: LedgerRecord
  requests: number
}

/**
 * Keeps a client that is refused again and again from filling the ledger: the first refusals of a key have a row each, and
 * those that follow in the same period the first one's row for each route and error, which says how many there were.
 */
export class RefusalLog {
  readonly #rows = new Map<string, number>()
  readonly #alike = new Map<string, Alike>()

  /** Returns the record to write now; undefined for one that is only counted. */
  take(record: LedgerRecord): LedgerRecord | undefined {
    if (!isRefusal(record)) return record
    const rows = this.#rows.get(record.keyId) ?? 0
    this.#rows.set(record.keyId, rows + 1)
    if (rows < ROWS_PER_KEY) return record
    const kind = `${record.keyId} ${record.endpoint} ${record.errorCode}`
    const alike = this.#alike.get(kind)
    if (alike === undefined) this.#alike.set(kind, { first: record, requests: 1 })
    else alike.requests += 1
    return undefined
  }

  /** Ends the period, and returns the records of what was only counted in it. */
  endPeriod(): ReadonlyArray<LedgerRecord> {
    const records = [...this.#alike.values()].map(({ first, requests }) => ({ ...first, requests }))
    this.#rows.clear()
    this.#alike.clear()
    return records
  }
}

/** Nobody was asked, because of the client or of the gateway's own bounds; a failure of the gateway is none. */
const isRefusal = ({ attempts, status }: LedgerRecord): boolean =>
  attempts.length === 0 && ((status >= 400 && status < 499) || status === 503)
