import { rmSync } from "node:fs"
import { Clock, Effect, Schedule, type Scope } from "effect"
import { INTENT, RECORD } from "./frame.ts"
import { GroupCommit } from "./GroupCommit.ts"
import type { Done, Entry, Journal, Orphan, Refusal } from "./Journal.ts"
import type { FrameContent } from "./payload.ts"
import {
  claimDirectory,
  claimOrphanDirectory,
  type JournalUnusable,
  type OwnedDirectory,
  removeDirectory,
} from "./process-directory.ts"
import { recoverOrphan } from "./recover-orphan.ts"
import { SegmentQueue } from "./SegmentQueue.ts"
import { type JournalDisk, realDisk, SegmentWriter } from "./SegmentWriter.ts"

const SEGMENT_BYTES = 8 * 1024 * 1024

/** A loss of power may take what was written since; the death of the process takes nothing. */
const SYNC_INTERVAL = "1 second"

/** Above what a process can have in flight. More are not noted: their calls leave no trace if the process dies. */
const MAX_OPEN_REQUESTS = 100_000

export interface FileJournalOptions {
  /** The directory of all processes that share it. */
  readonly directory: string
  readonly maxBytes: number
  readonly segmentBytes?: number
  readonly disk?: JournalDisk
}

/** A journal that the death of the process does not touch. One that is empty leaves nothing behind. */
export class FileJournal implements Journal {
  readonly #directory: string
  readonly #maxBytes: number
  readonly #own: OwnedDirectory
  readonly #writer: SegmentWriter
  readonly #commit: GroupCommit
  readonly #queue: SegmentQueue
  /** Intents of requests that have no record yet, by request. */
  readonly #intents = new Map<string, Array<string>>()
  readonly #orphanBytes = new Set<() => number>()
  /** Dead processes' directories that could not be read in this round of recovery. */
  readonly #unreadable = new Set<string>()
  #appended = 0
  #isLeft = false

