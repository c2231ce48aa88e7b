import { Context, Data, Effect, Layer, Result, Schedule } from "effect"
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
    /** Takes one in-flight slot until the returned function is called, once, when the request's response is over. */
    readonly enter: () => Result.Result<() => void, Overloaded>
    readonly inFlight: () => number
  }
>()("gateway/limits/LoadShedder") {
  static readonly layerNoDeps = Layer.effect(
    LoadShedder,
    Effect.gen(function* () {
      const { maxInFlight, maxEventLoopDelayMs } = (yield* Settings).gateway.limits
      const eventLoopDelay = yield* EventLoopDelay
      const update = yield* Metrics.updater
      let inFlight = 0
      let previousMs = 0
      let currentMs = 0

      yield* Effect.sync(() => {
        previousMs = currentMs
        currentMs = eventLoopDelay.take()
      }).pipe(Effect.repeat(Schedule.spaced(SAMPLE_EVERY_MS)), Effect.forkScoped)
      yield* Metrics.observe(Metrics.inFlight, () => inFlight)
      yield* Metrics.observe(Metrics.eventLoopDelay, () => currentMs / 1000)

      const refuse = (reason: Overloaded["reason"]) => {
        update(Metrics.shed(reason), 1)
        return Result.fail(new Overloaded({ reason, retryAfterMs: RETRY_AFTER_MS }))
      }

      const leave = () => {
        inFlight -= 1
      }

      const enter = (): Result.Result<() => void, Overloaded> => {
        if (inFlight >= maxInFlight) return refuse("in_flight")
        // Two periods in a row: one long task delays everyone once, and shedding would not undo it.
        if (Math.min(previousMs, currentMs) > maxEventLoopDelayMs) return refuse("event_loop_delay")
        inFlight += 1
        return Result.succeed(leave)
      }

      return LoadShedder.of({ enter, inFlight: () => inFlight })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(EventLoopDelay.layer))
}
