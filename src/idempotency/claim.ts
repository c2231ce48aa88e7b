import { Data, type Effect } from "effect"
import type { KeyId } from "../domain/Ids.ts"
import type { StoredResponse } from "../responses/response.ts"

/** Identity of a claim: the key is scoped to the API key that sent it. */
export interface ClaimId {
  readonly keyId: KeyId
  /** SHA-256 of the Idempotency-Key. */
  readonly keyHash: Uint8Array
}

export type ClaimState =
  /** Ours now. `run` above 1: an earlier owner vanished, and what became of its run is unknown. */
  | { readonly _tag: "Claimed"; readonly run: number }
  | { readonly _tag: "Running" }
  /** Without its body where that is to be fetched; null: the answer was too large to keep. */
  | { readonly _tag: "Finished"; readonly response: KeptResponse | null }
  /** The key belongs to a request with another fingerprint. */
  | { readonly _tag: "Reused" }

/** A response that is kept, without its body where that is not at hand. */
export interface FinishedResponse extends Omit<StoredResponse, "body"> {
  readonly body: Uint8Array | undefined
}

/** The same of a claim that is finished, and how long its body is. */
export interface KeptResponse extends FinishedResponse {
  readonly bytes: number
}

/** Failure of the database, or its silence: the statement may still have taken effect. */
export class ClaimStoreUnavailable extends Data.TaggedError("ClaimStoreUnavailable")<{
  readonly message: string
}> {}

/** Operations on claims; each is atomic, on one clock for all replicas. */
export interface ClaimStoreShape {
  readonly claim: (
    id: ClaimId,
    fingerprint: Uint8Array,
    owner: string,
  ) => Effect.Effect<ClaimState, ClaimStoreUnavailable>
  /** False: the claim is no longer this owner's. */
  readonly renew: (id: ClaimId, owner: string) => Effect.Effect<boolean, ClaimStoreUnavailable>
  /**
   * Finishes the claim; may be repeated. A body above `maxStoredBytes`, or one that is not there any more, is left
   * out, and the claim says so. False: the claim is no longer this owner's.
   */
  readonly complete: (
    id: ClaimId,
    owner: string,
    response: FinishedResponse,
  ) => Effect.Effect<boolean, ClaimStoreUnavailable>
  /** Fetches the body of a finished claim that came without it; undefined: it is not there any more. */
  readonly fetch: (
    id: ClaimId,
    fingerprint: Uint8Array,
  ) => Effect.Effect<Uint8Array | undefined, ClaimStoreUnavailable>
  /** Removes an unfinished claim of this owner. */
  readonly release: (id: ClaimId, owner: string) => Effect.Effect<void, ClaimStoreUnavailable>
  /** Removes at most `limit` expired claims and says how many. */
  readonly cleanup: (limit: number) => Effect.Effect<number, ClaimStoreUnavailable>
}
