import { type Deferred, type Effect, type Exit, Latch } from "effect"
import type { AuthError } from "./AuthError.ts"
import type { KeyVersion } from "./KeyRecords.ts"
import type { Principal } from "./Principal.ts"
import { TokenMap } from "./token-map.ts"

/** Acceptance of a whole token, as of one row of the table. */
export interface Verdict {
  readonly principal: Exit.Exit<Principal>
  readonly changeSeq: bigint
  readonly checkedAtMs: number
  /** Expiry of the key, or end of the grace period when the token holds the previous secret. */
  readonly validUntilMs: number
}

export interface Refusal {
  /** `NO_ROW` when the key does not exist. */
  readonly changeSeq: bigint
  readonly refusedAtMs: number
}

/** A check under way; all requests with the same token wait for the same one. */
export interface Lookup {
  readonly id: string
  readonly result: Deferred.Deferred<Principal, AuthError>
  /** The version of the row that is being checked, `NO_ROW` without one, undefined until the database answered. */
  changeSeq: bigint | undefined
}

const MAX_VERDICTS = 10_000
const MAX_REFUSALS = 10_000
const REFUSAL_TTL_MS = 5_000
/** A verdict that was not confirmed for this long waits for the next poll, unless the database does not answer. */
const MAX_FRESH_MS = 1_000
/** Time that a verdict is honoured while the database cannot be asked whether it still holds. */
export const MAX_UNCONFIRMED_MS = 10 * 60_000

/**
 * Verdicts and refusals under the SHA-256 of the whole token. `KeyChanges` keeps them true: it forgets the keys that
 * changed and confirms the rest, several times a second.
 *
 * A check that read its row before a change of the key was noticed must not bring the old verdict back: noticing
 * removes the lookup, and only a lookup that is still listed may leave its verdict here.
 *
 * All times are `monotonicMs`.
 */
export class KeyCache {
  readonly #verdicts = new TokenMap<Verdict>(MAX_VERDICTS)
  readonly #refusals = new TokenMap<Refusal>(MAX_REFUSALS)
  readonly #lookups = new Map<string, Lookup>()
  /** Never stays open: it releases those who wait. */
  readonly #news = Latch.makeUnsafe(false)
  #confirmedAtMs = Number.NEGATIVE_INFINITY
  #unreachable = false

  /** Returns what is known of a token. `stale`: ask again after `news`. Undefined: ask the database. */
  find(digest: string, nowMs: number): Verdict | "refused" | "stale" | undefined {
    const verdict = this.#verdicts.get(digest)
    if (verdict !== undefined) {
      const unconfirmedMs = nowMs - Math.max(verdict.checkedAtMs, this.#confirmedAtMs)
      if (nowMs >= verdict.validUntilMs || unconfirmedMs >= MAX_UNCONFIRMED_MS) {
        this.#verdicts.delete(digest)
        return undefined
      }
      return unconfirmedMs <= MAX_FRESH_MS || this.#unreachable ? verdict : "stale"
    }
    const refusal = this.#refusals.get(digest)
    return refusal !== undefined && isRemembered(refusal, nowMs) ? "refused" : undefined
  }

  /** Waits until a poll was answered, or was not in time. */
  get news(): Effect.Effect<void> {
    return this.#news.await
  }

  lookup(digest: string): Lookup | undefined {
    return this.#lookups.get(digest)
  }

  beginLookup(digest: string, lookup: Lookup): void {
    this.#lookups.set(digest, lookup)
  }

  /** Ends a lookup and keeps what it found, unless its key changed meanwhile. */
  endLookup(digest: string, lookup: Lookup, found?: Verdict | Refusal): void {
    if (this.#lookups.get(digest) !== lookup) return
    this.#lookups.delete(digest)
    if (found === undefined) return
    if ("refusedAtMs" in found) this.#refusals.set(digest, lookup.id, found)
    else this.#verdicts.set(digest, lookup.id, found)
  }

  /** Forgets everything that is known of a key, except what is of the version `current`. */
  forget(id: string, current?: bigint): void {
    const isCurrent = ({ changeSeq }: { readonly changeSeq: bigint | undefined }) =>
      changeSeq !== undefined && changeSeq === current
    this.#verdicts.deleteId(id, isCurrent)
    this.#refusals.deleteId(id, isCurrent)
    for (const [digest, lookup] of this.#lookups) {
      if (lookup.id === id && !isCurrent(lookup)) this.#lookups.delete(digest)
    }
  }

  /**
   * Returns the version of everything that is known, to be compared with the table. Lookups that wait for their row
   * have none: they may have read it before the comparison does, and are answered but not kept.
   */
  versions(nowMs: number): ReadonlyArray<KeyVersion> {
    const versions: Array<KeyVersion> = []
    for (const [id, { changeSeq }] of this.#verdicts.entries()) versions.push({ id, changeSeq })
    for (const [id, refusal] of this.#refusals.entries()) {
      if (isRemembered(refusal, nowMs)) versions.push({ id, changeSeq: refusal.changeSeq })
    }
    for (const [digest, { id, changeSeq }] of this.#lookups) {
      if (changeSeq === undefined) this.#lookups.delete(digest)
      else versions.push({ id, changeSeq })
    }
    return versions
  }

  /** Notes that everything here was true at this time, as a poll said that was answered in time or too late. */
  confirm(atMs: number, inTime: boolean): void {
    this.#confirmedAtMs = atMs
    this.#unreachable = !inTime
    this.#announce()
  }

  /** Notes that the database does not answer: what is known is all there is. Refusals could be out of date. */
  markUnreachable(): void {
    this.#unreachable = true
    this.#refusals.clear()
    this.#announce()
  }

  #announce(): void {
    this.#news.openUnsafe()
    this.#news.closeUnsafe()
  }
}

const isRemembered = ({ refusedAtMs }: Refusal, nowMs: number): boolean =>
  nowMs - refusedAtMs < REFUSAL_TTL_MS
