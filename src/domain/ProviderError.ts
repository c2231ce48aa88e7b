import { Data } from "effect"
import type { GatewayError } from "./GatewayError.ts"
import type { Usage } from "./Usage.ts"

/**
 * The kinds of failure of one upstream attempt, a closed union; `dispositions` says what each means for the
 * request. Protocols classify (pure functions); inference only reads the disposition.
 */
export type ProviderErrorKind =
  | "bad_request" // the client's own mistake: nobody else would accept it either
  | "unsupported" // this candidate does not take one field of the request: the next one may
  | "refused" // this candidate does not take the request, for a reason of its own or none that is known: the next one may
  | "needs_rewording" // the request can be put in other words, without what this candidate does not take
  | "context_length_exceeded"
  | "content_filter"
  | "auth" // our key, region or permission at the provider: never the client's 401
  | "model_not_found"
  | "not_enabled" // the operator's account may not use this: not verified, region, disabled
  | "quota_exhausted" // money or per-day quota: waiting seconds does not help
  | "rate_limited"
  | "overloaded"
  | "tier_unavailable" // no capacity for the service tier that this request asked for: others have their own
  | "request_conflict" // upstream 408/409
  | "server_error"
  | "server_error_once" // provider's 500/504 that its docs call possibly deterministic
  | "no_answer" // the model's call or JSON was bad, or it said nothing: what was asked for may decide that
  | "bad_response" // HTML, empty, cut or invalid JSON, redirect
  | "too_large" // more than is read of an answer: what was asked for decides that, not how the provider is
  | "timeout" // no answer within the time given to the attempt
  | "connect" // refused, DNS, TLS: never dispatched
  | "client_deadline" // the client's own deadline passed, too early to hold it against the provider
  | "client_too_slow" // our client did not take what the provider sent: none of the provider's doing
  | "reset" // connection lost after the request was sent: may have been billed
  | "held_back" // never sent: a budget or a limit of ours does not let it through

/**
 * Who has to act so that the same request succeeds: its client, nobody (the content is what it is), nobody as long as
 * another candidate takes it, the gateway's operator (account or key), or the provider.
 */
type Blame = "client" | "content" | "candidate" | "operator" | "credentials" | "provider"

interface Disposition {
  readonly blame: Blame
  /** Whether the same target is asked again: never, at most once, or with backoff while budget and deadline allow. */
  readonly retry: "never" | "once" | "backoff"
  /** Whether another target may be asked; `larger_context` only one configured for longer prompts. */
  readonly fallback: "yes" | "no" | "larger_context"
  /**
   * The circuit breaker's lesson: nothing, one failure, or open at once for the cooldown. Nothing of what a client's request
   * can bring about: no client takes a candidate from the others.
   */
  readonly breaker: "ignore" | "count" | "open"
}

export const dispositions: Readonly<Record<ProviderErrorKind, Disposition>> = {
  bad_request: { blame: "client", retry: "never", fallback: "no", breaker: "ignore" },
  unsupported: { blame: "candidate", retry: "never", fallback: "yes", breaker: "ignore" },
  refused: { blame: "candidate", retry: "never", fallback: "yes", breaker: "ignore" },
  needs_rewording: { blame: "candidate", retry: "backoff", fallback: "yes", breaker: "ignore" },
  context_length_exceeded: { blame: "client", retry: "never", fallback: "larger_context", breaker: "ignore" },
  content_filter: { blame: "content", retry: "never", fallback: "no", breaker: "ignore" },
  auth: { blame: "credentials", retry: "never", fallback: "yes", breaker: "open" },
  model_not_found: { blame: "operator", retry: "never", fallback: "yes", breaker: "open" },
  not_enabled: { blame: "operator", retry: "never", fallback: "yes", breaker: "open" },
  quota_exhausted: { blame: "operator", retry: "never", fallback: "yes", breaker: "open" },
  rate_limited: { blame: "provider", retry: "backoff", fallback: "yes", breaker: "open" },
  overloaded: { blame: "provider", retry: "backoff", fallback: "yes", breaker: "count" },
  tier_unavailable: { blame: "provider", retry: "never", fallback: "yes", breaker: "ignore" },
  request_conflict: { blame: "provider", retry: "backoff", fallback: "yes", breaker: "count" },
  server_error: { blame: "provider", retry: "backoff", fallback: "yes", breaker: "count" },
  server_error_once: { blame: "provider", retry: "once", fallback: "yes", breaker: "count" },
  no_answer: { blame: "provider", retry: "once", fallback: "yes", breaker: "ignore" },
  bad_response: { blame: "provider", retry: "once", fallback: "yes", breaker: "count" },
  too_large: { blame: "candidate", retry: "never", fallback: "yes", breaker: "ignore" },
  timeout: { blame: "provider", retry: "never", fallback: "yes", breaker: "count" },
  client_deadline: { blame: "client", retry: "never", fallback: "no", breaker: "ignore" },
  client_too_slow: { blame: "client", retry: "never", fallback: "no", breaker: "ignore" },
  connect: { blame: "provider", retry: "once", fallback: "yes", breaker: "count" },
  reset: { blame: "provider", retry: "once", fallback: "yes", breaker: "count" },
  held_back: { blame: "client", retry: "never", fallback: "yes", breaker: "ignore" },
}

