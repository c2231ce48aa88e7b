import { Context, Deferred, Effect, Layer } from "effect"
import { monotonicMs } from "./monotonic.ts"
import { ReadTurns } from "./ReadTurns.ts"

/** Bytes of JSON that are understood within a few milliseconds, whatever they are. */
export const SMALL_BODY_BYTES = 128 * 1024

/** Longest time that is left to others at once; waits for turns of the loop count in what the work took. */
const LONGEST_PAUSE_MS = 250

/** A body's turn is due when so many of its bytes could have been worked on, so that small ones pass large ones. */
const BYTES_PER_MS = 2_500

/** A body that waits for its turn, or has it. */
interface Place {
  readonly dueMs: number
  readonly turn: Deferred.Deferred<void>
}

/**
 * Gives turns to work that keeps the event loop to itself: one after the other, and after each as much time for others as
 * it took. A client that has nothing but large bodies gets half of the loop at most.
 */
export class LargeBodies extends Context.Service<
  LargeBodies,
  {
    /** Does the work for a body of so many bytes in its turn. */
    readonly inTurn: <A, E>(bytes: number, work: Effect.Effect<A, E>) => Effect.Effect<A, E>
    /** Turns of all who read much. */
    readonly readTurns: ReadTurns
  }
>()("gateway/platform/LargeBodies") {
  static readonly layer = Layer.sync(LargeBodies, () => {
    const waiting: Array<Place> = []
    let working: Place | undefined

    const next = (): void => {
      working = waiting.reduce<Place | undefined>(
        (first, place) => (first === undefined || place.dueMs < first.dueMs ? place : first),
        undefined,
      )
      if (working === undefined) return
      waiting.splice(waiting.indexOf(working), 1)
      Deferred.doneUnsafe(working.turn, Effect.void)
    }

    const leave = (place: Place, tookMs: number): Effect.Effect<unknown> => {
      if (place !== working) return Effect.sync(() => waiting.splice(waiting.indexOf(place), 1))
      return Effect.forkDetach(
        Effect.andThen(Effect.sleep(Math.min(tookMs, LONGEST_PAUSE_MS)), Effect.sync(next)),
      )
    }

    return LargeBodies.of({
      inTurn: (bytes, work) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(monotonicMs, (nowMs) => {
            const place: Place = { dueMs: nowMs + bytes / BYTES_PER_MS, turn: Deferred.makeUnsafe() }
            let startedAt = Number.POSITIVE_INFINITY
            waiting.push(place)
            if (working === undefined) next()
            return restore(Deferred.await(place.turn)).pipe(
              Effect.andThen(
                Effect.suspend(() => {
                  startedAt = performance.now()
                  return restore(work)
                }),
              ),
              Effect.ensuring(Effect.suspend(() => leave(place, Math.max(0, performance.now() - startedAt)))),
            )
          }),
        ),
      readTurns: new ReadTurns(),
    })
  })
}
