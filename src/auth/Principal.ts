import type { Budget } from "../domain/Budget.ts"
import type { KeyId } from "../domain/Ids.ts"

/** The owner of a verified API key, and what it may do. */
export interface Principal {
  readonly keyId: KeyId
  readonly name: string
  /** `provider/model`, model or route names this key may ask for; undefined = all. */
  readonly models?: ReadonlySet<string>
  readonly team?: string
  readonly tags: ReadonlyArray<string>
  /** Whether it may make keys of its own, which spend and ask within what holds for it. */
  readonly mayIssue: boolean
  /** Every limit that its requests count against: the key's own first, then that of the key that issued it, and the team's. */
  readonly limits: readonly [SubjectLimits, ...ReadonlyArray<SubjectLimits>]
  /** Every budget that its requests count against because of the key: its own, its issuer's and its team's. */
  readonly budgets: ReadonlyArray<Budget>
}

/** How much one subject may ask for, over all replicas. Undefined: as much as it likes, or for a key as the gateway's default says. */
export interface SubjectLimits {
  readonly scope: "key" | "team"
  /** A key's id, or a team's name. */
  readonly subject: string
  readonly requestsPerMinute?: number
  /** Input and output together. */
  readonly tokensPerMinute?: number
  /** Requests in flight. */
  readonly concurrency?: number
}
