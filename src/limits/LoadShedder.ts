import { Context, Data, type Effect, type Scope } from "effect"

export class Overloaded extends Data.TaggedError("Overloaded")<{
  readonly reason: "in_flight" | "event_loop_delay"
  readonly retryAfterMs: number
}> {}

/** Refuses new work early when the process is saturated, so that admitted work keeps its latency. */
export class LoadShedder extends Context.Service<
  LoadShedder,
  {
    /** Holds one in-flight slot until the scope closes. */
    readonly admit: Effect.Effect<void, Overloaded, Scope.Scope>
    readonly inFlight: () => number
  }
>()("gateway/limits/LoadShedder") {}
