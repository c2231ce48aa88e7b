/** Spans of a request's story, named after OpenTelemetry's conventions for generative AI. */
import { Effect, Exit } from "effect"
import type { AttemptRecord } from "../ledger/LedgerRecord.ts"
import type { Candidate } from "../routing/plan.ts"
import type { InferenceRequest } from "./InferenceRequest.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

/** Wraps a request's answer in a span `infer`. */
export const tracedAnswer = <A, E, R>(
  answer: Effect.Effect<A, E, R>,
  recorder: RequestRecorder,
  { requestedModel, task }: InferenceRequest,
): Effect.Effect<A, E, R> =>
  answer.pipe(
    Effect.onExit(() =>
      Effect.annotateCurrentSpan({
        "gateway.route": recorder.plan?.route,
        "gateway.attempts": recorder.attempts.length,
      }),
    ),
    Effect.withSpan("infer", {
      attributes: {
        "gateway.request_id": recorder.requestId,
        "gateway.endpoint": recorder.endpoint,
        "gen_ai.operation.name": task._tag === "Chat" ? "chat" : "embeddings",
        "gen_ai.request.model": requestedModel,
      },
    }),
  )

/** Wraps one upstream attempt in a client span that tells who was asked, for the how-manieth time, and how it ended. */
export const tracedAttempt = <A, E, R>(
  attempt: Effect.Effect<A, E, R>,
  { provider, model }: Candidate,
  recorder: RequestRecorder,
): Effect.Effect<A, E, R> => {
  const number = recorder.attemptCount
  return attempt.pipe(
    Effect.onExit((exit) => annotateOutcome(recorder.attempts.at(-1), Exit.isSuccess(exit))),
    Effect.withSpan("upstream", {
      kind: "client",
      attributes: {
        "gen_ai.provider.name": provider.name,
        "gen_ai.request.model": model.name,
        "gateway.attempt": number,
      },
    }),
  )
}

const annotateOutcome = (record: AttemptRecord | undefined, succeeded: boolean): Effect.Effect<void> =>
  record === undefined
    ? Effect.void
    : Effect.annotateCurrentSpan({
        "gateway.outcome": record.outcome,
        ...(!succeeded && { "error.type": record.outcome }),
        ...(record.upstreamStatus !== null && { "http.response.status_code": record.upstreamStatus }),
        ...(record.usage !== null && {
          "gen_ai.usage.input_tokens": record.usage.inputTokens,
          "gen_ai.usage.output_tokens": record.usage.outputTokens,
        }),
      })
