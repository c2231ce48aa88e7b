import { Context, Effect, Layer, Semaphore } from "effect"

/** Longest time that is left to others at once; waits for turns of the loop count in what the work took. */
const LONGEST_PAUSE_MS = 250

/**
 * Gives turns to work that keeps the event loop to itself: one after the other, and after each as much time for others as
 * it took. A client that sends nothing but large bodies gets half of the loop at most.
 */
export class LargeBodies extends Context.Service<
  LargeBodies,
  { readonly inTurn: <A, E>(work: Effect.Effect<A, E>) => Effect.Effect<A, E> }
>()("gateway/http/LargeBodies") {
  static readonly layer = Layer.effect(
    LargeBodies,
    Effect.map(Semaphore.make(1), (turn) => {
      const passOn = (tookMs: number) =>
        Effect.sleep(Math.min(tookMs, LONGEST_PAUSE_MS)).pipe(
          Effect.andThen(turn.release(1)),
          Effect.forkDetach,
        )
      return LargeBodies.of({
        inTurn: (work) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(turn.take(1)), () => {
              const startedAt = performance.now()
              return Effect.ensuring(
                restore(work),
                Effect.suspend(() => passOn(performance.now() - startedAt)),
              )
            }),
          ),
      })
    }),
  )
}
