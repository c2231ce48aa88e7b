import { monitorEventLoopDelay } from "node:perf_hooks"
import { Context, Effect, Layer } from "effect"

const RESOLUTION_MS = 10

/** Measures how late the event loop runs its timers: the one number that says that the process itself is saturated. */
export class EventLoopDelay extends Context.Service<
  EventLoopDelay,
  {
    /** Returns the mean delay in milliseconds since the last call, and starts the next period. */
    readonly take: () => number
  }
>()("gateway/limits/EventLoopDelay") {
  static readonly layer = Layer.effect(
    EventLoopDelay,
    Effect.gen(function* () {
      const histogram = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
          histogram.enable()
          return histogram
        }),
        (histogram) => Effect.sync(() => histogram.disable()),
      )
      return EventLoopDelay.of({
        take: () => {
          // The histogram holds intervals between ticks, so an idle loop reads as the resolution.
          const delayMs = histogram.count === 0 ? 0 : histogram.mean / 1e6 - RESOLUTION_MS
          histogram.reset()
          return Math.max(0, delayMs)
        },
      })
    }),
  )
}
