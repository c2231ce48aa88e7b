/** The ways to put a task to a provider, in one shape: what an attempt needs to know, whatever travels. */
import { Effect } from "effect"
import type { Timeouts } from "../config/GatewayConfig.ts"
import type { AnswerSummary, CallMode, Completion } from "../domain/Chat.ts"
import { ProviderError, type ProviderErrorKind } from "../domain/ProviderError.ts"
import type { Candidate } from "../routing/plan.ts"
import type { StreamedAnswer } from "./StreamedAnswer.ts"

export interface Asking<A extends AnswerSummary> {
  readonly mode: CallMode
  /** Everything together: retries, waits and fallbacks. */
  readonly deadlineMs: number
  /** One attempt, which has `remainingMs`; without a sign of life within `patienceMs` it is given up earlier. */
  readonly ask: (
    candidate: Candidate,
    remainingMs: number,
    patienceMs: number,
  ) => Effect.Effect<A, ProviderError>
  /** The client has something of an answer: no other attempt may follow. */
  readonly committed: () => boolean
  /** What an attempt that did not succeed had come to. */
  readonly partial: () => AnswerSummary | undefined
  /** When the answer began, where that is what its latency means. */
  readonly firstTokenAt: () => number | undefined
}

export const askWhole = ({ deadlineMs }: Timeouts): Asking<Completion> => ({
  mode: "whole",
  deadlineMs,
  ask: ({ call }, remainingMs, patienceMs) => call.complete(Math.min(remainingMs, patienceMs)),
  committed: () => false,
  partial: () => undefined,
  firstTokenAt: () => undefined,
})

export const askStreamed = (
  answer: StreamedAnswer,
  { firstTokenMs, streamMs }: Timeouts,
): Asking<AnswerSummary> => ({
  mode: "stream",
  deadlineMs: streamMs,
  ask: (candidate, remainingMs, patienceMs) => {
    const { call, provider, model } = candidate
    answer.begin(candidate)
    const fail = (kind: ProviderErrorKind, detail: string) =>
      new ProviderError({ kind, provider: provider.name, model: model.name, detail })
    const silence = Effect.andThen(
      Effect.sleep(Math.min(firstTokenMs, patienceMs)),
      Effect.suspend(() =>
        answer.committed ? Effect.never : Effect.fail(fail("timeout", "no first token")),
      ),
    )
    return Effect.raceFirst(call.stream(remainingMs, answer), silence).pipe(
      Effect.mapError((error) =>
        // Held up by its client, a provider is not late.
        error.kind === "timeout" && answer.body.full ? fail("client_too_slow", "paused") : error,
      ),
      Effect.flatMap(() =>
        answer.committed
          ? Effect.succeed(answer.summary())
          : Effect.fail(fail("bad_response", "ended without an answer")),
      ),
    )
  },
  committed: () => answer.committed,
  partial: () => answer.partial(),
  firstTokenAt: () => answer.firstTokenAt,
})
