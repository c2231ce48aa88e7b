import { Context, Data, type Effect } from "effect"
import type { KeyId } from "../domain/Ids.ts"

/** What is kept and replayed byte for byte. Header names are lower-case. */
export interface StoredResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface IdempotencyClaim {
  readonly keyId: KeyId
  /** 1-255 visible ASCII, unquoted. Stored only as a hash. */
  readonly key: string
  /** SHA-256 over method, route and body bytes. */
  readonly fingerprint: Uint8Array
}

export class IdempotencyError extends Data.TaggedError("IdempotencyError")<{
  readonly reason:
    | "reused" // same key, other request: 422
    | "in_progress" // running elsewhere, still after the bounded wait: 409
    | "unavailable" // the database cannot keep the promise: 503
  readonly retryAfterMs?: number
}> {}

/**
 * At most one upstream call per API key and Idempotency-Key. Protocol: claim by one INSERT … ON CONFLICT with a
 * lease on the database's clock; the owner runs `work` in a fiber of its own (a leaving client does not stop it),
 * renews the lease, then stores the response or, when it is retryable, releases the claim.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Runs `work` once per claim and answers every caller with its response. `work` never fails: errors are
     * responses too; `keep` says which are final (stored) and which release the claim (retryable).
     */
    readonly run: <R>(
      claim: IdempotencyClaim,
      work: Effect.Effect<{ readonly response: StoredResponse; readonly keep: boolean }, never, R>,
    ) => Effect.Effect<{ readonly response: StoredResponse; readonly replayed: boolean }, IdempotencyError, R>
  }
>()("gateway/idempotency/Idempotency") {}
