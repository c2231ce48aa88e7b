import { Context, Layer } from "effect"

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
  }
>()("gateway/http/Readiness") {
  static readonly layer = Layer.sync(Readiness, () => {
    let current: Phase = "starting"
    return Readiness.of({
      phase: () => current,
      setPhase: (phase) => {
        current = phase
      },
    })
  })
}
