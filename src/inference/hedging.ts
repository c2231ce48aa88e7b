import { Effect, Exit, Fiber } from "effect"
import type { AnswerSummary } from "../domain/Chat.ts"
import { dispositions, type ProviderError } from "../domain/ProviderError.ts"
import { makeUsage } from "../domain/Usage.ts"
import type { Candidate } from "../routing/plan.ts"
import type { UpstreamCall } from "./upstream-call.ts"

interface Hedged<A extends AnswerSummary, B> {
  readonly call: UpstreamCall<A>
  readonly candidates: readonly [Candidate, Candidate]
  /** Makes one of the attempts with a call of its own. */
  readonly attempt: (candidate: Candidate, call: UpstreamCall<A>) => Effect.Effect<B, ProviderError>
  readonly afterMs: number
  /** Asked once, when the first one is late; false: it stays alone. */
  readonly mayStart: () => boolean
}

/**
 * Makes an attempt, and a second one beside it once the first is late. Who says something first, or answers whole, is the answer;
 * the other is interrupted at once, and its record is there before the answer's. When one fails the other goes on, unless the
 * failure says that nobody should; when both fail, it is as if the first one had.
 */
export const hedged = <A extends AnswerSummary, B>({
  afterMs,
  attempt,
  call,
  candidates,
  mayStart,
}: Hedged<A, B>): Effect.Effect<B, ProviderError> =>
  Effect.suspend(() => {
    let winner: Place | undefined
    const fibers: Array<Fiber.Fiber<B, ProviderError>> = []

    const claim = (place: Place): boolean => {
      if (winner === undefined) {
        winner = place
        const other = fibers[otherOf(place)]
        // Not within the parser that has just brought the first token.
        if (other !== undefined) queueMicrotask(() => other.interruptUnsafe())
      }
      return winner === place
    }

    const start = (place: Place) => {
      const candidate = candidates[place]
      const rival = call.rival(() => claim(place))
      const isCut = () => winner === otherOf(place)
      const own: UpstreamCall<A> = {
        ...rival,
        attempt: (...asked) =>
          rival.attempt(...asked).pipe(
            // Whose answer comes too late is being interrupted.
            Effect.flatMap((answer) => (claim(place) ? Effect.succeed(answer) : Effect.never)),
            Effect.onExit(() => {
              const other = fibers[otherOf(place)]
              return winner === place && other !== undefined ? Fiber.interrupt(other) : Effect.void
            }),
          ),
        partial: () => {
          const spent = rival.partial()
          return isCut() && spent?.usage == null ? estimate(candidate, call.mode) : spent
        },
        race: { isHedge: place === 1, isCut },
      }
      return Effect.map(Effect.forkChild(attempt(candidate, own), { startImmediately: true }), (fiber) => {
        fibers[place] = fiber
        return fiber
      })
    }

    return Effect.gen(function* () {
      const first = yield* start(0)
      yield* Effect.raceFirst(Fiber.await(first), Effect.sleep(afterMs))
      if (first.pollUnsafe() !== undefined || winner !== undefined || !mayStart()) {
        return yield* Fiber.join(first)
      }
      const second = yield* start(1)
      const place = yield* Effect.raceFirst(
        Effect.as(Fiber.await(first), 0 as const),
        Effect.as(Fiber.await(second), 1 as const),
      )
      const [one, other] = place === 0 ? [first, second] : [second, first]
      const exit = yield* Fiber.await(one)
      const goesOn = winner === undefined ? leavesOther(exit) : winner !== place
      if (!goesOn) {
        claim(place)
        yield* Fiber.interrupt(other)
        return yield* exit
      }
      const last = yield* Fiber.await(other)
      return yield* winner === undefined && place === 0 ? exit : last
    }).pipe(Effect.onExit(() => Fiber.interruptAll(fibers)))
  })

/** 0 the one that was asked first, 1 the hedge. */
type Place = 0 | 1

const otherOf = (place: Place): Place => (place === 0 ? 1 : 0)

/** Tells that what one attempt ended with says nothing against the other. */
const leavesOther = (exit: Exit.Exit<unknown, ProviderError>): boolean => {
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" && dispositions[error.value.kind].fallback !== "no"
}

/**
 * Estimates what a call used that was cut before it said so: all of its input, and of a whole answer as much as was expected of it,
 * since vendors may well go on.
 */
const estimate = (
  { expectedOutputTokens, features, model }: Candidate,
  mode: UpstreamCall<AnswerSummary>["mode"],
): AnswerSummary => ({
  text: "",
  finishReason: null,
  model: model.name,
  usage: makeUsage({
    inputTokens: Math.round(features.inputTokens),
    cachedTokens: Math.round(features.cachedTokens),
    outputTokens: mode === "whole" && model.kind === "chat" ? Math.round(expectedOutputTokens) : 0,
  }),
  usageEstimated: true,
  rawUsage: null,
})
