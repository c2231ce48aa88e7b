import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Metric } from "effect"
import { ledgerDropped, ledgerTornBytes } from "../../observability/Metrics.ts"
import type { Inheritance } from "../Journal.ts"
import type { LedgerRecord } from "../LedgerRecord.ts"
import { payloadId, payloadLine, RECORD, SEGMENT_HEADER, SEGMENT_SUFFIX } from "./frame.ts"
import { lostRequest } from "./intents.ts"
import { type OwnedDirectory, removeDirectory } from "./process-directory.ts"
import { makeWindow, type Reading, readFrames } from "./read-frames.ts"
import type { Segment } from "./SegmentWriter.ts"
import { makeSegmentQueue } from "./segment-queue.ts"

interface Survey {
  readonly segments: Array<Segment>
  /** Lines of the calls of requests that have no record. */
  readonly unfinished: ReadonlyMap<string, ReadonlyArray<string>>
  readonly findings: ReadonlyArray<{ readonly file: string; readonly reading: Reading }>
}

/** Reads everything once: what is whole, and which requests were cut off. */
const survey = async (directory: string): Promise<Survey> => {
  const names = (await readdir(directory)).filter((name) => name.endsWith(SEGMENT_SUFFIX)).toSorted()
  const window = makeWindow()
  const unfinished = new Map<string, Array<string>>()
  const segments: Array<Segment> = []
  const findings: Array<Survey["findings"][number]> = []
  for (const name of names) {
    const segment = { path: join(directory, name), size: 0, records: 0 }
    segment.size = (await stat(segment.path)).size
    const file = await open(segment.path)
    try {
      const reading = await readFrames(file, window, SEGMENT_HEADER.length, segment.size, (frame) => {
        const id = payloadId(window, frame)
        if (frame.kind === RECORD) {
          segment.records += 1
          unfinished.delete(id)
          return true
        }
        const lines = unfinished.get(id) ?? []
        lines.push(payloadLine(window, frame))
        unfinished.set(id, lines)
        return true
      })
      findings.push({ file: segment.path, reading })
    } finally {
      await file.close()
    }
    segments.push(segment)
  }
  return { segments, unfinished, findings }
}

/**
 * A crash leaves the last frame unfinished at most: nobody was told that it was taken, so that nothing is lost with it.
 * Other bytes that are no frame were records, or calls, until the disk lost them.
 */
const report = ({ file, reading }: Survey["findings"][number]): Effect.Effect<void> => {
  const torn = reading.tailTorn ? reading.tailBytes : 0
  const gaps = reading.gaps + (reading.tailBytes > torn ? 1 : 0)
  const damagedBytes = reading.gapBytes + reading.tailBytes - torn
  return Effect.gen(function* () {
    if (torn > 0) {
      yield* Metric.update(ledgerTornBytes, torn)
      yield* Effect.logWarning("unfinished end of a ledger journal dropped", { file, bytes: torn })
    }
    if (gaps > 0) {
      yield* Metric.update(ledgerDropped("damaged"), gaps)
      yield* Effect.logError("ledger journal damaged, at least one record lost in each gap", {
        file,
        gaps,
        bytes: damagedBytes,
      })
    }
  })
}

/** What a dead process left; undefined when it cannot be read now, and stays for the next start. */
export const inherit = Effect.fnUntraced(
  function* (directory: OwnedDirectory) {
    const { segments, unfinished, findings } = yield* Effect.tryPromise(() => survey(directory.path))
    yield* Effect.forEach(findings, report, { discard: true })
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
