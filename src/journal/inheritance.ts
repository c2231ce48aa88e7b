import { Effect, Metric } from "effect"
import type { LedgerRecord } from "../ledger/LedgerRecord.ts"
import { endedAtMs } from "../ledger/ledger-entry.ts"
import { ledgerDropped, ledgerReadFailures, ledgerTornBytes } from "../observability/Metrics.ts"
import { codeOf } from "../platform/error-code.ts"
import { payloadId, payloadLine, RECORD } from "./frame.ts"
import { lostRequest } from "./intents.ts"
import type { Inheritance } from "./Journal.ts"
import { type OwnedDirectory, removeDirectory } from "./process-directory.ts"
import { makeSegment, type Segment } from "./SegmentWriter.ts"
import { type ScannedSegment, scanSegments } from "./scan-segments.ts"
import { makeSegmentQueue } from "./segment-queue.ts"

/** Reads everything once: what is whole, what is not, and which requests were cut off. */
const survey = async (directory: string) => {
  const segments = new Map<string, Segment>()
  /** Lines of the calls of requests that have no record. */
  const unfinished = new Map<string, Array<string>>()
  const scanned = await scanSegments(directory, (frame, window, path) => {
    const id = payloadId(window, frame)
    if (frame.kind === RECORD) {
      const segment = segments.get(path) ?? makeSegment(path)
      if (segment.records === 0) segment.oldestMs = endedAtMs(payloadLine(window, frame))
      segment.records += 1
      segments.set(path, segment)
      unfinished.delete(id)
      return
    }
    const lines = unfinished.get(id) ?? []
    lines.push(payloadLine(window, frame))
    unfinished.set(id, lines)
  })
  return {
    scanned,
    segments: scanned.map(({ path, bytes }) => ({
      ...(segments.get(path) ?? makeSegment(path)),
      size: bytes,
    })),
    unfinished,
  }
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

/** What a dead process left; undefined when it cannot be read now, and is anybody's again. */
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
    Effect.catch(effect, ({ cause }) =>
      Effect.logError("the journal of a dead process cannot be read", {
        directory: directory.path,
        code: codeOf(cause),
      }).pipe(
        Effect.andThen(Metric.update(ledgerReadFailures, 1)),
        Effect.andThen(directory.release),
        Effect.as(undefined),
      ),
    ),
)
