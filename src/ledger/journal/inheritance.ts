import { Effect, Metric } from "effect"
import { ledgerDropped, ledgerTornBytes } from "../../observability/Metrics.ts"
import type { Inheritance } from "../Journal.ts"
import type { LedgerRecord } from "../LedgerRecord.ts"
import { payloadId, payloadLine, RECORD } from "./frame.ts"
import { lostRequest } from "./intents.ts"
import { type OwnedDirectory, removeDirectory } from "./process-directory.ts"
import type { Segment } from "./SegmentWriter.ts"
import { type ScannedSegment, scanSegments } from "./scan-segments.ts"
import { makeSegmentQueue } from "./segment-queue.ts"

/** Reads everything once: what is whole, what is not, and which requests were cut off. */
const survey = async (directory: string) => {
  const records = new Map<string, number>()
  /** Lines of the calls of requests that have no record. */
  const unfinished = new Map<string, Array<string>>()
  const scanned = await scanSegments(directory, (frame, window, path) => {
    const id = payloadId(window, frame)
    if (frame.kind === RECORD) {
      records.set(path, (records.get(path) ?? 0) + 1)
      unfinished.delete(id)
      return
    }
    const lines = unfinished.get(id) ?? []
    lines.push(payloadLine(window, frame))
    unfinished.set(id, lines)
  })
  const segments = scanned.map(
    ({ path, bytes }): Segment => ({ path, size: bytes, records: records.get(path) ?? 0 }),
  )
  return { scanned, segments, unfinished }
}

const report = Effect.fnUntraced(function* ({ path: file, damage }: ScannedSegment) {
  const { tornBytes, gaps, gapBytes } = damage
  if (tornBytes > 0) {
    yield* Metric.update(ledgerTornBytes, tornBytes)
    yield* Effect.logWarning("unfinished end of a ledger journal dropped", { file, bytes: tornBytes })
  }
  if (gaps > 0) {
    yield* Metric.update(ledgerDropped("damaged"), gaps)
    yield* Effect.logError("ledger journal damaged, at least one record lost in each gap", {
      file,
      gaps,
      bytes: gapBytes,
    })
  }
})

/** What a dead process left; undefined when it cannot be read now, and stays for the next start. */
export const inherit = Effect.fnUntraced(
  function* (directory: OwnedDirectory) {
    const { scanned, segments, unfinished } = yield* Effect.tryPromise(() => survey(directory.path))
    yield* Effect.forEach(scanned, report, { discard: true })
    const records = segments.reduce((sum, segment) => sum + segment.records, 0)
    const lost = [...unfinished.values()].flatMap((lines): ReadonlyArray<LedgerRecord> => {
      const request = lostRequest(lines)
      return request === undefined ? [] : [request]
    })
    let bytes = segments.reduce((sum, { size }) => sum + size, 0)
    const queue = makeSegmentQueue({
      segments,
      active: () => undefined,
      taken: () => records,
      drained: () => {},
      left: ({ size }) => {
        bytes -= size
      },
    })
    yield* Effect.addFinalizer(() => Effect.sync(queue.closeFile))
    return {
      queue,
      bytes: () => bytes,
      lost,
      remove: Effect.andThen(
        // Segments without a record are still there.
        Effect.ignore(queue.peek(1)),
        Effect.suspend(() => removeDirectory(directory)),
      ),
    } satisfies Inheritance
  },
  (effect, directory) =>
    Effect.catch(effect, (error) =>
      Effect.as(
        Effect.logError("the journal of a dead process cannot be read", { directory: directory.path, error }),
        undefined,
      ),
    ),
)
