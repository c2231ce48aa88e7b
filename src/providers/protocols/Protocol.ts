import type { Result } from "effect"
import type { ChatRequest, Completion } from "../../domain/Chat.ts"
import type { ProviderErrorKind } from "../../domain/ProviderError.ts"
import type { UpstreamHeaders } from "../transport.ts"

/**
 * One provider wire format as pure functions. Each protocol file keeps the same sections in the same order:
 * request lowering, response parsing, usage, finish reasons, error classification.
 */
export interface Protocol {
  /** The JSON body to send, or why this protocol cannot say the request. */
  readonly lower: (model: string, request: ChatRequest) => Result.Result<string, Fault>
  /** Body of a 200; undefined when it was no JSON. `model` names the answer when the provider does not. */
  readonly parse: (model: string, body: unknown) => Result.Result<Completion, Fault>
  /** Any other status. */
  readonly classify: (answer: ErrorAnswer, nowMs: number) => Fault
}

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Pick<UpstreamHeaders, "retryAfter" | "retryAfterMs">
  /** Undefined when the body was no JSON. */
  readonly body: unknown
}

/** A `ProviderError` before it is known whose it is; see there for what each text may hold. */
export interface Fault {
  readonly kind: ProviderErrorKind
  readonly retryAfterMs?: number | undefined
  readonly message?: string | undefined
  readonly param?: string | null | undefined
  readonly detail?: string | undefined
}
