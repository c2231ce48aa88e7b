import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { codeOf } from "../platform/error-code.ts"
import { isLocked } from "../platform/file-lock.ts"
import { RECORD } from "./frame.ts"
import { entryAt, idAt } from "./payload.ts"
import { scanSegments } from "./scan-segments.ts"

/** Records of one process that are listed; more are only counted. */
const MAX_RECORDS = 100_000

const UNKNOWN_TIMES = { startedMs: Number.NaN, endedMs: Number.NaN }

/** Readings of a living process at most: it writes, and starts its file anew, while it is read. */
const READINGS = 4

export interface WaitingRecord {
  readonly id: string
  readonly startedMs: number
  readonly endedMs: number
}

/** Reads a record's times from its line. */
type TimesOf = (line: string) => Pick<WaitingRecord, "startedMs" | "endedMs"> | undefined

/** A process's part of the journal. */
export interface ProcessJournal {
  readonly name: string
  readonly alive: boolean
  readonly segments: number
  readonly bytes: number
  /** Whole ones. Some may be in the database already: a segment goes when all of it is. */
  readonly records: number
  /** The first of them. */
  readonly first: ReadonlyArray<WaitingRecord>
  /** Requests with calls to providers and no record: under way, or cut off. */
  readonly unfinished: number
  readonly gaps: number
  readonly damagedBytes: number
  /** Number of records that were in its files for certain and are not found. */
  readonly lost: number
  /** Code of the system call that failed, if one did. */
  readonly unreadable: string | undefined
}

/** Tells what each process has in the journal's directory. Changes nothing. */
export const inspectJournal = (
  journal: string,
  timesOf: TimesOf,
): Effect.Effect<ReadonlyArray<ProcessJournal>> =>
  Effect.gen(function* () {
    const names = yield* Effect.promise(() => directoriesIn(journal))
    return yield* Effect.forEach(names, (name) => inspectProcess(journal, name, timesOf))
  })

/** Returns the names of directories in order; none when there is no journal. */
const directoriesIn = async (journal: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(journal, { withFileTypes: true }).catch(() => [])
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted()
}

const inspectProcess = Effect.fnUntraced(function* (journal: string, name: string, timesOf: TimesOf) {
  const path = join(journal, name)
  // A lock that cannot be looked at is taken for held.
  const alive = yield* Effect.orElseSucceed(isLocked(join(path, "lock")), () => true)
  for (let readings = 1; ; readings++) {
    const found = yield* Effect.promise(() => readDirectory(path, timesOf).catch(unreadable))
    if (found.gaps + found.lost === 0 || !alive || readings === READINGS) return { name, alive, ...found }
    yield* Effect.sleep("50 millis")
  }
})

type Contents = Omit<ProcessJournal, "name" | "alive">

const unreadable = (cause: unknown): Contents => ({
  ...{ segments: 0, bytes: 0, records: 0, first: [], unfinished: 0, gaps: 0, damagedBytes: 0, lost: 0 },
  unreadable: codeOf(cause) === "ENOENT" ? undefined : codeOf(cause),
})

const readDirectory = async (path: string, timesOf: TimesOf): Promise<Contents> => {
  const first: Array<WaitingRecord> = []
  const unfinished = new Set<string>()
  let records = 0
  const segments = await scanSegments(path, (frame, window, { version }) => {
    const id = idAt(window, frame)
    if (frame.kind !== RECORD) {
      unfinished.add(id)
      return
    }
    unfinished.delete(id)
    records += 1
    if (first.length < MAX_RECORDS) {
      first.push({ id, ...(timesOf(entryAt(window, frame, version).line) ?? UNKNOWN_TIMES) })
    }
  })
  return {
    segments: segments.length,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    records,
    first,
    unfinished: unfinished.size,
    gaps: segments.reduce((sum, { damage }) => sum + damage.gaps, 0),
    damagedBytes: segments.reduce((sum, { damage }) => sum + damage.gapBytes, 0),
    lost: segments.reduce((sum, { damage }) => sum + damage.lostRecords, 0),
    unreadable: undefined,
  }
}
