import { Effect, Metric } from "effect"
import { type Journal, sizeOf } from "../journal/Journal.ts"
import { upstreamAttempts } from "../observability/Metrics.ts"
import type { BatchShipper } from "./BatchShipper.ts"
import { lostRequest } from "./lost-request.ts"
import type { RecordIntake } from "./RecordIntake.ts"

/** Takes over the journals of all dead processes, and records the requests that they were working on. */
export const recoverOrphans = Effect.fnUntraced(function* (
  journal: Journal,
  intake: RecordIntake,
  shipper: BatchShipper,
) {
  for (;;) {
    const orphan = yield* journal.recoverOrphan
    if (orphan === undefined) break
    // Recorded first: an orphan goes when its own records are shipped.
    const lost = orphan.unfinished.flatMap((intents) => lostRequest(intents) ?? [])
    for (const request of lost) {
      yield* intake.record(request)
      for (const { provider, model } of request.attempts)
        yield* Metric.update(upstreamAttempts(provider, model, "lost"), 1)
    }
    shipper.add(orphan)
    const records = sizeOf(orphan.queue)
    if (records + lost.length > 0) {
      yield* Effect.logWarning("took over the journal of a process that died", {
        records,
        requestsCutOff: lost.length,
      })
    }
  }
  shipper.orphansFound()
})
