/** One request in full, as the API gives it, and what can be read from it. */
import type { RequestDetail as RequestDetailSchema } from "../src/api/logged-request.ts"
import type { Decision } from "./decision.ts"
import { share } from "./format.ts"

type RequestDetail = (typeof RequestDetailSchema)["Encoded"]

export type Attempt = RequestDetail["attempts"][number]

/** The API leaves open what a decision is: decisions are logged as they were made. */
export interface LoggedRequest extends Omit<RequestDetail, "decision"> {
  readonly decision: Decision | null
}

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
