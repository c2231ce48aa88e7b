import { Context, Data, Effect, Layer, Metric, Schedule } from "effect"
import { Settings } from "../config/Settings.ts"
import * as Metrics from "../observability/Metrics.ts"
import { EventLoopDelay } from "./EventLoopDelay.ts"

export class Overloaded extends Data.TaggedError("Overloaded")<{
  readonly reason: "in_flight" | "event_loop_delay"
  readonly retryAfterMs: number
}> {}

const SAMPLE_EVERY_MS = 250
const RETRY_AFTER_MS = 1_000

/** Refuses new work early when the process is saturated, so that admitted work keeps its latency. */
export class LoadShedder extends Context.Service<
  LoadShedder,
  {
    /** Runs the effect in one in-flight slot, given back however it ends. Refused: the effect does not start. */
    readonly withSlot: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Overloaded, R>
    readonly inFlight: () => number
  }
>()("gateway/limits/LoadShedder") {
  static readonly layerNoDeps = Layer.effect(
    LoadShedder,
    Effect.gen(function* () {
      const { maxInFlight, maxEventLoopDelayMs } = (yield* Settings).gateway.limits
      const eventLoopDelay = yield* EventLoopDelay
      let inFlight = 0
      let previousMs = 0
      let currentMs = 0

      yield* Effect.sync(() => {
        previousMs = currentMs
        currentMs = eventLoopDelay.take()
      }).pipe(Effect.repeat(Schedule.spaced(SAMPLE_EVERY_MS)), Effect.forkScoped)
      yield* Metrics.observe(Metrics.inFlight, () => inFlight)
      yield* Metrics.observe(Metrics.eventLoopDelay, () => currentMs / 1000)

      const refuse = (reason: Overloaded["reason"]) =>
        Effect.andThen(
          Metric.update(Metrics.shed(reason), 1),
          new Overloaded({ reason, retryAfterMs: RETRY_AFTER_MS }),
        )

      const release = () => {
        inFlight -= 1
        return Effect.void
      }

      const withSlot = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Overloaded, R> =>
        Effect.uninterruptibleMask((restore): Effect.Effect<A, E | Overloaded, R> => {
          if (inFlight >= maxInFlight) return refuse("in_flight")
          // Two periods in a row: one long task delays everyone once, and shedding would not undo it.
          if (Math.min(previousMs, currentMs) > maxEventLoopDelayMs) return refuse("event_loop_delay")
          inFlight += 1
          return Effect.onExit(restore(effect), release)
        })

      return LoadShedder.of({ withSlot, inFlight: () => inFlight })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(EventLoopDelay.layer))
}
