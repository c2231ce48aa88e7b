import { Effect, Metric } from "effect"
import { ledgerDropped, ledgerReadFailures, ledgerTornBytes } from "../observability/Metrics.ts"
import { codeOf } from "../platform/error-code.ts"
import { RECORD } from "./frame.ts"
import type { Orphan } from "./Journal.ts"
import { entryAt, idAt, intentAt } from "./payload.ts"
import { type OwnedDirectory, removeDirectory } from "./process-directory.ts"
import { SegmentQueue } from "./SegmentQueue.ts"
import { type ScannedSegment, scanSegments } from "./scan-segments.ts"
import { makeSegment, type Segment } from "./segment.ts"

/** Takes over what a dead process left; undefined when it cannot be read now, and is anybody's again. */
export const recoverOrphan = Effect.fnUntraced(
  function* (directory: OwnedDirectory) {
    const { scanned, segments, unfinished } = yield* Effect.tryPromise(() => survey(directory.path))
    yield* Effect.forEach(scanned, reportDamage, { discard: true })
    const records = segments.reduce((sum, segment) => sum + segment.records, 0)
    let bytes = segments.reduce((sum, { size }) => sum + size, 0)
    const queue = new SegmentQueue({
      segments,
      appended: () => records,
      active: () => undefined,
      onDrained: () => {},
      onRemoved: ({ size }) => {
        bytes -= size
      },
    })
    yield* Effect.addFinalizer(() => Effect.sync(queue.closeFile))
    return {
      name: directory.name,
      queue,
      bytes: () => bytes,
      unfinished,
      remove: Effect.andThen(
        // Segments without a record are still there.
        Effect.ignore(queue.peek(1)),
        Effect.suspend(() => removeDirectory(directory)),
      ),
    } satisfies Orphan
  },
  (effect, directory) => Effect.catch(effect, ({ cause }) => giveBack(directory, cause)),
)

/** Reads everything once: what is whole, what is not, and which requests have intents and no record. */
const survey = async (directory: string) => {
  const segments = new Map<string, Segment>()
  const unfinished = new Map<string, Array<string>>()
  const scanned = await scanSegments(directory, (frame, window, { path, version }) => {
    if (frame.kind === RECORD) {
      const segment = segments.get(path) ?? makeSegment(path, version)
      if (segment.records === 0) segment.oldestMs = entryAt(window, frame, version).endedMs
      segment.records += 1
      segments.set(path, segment)
      unfinished.delete(idAt(window, frame))
      return
    }
    const id = idAt(window, frame)
    const intents = unfinished.get(id) ?? []
    const intent = intentAt(window, frame)
    // One that was carried into a later segment is there twice.
    if (!intents.includes(intent)) intents.push(intent)
    unfinished.set(id, intents)
  })
  return {
    scanned,
    segments: scanned.map(({ path, version, bytes }) => ({
      ...(segments.get(path) ?? makeSegment(path, version)),
      size: bytes,
    })),
    unfinished: [...unfinished.values()],
  }
}

const reportDamage = Effect.fnUntraced(function* ({ path: file, damage }: ScannedSegment) {
  const { tornBytes, gaps, gapBytes, lostRecords, lostIsAll } = damage
  if (tornBytes > 0) {
    yield* Metric.update(ledgerTornBytes, tornBytes)
    yield* Effect.logWarning("unfinished end of a ledger journal dropped", { file, bytes: tornBytes })
  }
  if (lostRecords > 0) {
    yield* Metric.update(ledgerDropped("damaged"), lostRecords)
    yield* Effect.logError(
      `ledger journal damaged, ${lostIsAll ? "" : "at least "}${lostRecords} records lost`,
      {
        file,
        records: lostRecords,
        gaps,
        bytes: gapBytes,
      },
    )
  } else if (gaps > 0) {
    yield* Effect.logWarning("ledger journal damaged, no record lost, but notes of calls to providers", {
      file,
      gaps,
      bytes: gapBytes,
    })
  }
})

const giveBack = (directory: OwnedDirectory, cause: unknown): Effect.Effect<undefined> =>
  Effect.logError("the journal of a dead process cannot be read", {
    directory: directory.path,
    code: codeOf(cause),
  }).pipe(
    Effect.andThen(Metric.update(ledgerReadFailures, 1)),
    Effect.andThen(directory.release),
    Effect.as(undefined),
  )
