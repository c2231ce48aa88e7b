import { Context, Deferred, Effect, Layer } from "effect"

type Phase = "starting" | "ready" | "draining"

/**
 * What `/readyz` reports. Only starting and draining take the gateway out of rotation; trouble that requests
 * survive (a database outage) is `degraded` and stays 200, or one dead database would take every replica out.
 */
export class Readiness extends Context.Service<
  Readiness,
  {
    readonly phase: () => Phase
    readonly setPhase: (phase: Phase) => void
    /** Returns when the process begins to stop. */
    readonly draining: Effect.Effect<void>
  }
>()("gateway/http/Readiness") {
  static readonly layer = Layer.sync(Readiness, () => {
    let current: Phase = "starting"
    const draining = Deferred.makeUnsafe<void>()
    return Readiness.of({
      phase: () => current,
      setPhase: (phase) => {
        current = phase
        if (phase === "draining") Deferred.doneUnsafe(draining, Effect.void)
      },
      draining: Deferred.await(draining),
    })
  })
}
