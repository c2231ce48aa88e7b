import { close, fdatasync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs"
import { basename, join } from "node:path"
import { codeOf } from "../platform/error-code.ts"
import { FrameGroup } from "./FrameGroup.ts"
import { INTENT, PREVIOUS, RECORD } from "./frame.ts"
import { SEGMENT_HEADER, SEGMENT_SUFFIX } from "./payload.ts"
import { makeSegment, type Segment } from "./segment.ts"
import { WrittenNote } from "./WrittenNote.ts"

/** System calls of the writer on the path of a request; a test puts a disk with faults in their place. */
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

/** The disk is left alone for this long after a fault: a failing one can take its time to say so. */
const PAUSE_MS = 1_000

/** Intents that go first into every new segment, so that older ones may be deleted. */
type OpenIntents = () => Iterable<{ readonly id: string; readonly line: string }>

/**
 * Appends groups of frames to numbered segment files, synchronously: what `append` took is with the kernel and survives
 * the death of the process. A frame is there whole or not at all: after a short write, a full disk or an I/O error the
 * file is cut back to its last whole frame, and if that fails too the segment is left for a new one.
 */
export class SegmentWriter {
  /** Segments from the oldest on; the reader takes them off. */
  readonly segments: Array<Segment> = []
  /** Size of all segments; the reader takes off what it takes away. */
  bytes = 0
  /** Code of the last fault, for the log. */
  fault: string | undefined
  #file: number | undefined
  /** The segment that the file is of. */
  #growing: Segment | undefined
  readonly #note: WrittenNote
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #openIntents: OpenIntents
  readonly #now: () => number
  readonly #disk: JournalDisk
  #created = 0
  #dirty = false
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(options: {
    readonly directory: string
    readonly segmentBytes: number
    readonly openIntents: OpenIntents
    readonly now: () => number
    readonly disk: JournalDisk
  }) {
    this.#directory = options.directory
    this.#note = new WrittenNote(options.directory)
    this.#segmentBytes = options.segmentBytes
    this.#openIntents = options.openIntents
    this.#now = options.now
    this.#disk = options.disk
  }

  /** Returns how many of the group's frames the disk took: all, or those before a fault. */
  append(group: FrameGroup): number {
    if (this.isPausing()) return 0
    const active = this.active
    if ((active === undefined || active.size >= this.#segmentBytes) && !this.#rotate()) return 0
    return this.active === undefined ? 0 : this.#put(this.active, group)
  }

  /** Whether the disk is left alone after a fault. */
  isPausing(): boolean {
    if (this.#pausedUntil === Number.NEGATIVE_INFINITY) return false
    const pause = this.#pausedUntil - this.#now()
    // A clock that was set back must not make it longer.
    return pause > 0 && pause <= PAUSE_MS
  }

  /** Tries the disk at once, also after a fault. */
  resume(): void {
    this.#pausedUntil = Number.NEGATIVE_INFINITY
  }

  /** The segment that still grows, if any; the reader may have taken it off. */
  get active(): Segment | undefined {
    const last = this.segments.at(-1)
    return this.#file !== undefined && last === this.#growing ? last : undefined
  }

  /** Forgets what the active segment holds. */
  reset(): void {
    const { active } = this
    const file = this.#file
    if (file === undefined || active === undefined || active.size <= SEGMENT_HEADER.length) return
    if (!this.#note.forget(basename(active.path))) return
    try {
      this.#disk.truncate(file, SEGMENT_HEADER.length)
    } catch {
      return
    }
    this.bytes -= active.size - SEGMENT_HEADER.length
    Object.assign(active, { ...makeSegment(active.path), size: SEGMENT_HEADER.length })
  }

  /**
   * Asks the disk to keep what was written even if the machine loses power, and notes how much that is; what was written
   * while it ran is next.
   */
  sync(done: () => void): void {
    const file = this.#file
    const dirty = this.#dirty
    this.#dirty = false
    if (dirty && this.#growing !== undefined)
      this.#note.write(basename(this.#growing.path), this.#growing.records)
    // Its failure is the next write's to report.
    if (file !== undefined && dirty) fdatasync(file, done)
    else done()
  }

  /** Leaves a segment that says how many records the last one has: whoever reads them knows whether it has all. */
  markEnd(): void {
    if (this.#growing !== undefined) this.#rotate()
  }

  close(): void {
    if (this.#file !== undefined) syncAndClose(this.#file)
    this.#file = undefined
    this.#note.close()
  }

  /** Writes a group and returns how many of its frames are in the segment. */
  #put(segment: Segment, group: FrameGroup): number {
    group.seal(segment.records)
    const whole = this.#write(segment, group.bytes, group.ends)
    for (let i = 0; i < whole; i++) {
      const content = group.contents[i]
      if (content?.kind !== RECORD) continue
      segment.records += 1
      segment.oldestMs ??= content.endedMs
    }
    return whole
  }

  #rotate(): boolean {
    const path = join(this.#directory, `${String(++this.#created).padStart(8, "0")}${SEGMENT_SUFFIX}`)
    const previous = { file: this.#file, growing: this.#growing }
    try {
      this.#file = this.#disk.create(path)
    } catch (cause) {
      return this.#failed(cause)
    }
    const next = makeSegment(path)
    this.segments.push(next)
    this.#growing = next
    if (
      this.#write(next, SEGMENT_HEADER, [SEGMENT_HEADER.length]) === 1 &&
      this.#begin(next, previous.growing)
    ) {
      if (previous.file !== undefined) syncAndClose(previous.file)
      return true
    }
    if (this.#file !== undefined) close(this.#file)
    this.segments.pop()
    this.bytes -= next.size
    this.#file = previous.file
    this.#growing = previous.growing
    try {
      unlinkSync(path)
    } catch {
      // Holds nothing that another segment does not hold.
    }
    return false
  }

  /** Says in a new segment how many records the one before has, and carries the open intents over. */
  #begin(segment: Segment, previous: Segment | undefined): boolean {
    const group = new FrameGroup()
    if (previous !== undefined) {
      group.add({ kind: PREVIOUS, id: basename(previous.path), line: String(previous.records) })
    }
    const written = () => this.#put(segment, group) === group.ends.length
    for (const { id, line } of this.#openIntents()) {
      const content = { kind: INTENT, id, line } as const
      if (group.add(content)) continue
      if (!written()) return false
      group.clear()
      group.add(content)
    }
    return written()
  }

  /** Writes frames that end where it is said, and returns how many of them are in the file. */
  #write(segment: Segment, bytes: Buffer, ends: ReadonlyArray<number>): number {
    const file = this.#file
    if (file === undefined) return 0
    let written = 0
    try {
      while (written < bytes.length) {
        const more = this.#disk.write(file, bytes, written, bytes.length - written, segment.size + written)
        if (more === 0) throw new Error("nothing written")
        written += more
      }
    } catch (cause) {
      this.#failed(cause)
    }
    const whole = written === bytes.length ? ends.length : ends.filter((end) => end <= written).length
    const size = ends[whole - 1] ?? 0
    segment.size += size
    this.bytes += size
    this.#dirty = true
    if (whole < ends.length) this.#cutBack(file, segment)
    return whole
  }

  #cutBack(file: number, segment: Segment): void {
    try {
      this.#disk.truncate(file, segment.size)
    } catch {
      close(file)
      this.#file = undefined
    }
  }

  #failed(cause: unknown): false {
    this.fault = codeOf(cause)
    this.#pausedUntil = this.#now() + PAUSE_MS
    return false
  }
}

const syncAndClose = (file: number) => fdatasync(file, () => close(file))
