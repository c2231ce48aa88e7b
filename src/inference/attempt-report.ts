import { Effect } from "effect"
import { dispositions, isAboutRequest, type ProviderError } from "../domain/ProviderError.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

/** One line per candidate in this time: an outage must be visible in the log, not fill it. */
const LOG_EVERY_MS = 10_000

/**
 * Makes the log for operators: trouble that is theirs, as an error, or the provider's. The client is told of its own
 * mistakes, unless a provider's words about them are withheld.
 */
export const makeReport = () => {
  const reportedAt = new Map<string, number>()
  return (target: string, error: ProviderError, recorder: RequestRecorder): Effect.Effect<void> => {
    const { detail, key, kind, status } = error
    const ofCandidate = Effect.flatMap(monotonicMs, (nowMs) => {
      const sinceMs = nowMs - (reportedAt.get(target) ?? Number.NEGATIVE_INFINITY)
      if (isClientsAlone(kind, detail) || sinceMs < LOG_EVERY_MS) return Effect.void
      reportedAt.set(target, nowMs)
      const { blame } = dispositions[kind]
      const said =
        blame === "operator" || blame === "credentials"
          ? Effect.logError("A provider refuses the gateway: look after its account or key")
          : Effect.logWarning("An upstream attempt failed")
      return Effect.annotateLogs(said, {
        target,
        kind,
        request_id: recorder.requestId,
        ...(status === undefined ? {} : { status }),
        ...(detail === undefined ? {} : { detail }),
      })
    })
    if (key === undefined) return ofCandidate
    const ofKey = key.startsRest ? reportKey(key.name, error) : Effect.void
    return key.othersFree ? ofKey : Effect.andThen(ofKey, ofCandidate)
  }
}

/** Told once for each rest. */
const reportKey = (key: string, { kind, model, provider, status }: ProviderError): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning("A key of a pool is refused and rests: look after it or its account"),
    { key, kind, provider, model, ...(status !== undefined && { status }) },
  )

/** Tells of what nobody but the client has to look at. A provider says nothing of a client that does not read. */
const isClientsAlone = (kind: ProviderError["kind"], detail: string | undefined): boolean =>
  isAboutRequest(kind) && (detail === undefined || kind === "client_too_slow")
