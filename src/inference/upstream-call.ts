/** The two ways to ask a candidate, in one shape: what an attempt needs to know, however the answer travels. */
import { Effect } from "effect"
import type { Timeouts } from "../config/GatewayConfig.ts"
import type { AnswerSummary, CallMode, Completion } from "../domain/Chat.ts"
import { ProviderError, type ProviderErrorKind } from "../domain/ProviderError.ts"
import type { AttemptContext } from "../providers/Provider.ts"
import type { Candidate } from "../routing/plan.ts"
import type { StreamedAnswer } from "./StreamedAnswer.ts"

/** Milliseconds for everything together: retries, waits and fallbacks. */
interface Deadline {
  readonly ms: number
  /** True when the client set it: it is sooner than the configured one. */
  readonly isClients: boolean
}

export const deadlineOf = (configuredMs: number, clientMs: number | undefined): Deadline =>
  clientMs !== undefined && clientMs < configuredMs
    ? { ms: clientMs, isClients: true }
    : { ms: configuredMs, isClients: false }

export interface UpstreamCall<A extends AnswerSummary> {
  readonly mode: CallMode
  readonly deadline: Deadline
  /** Makes one attempt, which has `remainingMs`, and is given up earlier after `patienceMs` without a sign of life. */
  readonly attempt: (
    candidate: Candidate,
    remainingMs: number,
    patienceMs: number,
    context: AttemptContext,
  ) => Effect.Effect<A, ProviderError>
  /** True once the client has something of an answer: no other attempt may follow. */
  readonly committed: () => boolean
  /** Summary of what an attempt that did not succeed had come to. */
  readonly partial: () => AnswerSummary | undefined
  /** Epoch milliseconds of the first token, where that is what an answer's latency means. */
  readonly firstTokenAt: () => number | undefined
  /** Makes the call of one of two attempts at once, of which nothing goes out unless `mayAnswer` lets it. */
  readonly rival: (mayAnswer: () => boolean) => UpstreamCall<A>
  /** Set of such a call. */
  readonly race?: {
    /** It began beside the other one, which was late. */
    readonly isHedge: boolean
    /** The other one is the answer. */
    readonly isCut: () => boolean
  }
}

export const callWhole = (deadline: Deadline): UpstreamCall<Completion> => ({
  mode: "whole",
  deadline,
  attempt: ({ call }, remainingMs, patienceMs, context) =>
    call.complete(Math.min(remainingMs, patienceMs), context),
  committed: () => false,
  partial: () => undefined,
  firstTokenAt: () => undefined,
  // Whole answers go out when all is over.
  rival: () => callWhole(deadline),
})

export const callStreamed = (
  answer: StreamedAnswer,
  timeouts: Pick<Timeouts, "firstTokenMs">,
  deadline: Deadline,
): UpstreamCall<AnswerSummary> => ({
  mode: "stream",
  deadline,
  attempt: (candidate, remainingMs, patienceMs, context) => {
    const { call, provider, model } = candidate
    answer.begin(candidate)
    const fail = (kind: ProviderErrorKind, detail: string) =>
      new ProviderError({ kind, provider: provider.name, model: model.name, detail })
    const silence = Effect.andThen(
      Effect.sleep(Math.min(timeouts.firstTokenMs, patienceMs)),
      Effect.suspend(() =>
        answer.committed || context.answerRoom?.heldUpAt !== undefined
          ? Effect.never
          : Effect.fail(fail("timeout", "no first token")),
      ),
    )
    return Effect.raceFirst(call.stream(remainingMs, answer, context), silence).pipe(
      Effect.mapError((error) =>
        // A provider that its client holds up is not late.
        error.kind === "timeout" && answer.full ? fail("client_too_slow", "paused") : error,
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
  rival: (mayAnswer) => {
    const call = callStreamed(answer.rival(mayAnswer), timeouts, deadline)
    const attempt: typeof call.attempt = (...asked) =>
      Effect.map(call.attempt(...asked), () => answer.summary())
    return { ...call, attempt }
  },
})
