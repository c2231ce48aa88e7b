import type { Budget } from "../../src/domain/Budget.ts"
import type { RequestId } from "../../src/domain/Ids.ts"
import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import type { IdempotencyChanges, LimitChanges, ProviderName } from "./gateway.ts"

/**
 * A world as a list of what happens in it, each event on its own: taking one away leaves the others as they are. Times
 * are milliseconds from the world's start.
 */
export interface World {
  readonly name: string
  readonly seed: string
  /** Gateways, which share the claims, the database and the disk, and nothing else. */
  readonly replicas: number
  readonly limits: LimitChanges
  /** Of keyed requests: what is kept for who asks again. */
  readonly idempotency: IdempotencyChanges
  /** Records that a journal takes at most. */
  readonly journalRecords: number
  /** What clients may spend. Undefined: as much as they like. */
  readonly budgets: WorldBudgets | undefined
  readonly events: ReadonlyArray<WorldEvent>
  /** By then everybody has come and gone, and all trouble is over. */
  readonly endMs: number
}

export interface WorldBudgets {
  readonly all: ReadonlyArray<Budget>
  /** How long each window lasts; 0: there is but one. */
  readonly windowMs: number
}

export type WorldEvent = Visit | Weather | Outage | Crash | Stop | Pause | Step | Reset

/** One request of one client. */
export interface Visit {
  readonly kind: "visit"
  readonly id: RequestId
  readonly atMs: number
  readonly client: ClientName
  readonly credential: "valid" | "invalid" | "unavailable"
  /** The gateway that it comes to, or the next one that lives. */
  readonly replica: number
  /** The body takes this long to arrive, and may be nonsense in the end. */
  readonly uploadMs: number
  readonly readable: boolean
  readonly model: "auto" | "hedged" | "only-a" | "nobody"
  readonly stream: boolean
  readonly dryRun: boolean
  /** The client's own mistake, which every provider that works sees. */
  readonly mistake: "bad_request" | "content_filter" | "context_length_exceeded" | undefined
  /** What it asks again for, with the same body or another one. */
  readonly claim: { readonly key: string; readonly body: number } | undefined
  readonly leavesAfterMs: number | undefined
  /** Its own deadline, which it says. */
  readonly deadlineMs: number | undefined
  /** Of a streamed answer: bytes at a time, and the pause after them. Undefined: as fast as it comes. */
  readonly reads: { readonly bytes: number; readonly everyMs: number } | undefined
  /** A conversation's prompt grows, and its beginning may be in a provider's cache. */
  readonly conversation: string | undefined
  readonly promptTokens: number
  readonly answerTokens: number
  /** Its prompt is as long as it says, and no word stands for it: the gateway's estimate is no less than the provider's count. */
  readonly spelled: boolean
  /** Tokens that it lets its answer have at most. */
  readonly maxTokens: number | undefined
}

export type ClientName =
  | "usual"
  | "other"
  | "limited"
  | "narrow"
  /** What these spend is bounded where a world has budgets: each for itself, and the last two together as well. */
  | "thrifty"
  | "wealthy"
  | "one"
  | "another"

/** What is wrong with a provider for a while. */
export interface Weather {
  readonly kind: "weather"
  readonly id: string
  readonly atMs: number
  readonly forMs: number
  readonly provider: ProviderName
  readonly trouble: Trouble
}

export type Trouble =
  /** Nobody answers its door. */
  | { readonly is: "down" }
  /** A share of calls fails, from one share at the beginning to another at the end. */
  | {
      readonly is: "errors"
      readonly share: number
      readonly toShare: number
      readonly kinds: ReadonlyArray<ProviderErrorKind>
      readonly afterMs: number
      readonly retryAfterMs: number | undefined
    }
  /** Its answers take so many times as long, likewise. */
  | { readonly is: "slow"; readonly times: number; readonly toTimes: number }
  /** More calls in a minute are refused with 429, which says when to come back: rightly, not at all, or wrongly. */
  | {
      readonly is: "quota"
      readonly perMinute: number
      readonly retryAfter: "right" | "none" | "far too long" | "none to wait"
    }
  /** It takes calls and falls silent: before the head of its answer, after it, or amid what it says. */
  | { readonly is: "hangs"; readonly where: "head" | "body" | "middle" }
  /** A share of streams ends amid an answer. */
  | { readonly is: "cuts"; readonly share: number }
  /** Its answers end well, and say nothing. */
  | { readonly is: "mute" }
  /** Our account there is refused. */
  | { readonly is: "locked"; readonly as: "auth" | "quota_exhausted" | "model_not_found" | "not_enabled" }

/** What does not work on our own side for a while. */
export interface Outage {
  readonly kind: "outage"
  readonly id: string
  readonly atMs: number
  readonly forMs: number
  readonly of:
    | "database"
    /** It takes statements and answers none of them. */
    | "database hangs"
    /** It does what it is told, and half of its answers are lost. */
    | "database answers"
    /** API keys cannot be checked. */
    | "keys"
    /** The journals' disk takes nothing. */
    | "disk"
}

/** A gateway dies: everything in its memory is gone, and what was written is there. Then another one starts. */
export interface Crash {
  readonly kind: "crash"
  readonly id: string
  readonly atMs: number
  readonly replica: number
  /** From then on it still gets this far: so many of its awaits are resumed. */
  readonly afterSteps: number
  readonly downMs: number
}

/** A gateway is told to stop, as for a new version: it ends what it has begun, while another one takes its place. */
export interface Stop {
  readonly kind: "stop"
  readonly id: string
  readonly atMs: number
  readonly replica: number
}

/** A gateway stands still, as when its machine is moved: nothing of it runs, its clock goes on, and then it does too. */
export interface Pause {
  readonly kind: "pause"
  readonly id: string
  readonly atMs: number
  readonly forMs: number
  readonly replica: number
}

/** An operator has a gateway forget all trouble of a provider. */
export interface Reset {
  readonly kind: "reset"
  readonly id: string
  readonly atMs: number
  readonly replica: number
  readonly provider: ProviderName
}

/** The wall clock of a gateway is set. */
export interface Step {
  readonly kind: "step"
  readonly id: string
  readonly atMs: number
  readonly replica: number
  readonly ms: number
}

/** Events of one kind. */
export const eventsOf = <Kind extends WorldEvent["kind"]>(
  { events }: World,
  kind: Kind,
): ReadonlyArray<Extract<WorldEvent, { kind: Kind }>> =>
  events.filter((event): event is Extract<WorldEvent, { kind: Kind }> => event.kind === kind)

export const isDuring = (
  { atMs, forMs }: { readonly atMs: number; readonly forMs: number },
  ms: number,
): boolean => atMs <= ms && ms < atMs + forMs
