import { type Clock, type Deferred, Effect, Latch } from "effect"
import type { AuthError } from "./Authenticator.ts"
import type { Principal } from "./Principal.ts"
import { TokenMap } from "./token-map.ts"

/** What the check of a whole token came to, as of one row of the table. */
export interface Verdict {
  readonly principal: Principal
  readonly changeSeq: bigint
  readonly checkedAtMs: number
  /** Expiry of the key, or end of the grace period when the token holds the previous secret. */
  readonly validUntilMs: number
}

/** A check under way; all requests with the same token wait for the same one. */
export interface Flight {
  readonly id: string
  readonly result: Deferred.Deferred<Principal, AuthError>
}

const MAX_VERDICTS = 10_000
const MAX_REFUSALS = 10_000
const REFUSAL_TTL_MS = 5_000
/** How long a verdict is honoured while the database cannot be asked whether it still holds. */
export const MAX_UNCONFIRMED_MS = 10 * 60_000

/** Milliseconds of a clock that nobody sets: what was confirmed long ago is not what the wall clock says. */
export const monotonicMsUnsafe = (clock: Clock.Clock): number =>
  Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

export const monotonicMs: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.succeed(monotonicMsUnsafe(clock)),
)

/**
 * What is known of tokens, under the SHA-256 of the whole token.
 *
 * `KeyChanges` keeps it true: it forgets the keys that changed and confirms the rest. Between the loss of the
 * change feed and the next word of the database the cache is in doubt and readers wait for `settled`.
 *
 * A check that began before a change of its key was noticed must not bring the old verdict back: noticing removes
 * the flight, and only a flight that is still listed may leave its verdict here.
 *
 * All times are `monotonicMs`.
 */
export class KeyCache {
  readonly #verdicts = new TokenMap<Verdict>(MAX_VERDICTS)
  readonly #refusals = new TokenMap<number>(MAX_REFUSALS)
  readonly #flights = new Map<string, Flight>()
  readonly #settled = Latch.makeUnsafe(true)
  #inDoubt = false
  #confirmedAtMs = Number.NEGATIVE_INFINITY

  /** The verdict on a token if it may still be used, `refused`, or undefined: ask the database. */
  read(digest: string, nowMs: number): Verdict | "refused" | undefined {
    const verdict = this.#verdicts.get(digest)
    if (verdict !== undefined) {
      const confirmedAtMs = Math.max(verdict.checkedAtMs, this.#confirmedAtMs)
      if (nowMs < verdict.validUntilMs && nowMs - confirmedAtMs < MAX_UNCONFIRMED_MS) return verdict
      this.#verdicts.delete(digest)
      return undefined
    }
    const refusedAtMs = this.#refusals.get(digest)
    return refusedAtMs !== undefined && nowMs - refusedAtMs < REFUSAL_TTL_MS ? "refused" : undefined
  }

  get inDoubt(): boolean {
    return this.#inDoubt
  }

  /** Opens when the doubt is over. */
  get settled(): Latch.Latch {
    return this.#settled
  }

  flight(digest: string): Flight | undefined {
    return this.#flights.get(digest)
  }

  takeOff(digest: string, flight: Flight): void {
    this.#flights.set(digest, flight)
  }

  /** Ends a flight and keeps what it found, unless its key changed meanwhile. */
  land(digest: string, flight: Flight, found?: Verdict | { readonly refusedAtMs: number }): void {
    if (this.#flights.get(digest) !== flight) return
    this.#flights.delete(digest)
    if (found === undefined) return
    if ("refusedAtMs" in found) this.#refusals.set(digest, flight.id, found.refusedAtMs)
    else this.#verdicts.set(digest, flight.id, found)
  }

  /** The key changed: nothing known of it holds. */
  forget(id: string): void {
    this.#verdicts.deleteId(id)
    this.#refusals.deleteId(id)
    for (const [digest, flight] of this.#flights) if (flight.id === id) this.#flights.delete(digest)
  }

  /** Changes may be missed from now on; readers wait. */
  doubt(): void {
    this.#inDoubt = true
    this.#settled.closeUnsafe()
    this.#refusals.clear()
  }

  /** Either the cache was reconciled, or the database cannot be reached and what is known is all there is. */
  settle(): void {
    this.#inDoubt = false
    this.#settled.openUnsafe()
  }

  /** For the start of a reconciliation: checks that are under way read the table before it. */
  abandonFlights(): void {
    this.#flights.clear()
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#verdicts.ids())
  }

  /** Forgets those of the asked ids whose row is gone or another, and says how many there were. */
  reconcile(asked: ReadonlySet<string>, changeSeqs: ReadonlyMap<string, bigint>): number {
    const stale = new Set<string>()
    for (const [id, { changeSeq }] of this.#verdicts.entries()) {
      if (asked.has(id) && changeSeqs.get(id) !== changeSeq) stale.add(id)
    }
    for (const id of stale) this.forget(id)
    return stale.size
  }

  /** Everything that is here was true at this time. */
  confirm(atMs: number): void {
    this.#confirmedAtMs = atMs
  }

  clear(): void {
    this.#verdicts.clear()
    this.#refusals.clear()
    this.#flights.clear()
  }
}