/**
 * Returns the milliseconds that a target stays out after an error whose breaker disposition is `open`, without a
 * Retry-After.
 */
export const openCooldownMs = (kind: ProviderErrorKind): number => {
  switch (kind) {
    case "auth":
    case "model_not_found":
    case "not_enabled":
    case "quota_exhausted":
      return 5 * 60_000
    default:
      return 5_000
  }
}

/**
 * Tells whether a refusal is of the whole account at the provider: no credit, or a key that is not taken. A 403 may be
 * for one model.
 */
export const concernsAccount = ({ kind, modelOnly, status }: ProviderError): boolean =>
  modelOnly !== true && (kind === "quota_exhausted" || (kind === "auth" && status !== 403))

/** Tells whether text and `param` are about the client's own request, so that the client may read them. */
export const isAboutRequest = (kind: ProviderErrorKind): boolean => {
  const { blame } = dispositions[kind]
  // Nobody said anything of an answer that is too large to be read.
  return kind !== "too_large" && (blame === "client" || blame === "content" || blame === "candidate")
}

interface KeyTrouble {
  /** As it is configured, which anybody may see. */
  readonly name: string
  /** Another key is free for the model: there is nothing wrong with the candidate. */
  readonly othersFree: boolean
  /** Whichever key is free first waits for a limit alone, and for no operator. */
  readonly waitsForLimit: boolean
  /** It begins a rest of the key that an operator has to end. */
  readonly startsRest: boolean
}

export class ProviderError extends Data.TaggedError("ProviderError")<{
  readonly kind: ProviderErrorKind
  readonly provider: string
  readonly model: string
  /** Upstream HTTP status, when there was one. */
  readonly status?: number
  /** Milliseconds that the provider asked us to wait, clamped to >= 0. */
  readonly retryAfterMs?: number
  /**
   * The provider's message, and its name of the parameter; only for client faults, as other texts may quote our key.
   */
  readonly message?: string
  readonly param?: string | null
  /** The client's name of that parameter, where it speaks another dialect than the provider. */
  readonly ownParam?: string
  /** The provider's own code of the error, an identifier; only for client faults. */
  readonly code?: string
  /** What the provider says that the attempt used, where it answered something that is no answer. */
  readonly usage?: Usage
  /** What the client is told where the gateway itself held the call back. */
  readonly refusal?: GatewayError
  /** True where the call never left, which the kind does not say. */
  readonly unsent?: true
  /** True where it is of this model alone: its own quota, or the last key that was there for it. */
  readonly modelOnly?: true
  /** Set where it is the trouble of one of the provider's several keys. */
  readonly key?: KeyTrouble
  /** Words for our log, never for a client and never with upstream text of an auth failure. */
  readonly detail?: string
}> {}

/**
 * Whether an attempt's call left: `no` cannot have been billed, `unknown` left and brought no whole answer, so that it may
 * have been billed without a count.
 */
export type Dispatched = "no" | "unknown" | "answered"

/** Kinds of failures that leave open what the provider did. */
const uncertain: ReadonlySet<ProviderErrorKind> = new Set([
  "timeout",
  "reset",
  "client_deadline",
  "client_too_slow",
])

export const dispatchedOf = ({ kind, unsent }: ProviderError): Dispatched => {
  if (unsent === true || kind === "connect" || kind === "held_back") return "no"
  return uncertain.has(kind) ? "unknown" : "answered"
}
