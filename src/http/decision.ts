import type { Outcome } from "../inference/Outcome.ts"

/** Describes the plan as it was made, and what then happened. */
export const decision = ({ plan, attempts }: Pick<Outcome, "plan" | "attempts">) => ({
  ...plan?.decision,
  ...(plan && {
    candidates: plan.decision.candidates.map((described, i) => ({
      ...described,
      ...calibrationOf(plan.candidates[i]?.errors.summary()),
    })),
  }),
  attempts: attempts.map((attempt) => ({
    provider: attempt.provider,
    model: attempt.model,
    outcome: attempt.outcome,
    dispatched: attempt.dispatched,
    latency_ms: attempt.latencyMs,
    upstream_status: attempt.upstreamStatus,
    ...(attempt.hedge && { hedge: true }),
  })),
})

/** Tells how good the latest predictions of a candidate's time were, once there is one. */
const calibrationOf = (
  errors: { readonly answers: number; readonly bias: number; readonly p90Error: number } | undefined,
) =>
  errors && {
    calibration: {
      answers: errors.answers,
      bias: thousandths(errors.bias),
      p90_error: thousandths(errors.p90Error),
    },
  }

const thousandths = (n: number): number => Math.round(n * 1000) / 1000
