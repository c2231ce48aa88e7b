import type { LedgerRecord } from "../ledger/LedgerRecord.ts"

/** Refusals of one key in a period that have a row each. */
const ROWS_PER_KEY = 10

/** Kinds of refusals of one key that are counted apart in a period; above it users and tags, which are the client's words, are not. */
const KINDS_PER_KEY = 50

/** Refusals of one key that are alike, as the one record that will stand for them. */
interface Alike {
  readonly first: LedgerRecord
  requests: number
}

/** The refusals of one key in a period. */
interface OfKey {
  rows: number
  readonly alike: Map<string, Alike>
}

/**
 * Keeps a client that is refused again and again from filling the ledger: the first refusals of a key have a row each, and
 * those that follow in the same period the first one's row for each route, error, user and tags, which says how many there
 * were.
 */
export class RefusalLog {
  readonly #keys = new Map<string, OfKey>()

  /** Returns the record to write now; undefined for one that is only counted. */
  take(record: LedgerRecord): LedgerRecord | undefined {
    if (!isRefusal(record)) return record
    const { keyId } = record
    const ofKey = this.#keys.get(keyId) ?? { rows: 0, alike: new Map() }
    this.#keys.set(keyId, ofKey)
    ofKey.rows += 1
    if (ofKey.rows <= ROWS_PER_KEY) return record
    const { alike } = ofKey
    const kind = kindOf(record)
    if (alike.size < KINDS_PER_KEY || alike.has(kind)) count(alike, kind, record)
    else {
      const anybody = { ...record, user: null, tags: [] }
      count(alike, kindOf(anybody), anybody)
    }
    return undefined
  }

  /** Ends the period, and returns the records of what was only counted in it. */
  endPeriod(): ReadonlyArray<LedgerRecord> {
    const records = [...this.#keys.values()].flatMap(({ alike }) =>
      [...alike.values()].map(({ first, requests }) => ({ ...first, requests })),
    )
    this.#keys.clear()
    return records
  }
}

const count = (alike: Map<string, Alike>, kind: string, record: LedgerRecord): void => {
  const found = alike.get(kind)
  if (found === undefined) alike.set(kind, { first: record, requests: 1 })
  else found.requests += 1
}

const kindOf = ({ endpoint, errorCode, tags, team, user }: LedgerRecord): string =>
  JSON.stringify([endpoint, errorCode, team, user, tags])

/** Nobody was asked, because of the client or of the gateway's own bounds; a failure of the gateway is none. */
const isRefusal = ({ attempts, status }: LedgerRecord): boolean =>
  attempts.length === 0 && ((status >= 400 && status < 499) || status === 503)
