/** One request in full, as the API gives it, and what can be read from it. */
import type { RequestDetail as RequestDetailSchema } from "../src/api/logged-request.ts"
import { share } from "./format.ts"

type RequestDetail = (typeof RequestDetailSchema)["Encoded"]

export type Attempt = RequestDetail["attempts"][number]

export interface Candidate {
  readonly provider: string
  readonly model: string
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

/** What the API leaves open: decisions are logged as they were made. Fields that may be absent are not in older ones. */
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
  readonly excluded: ReadonlyArray<{
    readonly provider: string
    readonly model: string
    readonly reason: string
  }>
  readonly chosen_by: string
  readonly hedge?: { readonly provider: string; readonly model: string; readonly after_ms: number }
  readonly probability?: number
}

export interface LoggedRequest extends Omit<RequestDetail, "decision"> {
  readonly decision: Decision | null
}

interface Target {
  readonly provider: string
  readonly model: string
}

export const isSame = (a: Target, b: Target): boolean => a.provider === b.provider && a.model === b.model

/** Returns when an attempt began, in milliseconds from the request's start. */
export const beganAfterMs = ({ request }: LoggedRequest, { started_at }: Attempt): number =>
  // Clocks of two machines may disagree where one died and another wrote its row.
  Math.max(0, Date.parse(started_at) - Date.parse(request.started_at))

/** The attempt whose answer the client got. */
export const answeringOf = ({ attempts }: LoggedRequest): Attempt | undefined =>
  attempts.find(({ answered }) => answered)

/** Returns places on an axis of so many milliseconds, at round numbers. */
export const ticksOf = (lengthMs: number, most = 5): ReadonlyArray<number> => {
  const rough = lengthMs / most
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  return Array.from({ length: Math.floor(lengthMs / step) + 1 }, (_, i) => i * step)
}

/** Returns what the attempt took that answered, as it is predicted: until its first token where the answer is streamed. */
export const answeredAfterMs = (logged: LoggedRequest, answering: Attempt): number | null => {
  if (logged.decision?.mode !== "stream") return answering.latency_ms
  const { first_token_ms } = logged.request
  return first_token_ms === null ? null : Math.max(0, first_token_ms - beganAfterMs(logged, answering))
}

/** `12% more`, of what came beside what was predicted. */
export const offBy = (predicted: number | null, actual: number | null): string | undefined => {
  if (predicted === null || actual === null || predicted <= 0) return undefined
  const ratio = actual / predicted - 1
  return Math.abs(ratio) < 0.005
    ? "as predicted"
    : `${share(Math.round(Math.abs(ratio) * 100) / 100)} ${ratio > 0 ? "more" : "less"}`
}
