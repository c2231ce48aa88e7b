import { dispositions, type ProviderErrorKind } from "../domain/ProviderError.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"

const KEPT_EACH = 5

/** An attempt that failed by nobody's fault but the candidate's or its account's. */
export interface RecentFailure {
  readonly requestId: string
  readonly kind: ProviderErrorKind
  /** Null: there was no answer. */
  readonly status: number | null
  /** Milliseconds of the clock that never steps. */
  readonly atMs: number
}

/** The latest failures of each candidate, for people who look at its health. Candidates come from the configuration. */
export class RecentFailures {
  readonly #byCandidate = new Map<string, Array<RecentFailure>>()

  note(candidate: string, failure: RecentFailure): void {
    if (dispositions[failure.kind].breaker === "ignore") return
    const known = getOrInsert(this.#byCandidate, candidate, (): Array<RecentFailure> => [])
    known.unshift(failure)
    known.length = Math.min(known.length, KEPT_EACH)
  }

  /** Returns them, the latest first. */
  of(candidate: string): ReadonlyArray<RecentFailure> {
    return this.#byCandidate.get(candidate) ?? []
  }

  forget(candidate: string): void {
    this.#byCandidate.delete(candidate)
  }
}
