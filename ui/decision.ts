/** A routing decision, as `explain` and `dry_run` tell it and the ledger keeps it: docs/routing.md has each field. */

export interface Target {
  readonly provider: string
  readonly model: string
}

export interface Candidate extends Target {
  readonly rank: number
  readonly tier: string
  readonly availability: number
  readonly predicted_ms: number
  readonly predicted_cost_usd: number | null
  readonly predicted_output_tokens: number
  readonly cached_tokens?: number
  readonly in_flight?: number
  readonly weighed_ms?: number
  readonly weighed_cost_usd?: number
  readonly score: number
}

/** Fields that may be absent are not in older ones. */
export interface Decision {
  readonly route: string
  readonly requested_route?: string
  readonly via?: ReadonlyArray<string>
  readonly strategy?: string
  readonly mode: string
  readonly weights: { readonly latency: number; readonly cost: number }
  readonly estimated_input_tokens: number
  readonly output_limit?: number
  readonly expected_turns?: number
  readonly candidates: ReadonlyArray<Candidate>
  readonly excluded: ReadonlyArray<Target & { readonly reason: string }>
  readonly chosen_by: string
  readonly hedge?: Target & { readonly after_ms: number }
  readonly probability?: number
}

export const isSame = (a: Target, b: Target): boolean => a.provider === b.provider && a.model === b.model

export const keyOf = ({ model, provider }: Target): string => `${provider}/${model}`
