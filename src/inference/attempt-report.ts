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
  return (
    key: string,
    { kind, status, detail }: ProviderError,
    recorder: RequestRecorder,
  ): Effect.Effect<void> =>
    Effect.flatMap(monotonicMs, (nowMs) => {
      const sinceMs = nowMs - (reportedAt.get(key) ?? Number.NEGATIVE_INFINITY)
      if (isClientsAlone(kind, detail) || sinceMs < LOG_EVERY_MS) return Effect.void
      reportedAt.set(key, nowMs)
      const { blame } = dispositions[kind]
      const said =
        blame === "operator" || blame === "credentials"
          ? Effect.logError("A provider refuses the gateway: look after its account or key")
          : Effect.logWarning("An upstream attempt failed")
      return Effect.annotateLogs(said, {
        target: key,
        kind,
        request_id: recorder.requestId,
        ...(status === undefined ? {} : { status }),
        ...(detail === undefined ? {} : { detail }),
      })
    })
}

/** Tells of what nobody but the client has to look at. A provider says nothing of a client that does not read. */
const isClientsAlone = (kind: ProviderError["kind"], detail: string | undefined): boolean =>
  isAboutRequest(kind) && (detail === undefined || kind === "client_too_slow")