  /** Opens a journal in a directory of its own, which is closed with the scope. */
  static readonly open = (
    options: FileJournalOptions,
  ): Effect.Effect<FileJournal, JournalUnusable, Scope.Scope> =>
    Effect.gen(function* () {
      const own = yield* claimDirectory(options.directory)
      const journal = new FileJournal(options, own, yield* Clock.Clock)
      yield* journal.#syncToDisk.pipe(Effect.repeat(Schedule.spaced(SYNC_INTERVAL)), Effect.forkScoped)
      yield* Effect.addFinalizer(() => journal.#close)
      return journal
    })

  private constructor(options: FileJournalOptions, own: OwnedDirectory, clock: Clock.Clock) {
    this.#directory = options.directory
    this.#maxBytes = options.maxBytes
    this.#own = own
    this.#writer = new SegmentWriter({
      directory: own.path,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      openIntents: () => this.#openIntents(),
      now: () => clock.currentTimeMillisUnsafe(),
      disk: options.disk ?? realDisk,
    })
    this.#commit = new GroupCommit(this.#writer, (content) => this.#written(content))
    this.#queue = new SegmentQueue({
      segments: this.#writer.segments,
      appended: () => this.#appended,
      active: () => this.#writer.active,
      onDrained: () => {
        if (this.#intents.size === 0) this.#writer.reset()
      },
      onRemoved: ({ size }) => {
        this.#writer.bytes -= size
      },
    })
    this.peek = this.#queue.peek
    this.acknowledge = this.#queue.acknowledge
  }

  get name(): string {
    return this.#own.name
  }
  readonly peek: Journal["peek"]
  readonly acknowledge: Journal["acknowledge"]
  readonly appended = (): number => this.#appended
  readonly acknowledged = (): number => this.#queue.acknowledged()
  readonly oldestMs = (): number | undefined => this.#queue.oldestMs()
  readonly durable = true
  readonly fault = (): string | undefined => this.#writer.fault

  readonly append = (entry: Entry, done: Done): void => {
    if (this.#hasRoomFor(entry.line)) this.#append(recordOf(entry), done)
    else done("journal_full")
  }

  readonly appendNow = (entry: Entry): Refusal | undefined =>
    this.#hasRoomFor(entry.line) ? this.#appendNow(entry) : "journal_full"

  readonly forceAppend = (entry: Entry): Refusal | undefined => {
    this.#writer.resume()
    return this.#appendNow(entry)
  }

  readonly recordIntent = (id: string, line: string, done: Done): void => {
    const tracked = this.#intents.has(id) || this.#intents.size < MAX_OPEN_REQUESTS
    if (tracked && this.#hasRoomFor(line)) this.#append({ kind: INTENT, id, endedMs: undefined, line }, done)
    else done("journal_full")
  }

  readonly release = (id: string): void => {
    const lines = this.#intents.get(id)
    if (lines === undefined) return
    // A former table of the map may keep it for long.
    lines.length = 0
    this.#intents.delete(id)
  }

  readonly leave = (): void => {
    this.#isLeft = true
  }

  readonly flush = (): void => this.#commit.flush()

  readonly bytes = (): number => {
    let sum = this.#writer.bytes + this.#commit.bytes
    for (const more of this.#orphanBytes) sum += more()
    return sum
  }

  readonly recoverOrphan: Journal["recoverOrphan"] = Effect.gen({ self: this }, function* () {
    const wanted = (path: string) => path !== this.#own.path && !this.#unreadable.has(path)
    for (;;) {
      const dead = yield* claimOrphanDirectory(this.#directory, wanted)
      if (dead === undefined) {
        this.#unreadable.clear()
        return undefined
      }
      const orphan = yield* recoverOrphan(dead)
      if (orphan !== undefined) return this.#counted(orphan)
      this.#unreadable.add(dead.path)
    }
  })

  /** Counts an orphan's bytes towards the cap until it is removed. */
  #counted(orphan: Orphan): Orphan {
    const { bytes, remove } = orphan
    this.#orphanBytes.add(bytes)
    const forget = Effect.sync(() => this.#orphanBytes.delete(bytes))
    return { ...orphan, remove: Effect.andThen(forget, remove) }
  }

  #hasRoomFor(line: string): boolean {
    return this.bytes() + line.length <= this.#maxBytes
  }

  /** Writes at once for a request that is alone in the process: no other would share its write. */
  #append(content: FrameContent, done: Done): void {
    const others = this.#intents.size - (this.#intents.has(content.id) ? 1 : 0)
    if (others > 0 || this.#commit.bytes > 0) this.#commit.append(content, done)
    else done(this.#commit.appendNow(content) ? undefined : "disk")
  }

  #appendNow(entry: Entry): Refusal | undefined {
    return this.#commit.appendNow(recordOf(entry)) ? undefined : "disk"
  }

  #written({ kind, id, line }: FrameContent): void {
    if (kind === RECORD) {
      this.#appended += 1
      this.release(id)
      return
    }
    const known = this.#intents.get(id)
    if (known === undefined) this.#intents.set(id, [line])
    else known.push(line)
  }

  *#openIntents(): Generator<{ readonly id: string; readonly line: string }> {
    for (const [id, lines] of this.#intents) for (const line of lines) yield { id, line }
  }

  readonly #syncToDisk = Effect.callback<void>((resume) => this.#writer.sync(() => resume(Effect.void)))

  readonly #close = Effect.suspend(() => {
    this.flush()
    this.#queue.closeFile()
    const leftovers = this.#isLeft || this.#appended > this.acknowledged() || this.#intents.size > 0
    if (leftovers) this.#writer.markEnd()
    this.#writer.close()
    if (leftovers) return this.#own.release
    for (const { path } of this.#writer.segments) rmSync(path, { force: true })
    return removeDirectory(this.#own)
  })
}

const recordOf = ({ id, endedMs, line }: Entry): FrameContent => ({ kind: RECORD, id, endedMs, line })
