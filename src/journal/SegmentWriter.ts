import { close, fdatasync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"
import { endedAtMs } from "../ledger/ledger-entry.ts"
import { codeOf } from "../platform/error-code.ts"
import { encodeFrame, type Kind, RECORD, SEGMENT_HEADER, SEGMENT_SUFFIX } from "./frame.ts"

/** What the writer does to the disk on the path of a request; a test puts a disk with faults in its place. */
export interface JournalDisk {
  readonly create: (path: string) => number
  readonly write: (file: number, bytes: Buffer, offset: number, length: number, position: number) => number
  readonly truncate: (file: number, size: number) => void
}

export const realDisk: JournalDisk = {
  create: (path) => openSync(path, "wx", 0o600),
  write: writeSync,
  truncate: ftruncateSync,
}

export interface Segment {
  readonly path: string
  /** Up to here everything is whole. */
  size: number
  records: number
  /** How far its reader came, and how many of its records that were. */
  position: number
  read: number
  /** When the first of the others ended, if there are any. */
  oldestMs: number | undefined
}

export const makeSegment = (path: string): Segment => ({
  path,
  size: 0,
  records: 0,
  position: SEGMENT_HEADER.length,
  read: 0,
  oldestMs: undefined,
})

/** After a fault the disk is left alone for this long: a failing one can take its time to say so. */
const PAUSE_MS = 1_000

/** What goes first into every new segment, so that older ones may be deleted. */
export type Carried = () => Iterable<{ readonly kind: Kind; readonly id: string; readonly line: string }>

/**
 * Appends frames to numbered segment files, synchronously: what `append` took is with the kernel and survives the death
 * of the process. A frame is there whole or not at all: after a short write, a full disk or an I/O error the file is
 * cut back to its last whole frame, and if that fails too the segment is left for a new one.
 */
export class SegmentWriter {
  /** Oldest first; the reader takes them off. */
  readonly segments: Array<Segment> = []
  /** Of all of them; the reader takes off what it takes away. */
  bytes = 0
  /** Code of the last fault, for the log. */
  fault: string | undefined
  private file: number | undefined
  /** What the file is of. */
  private growing: Segment | undefined
  private readonly directory: string
  private readonly segmentBytes: number
  private readonly carried: Carried
  private readonly now: () => number
  private readonly disk: JournalDisk
  private created = 0
  private dirty = false
  private pausedUntil = Number.NEGATIVE_INFINITY

  constructor(options: {
    readonly directory: string
    readonly segmentBytes: number
    readonly carried: Carried
    readonly now: () => number
    readonly disk: JournalDisk
  }) {
    this.directory = options.directory
    this.segmentBytes = options.segmentBytes
    this.carried = options.carried
    this.now = options.now
    this.disk = options.disk
  }

  /** False when the disk did not take it. */
  append(kind: Kind, id: string, line: string): boolean {
    const pause = this.pausedUntil - this.now()
    // A clock that was set back must not make it longer.
    if (pause > 0 && pause <= PAUSE_MS) return false
    const active = this.active
    if ((active === undefined || active.size >= this.segmentBytes) && !this.rotate()) return false
    return this.put(kind, id, line)
  }

  /** The one that still grows, if any; the reader may have taken it off. */
  get active(): Segment | undefined {
    const last = this.segments.at(-1)
    return this.file !== undefined && last === this.growing ? last : undefined
  }

  /** Forgets what the active segment holds. */
  reset(): void {
    const { file, active } = this
    if (file === undefined || active === undefined || active.size <= SEGMENT_HEADER.length) return
    try {
      this.disk.truncate(file, SEGMENT_HEADER.length)
    } catch {
      return
    }
    this.bytes -= active.size - SEGMENT_HEADER.length
    Object.assign(active, { ...makeSegment(active.path), size: SEGMENT_HEADER.length })
  }

  /** Tries the disk at once, also after a fault. */
  resume(): void {
    this.pausedUntil = Number.NEGATIVE_INFINITY
  }

  /** Asks the disk to keep what was written even if the machine loses power; what was written while it ran is next. */
  sync(done: () => void): void {
    const { file, dirty } = this
    this.dirty = false
    // Its failure is the next write's to report.
    if (file !== undefined && dirty) fdatasync(file, done)
    else done()
  }

  close(): void {
    if (this.file !== undefined) syncAndClose(this.file)
    this.file = undefined
  }

  private put(kind: Kind, id: string, line: string): boolean {
    const frame = encodeFrame(kind, id, line)
    const { active } = this
    if (frame === undefined || active === undefined || !this.write(active, frame)) return false
    if (kind === RECORD) {
      active.records += 1
      active.oldestMs ??= endedAtMs(line)
    }
    return true
  }

  private rotate(): boolean {
    const path = join(this.directory, `${String(++this.created).padStart(8, "0")}${SEGMENT_SUFFIX}`)
    const { file: previous, growing } = this
    try {
      this.file = this.disk.create(path)
    } catch (cause) {
      return this.failed(cause)
    }
    const next = makeSegment(path)
    this.segments.push(next)
    this.growing = next
    let whole = this.write(next, SEGMENT_HEADER)
    for (const { kind, id, line } of whole ? this.carried() : []) whole &&= this.put(kind, id, line)
    if (whole) {
      if (previous !== undefined) syncAndClose(previous)
      return true
    }
    if (this.file !== undefined) close(this.file)
    this.segments.pop()
    this.bytes -= next.size
    this.file = previous
    this.growing = growing
    try {
      unlinkSync(path)
    } catch {
      // Holds nothing that another segment does not hold.
    }
    return false
  }

  private write(segment: Segment, bytes: Buffer): boolean {
    const { file } = this
    if (file === undefined) return false
    try {
      let written = 0
      while (written < bytes.length) {
        const more = this.disk.write(file, bytes, written, bytes.length - written, segment.size + written)
        if (more === 0) throw new Error("nothing written")
        written += more
      }
    } catch (cause) {
      this.cutBack(file, segment)
      return this.failed(cause)
    }
    segment.size += bytes.length
    this.bytes += bytes.length
    this.dirty = true
    return true
  }

  private cutBack(file: number, segment: Segment): void {
    try {
      this.disk.truncate(file, segment.size)
    } catch {
      close(file)
      this.file = undefined
    }
  }

  private failed(cause: unknown): false {
    this.fault = codeOf(cause)
    this.pausedUntil = this.now() + PAUSE_MS
    return false
  }
}

const syncAndClose = (file: number) => fdatasync(file, () => close(file))
