import type { Charge } from "../domain/Budget.ts"
import type { KeyId, RequestId } from "../domain/Ids.ts"
import type { Dispatched, ProviderErrorKind } from "../domain/ProviderError.ts"
import type { Usage } from "../domain/Usage.ts"

/** One finished request with all its upstream attempts: the unit that is journaled, shipped and counted once. */
export interface LedgerRecord {
  /** Requests that it stands for: more than one where a key was refused again and again. */
  readonly requests: number
  readonly id: RequestId
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly latencyMs: number
  readonly keyId: KeyId
  /** Of the key, at the time. */
  readonly team: string | null
  /** The end user; null when nobody was named, or the request was refused before that was read. */
  readonly user: string | null
  readonly tags: ReadonlyArray<string>
  /** Path template, e.g. `/infer`. */
  readonly endpoint: string
  /** Route that was planned; null when the request was refused before. */
  readonly route: string | null
  readonly requestedModel: string
  /** Provider that answered; null when none did. */
  readonly provider: string | null
  readonly model: string | null
  /** HTTP status given to the client. */
  readonly status: number
  readonly errorCode: string | null
  readonly stream: boolean
  /** Milliseconds until a streamed answer's first token; null for whole answers and empty streams. */
  readonly firstTokenMs: number | null
  readonly finishReason: string | null
  readonly usage: Usage | null
  /** True when the usage, and with it the cost, is not (all of) the provider's own count. */
  readonly usageEstimated: boolean
  /** The provider's usage block as received, JSON. */
  readonly rawUsage: unknown
  readonly costNanoUsd: number | null
  /** Reason for a null cost. */
  readonly costReason: string | null
  readonly priceVersion: string | null
  /** The routing decision, JSON. */
  readonly decision: unknown
  readonly attempts: ReadonlyArray<AttemptRecord>
  /** What its budgets are charged; absent: it has none. */
  readonly charges?: ReadonlyArray<Charge> | undefined
}

/** One upstream call, whether or not its answer reached the client. */
export interface AttemptRecord {
  readonly provider: string
  readonly model: string
  readonly startedAt: number
  readonly latencyMs: number
  /** `hedged`: another attempt of the request was sooner, and this one was cut; `lost`: the gateway died before it knew. */
  readonly outcome: "success" | "cancelled" | "hedged" | "defect" | "lost" | ProviderErrorKind
  /** Made beside another one that was late. */
  readonly hedge?: true
  readonly dispatched: Dispatched
  readonly upstreamStatus: number | null
  readonly usage: Usage | null
  readonly usageEstimated: boolean
  readonly costNanoUsd: number | null
}

/**
 * An upstream call that is about to leave, and as much of its request as is known then: all that is left of both if
 * the process dies before the request's record. `id` and `requestStartedAt` must be those of that record.
 */
export interface AttemptIntent {
  readonly id: RequestId
  /** Epoch milliseconds, as `LedgerRecord.startedAt`. */
  readonly requestStartedAt: number
  readonly keyId: KeyId
  /** As in the record, without null and an empty list. */
  readonly team?: string | undefined
  readonly user?: string | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly endpoint: string
  readonly route: string | null
  readonly requestedModel: string
  readonly stream: boolean
  readonly provider: string
  readonly model: string
  /** Epoch milliseconds at which this call leaves. */
  readonly startedAt: number
  /** What the request's budgets are charged so far, and at most for this call. */
  readonly charges?: ReadonlyArray<Charge> | undefined
}
