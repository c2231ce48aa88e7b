import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { Effect, type Scope } from "effect"
import { FrameGroup } from "../../src/journal/FrameGroup.ts"
import { FRAME_BYTES, frameAt, type Kind, RECORD, sealFrame } from "../../src/journal/frame.ts"
import { type Entry, type EntryQueue, type Journal, type Refusal, sizeOf } from "../../src/journal/Journal.ts"
import { SEGMENT_HEADER } from "../../src/journal/payload.ts"
import { recoverOrphan } from "../../src/journal/recover-orphan.ts"
import { type JournalDisk, realDisk } from "../../src/journal/SegmentWriter.ts"
import type { AttemptIntent } from "../../src/ledger/LedgerRecord.ts"
import { intentLine, lostRequest } from "../../src/ledger/lost-request.ts"

/** Journals as they lie on the disk. */

export const entry = (id: string, line = `{"id":"${id}"}`, endedMs = 1_000): Entry => ({ id, endedMs, line })

export const frame = ({ id, line, endedMs }: Entry, kind: Kind = RECORD): Buffer => {
  const group = new FrameGroup()
  group.add({ kind, id, endedMs, line })
  group.seal(0)
  return group.bytes
}

/** Records an intent and ends the turn. */
export const recordIntent = (journal: Journal, intent: AttemptIntent): Refusal | undefined => {
  let refused: Refusal | undefined
  journal.recordIntent(intent.id, intentLine(intent), (refusal) => {
    refused = refusal
  })
  journal.flush()
  return refused
}

/** Makes a segment of frames, numbered as they come; what is no frame stays as it is. */
export const segmentOf = (frames: ReadonlyArray<Buffer>): Buffer => {
  let records = 0
  const numbered = frames.map((bytes) => {
    const frame = frameAt(bytes, 0, bytes.length, 3)
    if (typeof frame === "string") return bytes
    if (frame.kind === RECORD) records += 1
    const copy = Buffer.from(bytes)
    sealFrame(copy, frame.kind, records, FRAME_BYTES, copy.length)
    return copy
  })
  return Buffer.concat([SEGMENT_HEADER, ...numbered])
}

export const scratchDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-journal-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

/** Returns what the next process gets from segments that a dead one left, oldest first. */
export const recoverSegments = Effect.fnUntraced(function* (root: string, segments: ReadonlyArray<Buffer>) {
  const path = join(root, "dead")
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path)
  for (const [i, bytes] of segments.entries()) writeFileSync(join(path, `0000000${i + 1}.gwj3`), bytes)
  return yield* recoveredFrom(path)
})

export const recoveredFrom = Effect.fnUntraced(function* (path: string) {
  const orphan = yield* recoverOrphan({ path, name: basename(path), release: Effect.void })
  if (orphan === undefined) return yield* Effect.die(new Error("not readable"))
  const entries = yield* drain(orphan)
  return { entries, lost: orphan.unfinished.flatMap((intents) => lostRequest(intents) ?? []), orphan }
})

/** Takes and acknowledges everything. */
export const drain = Effect.fnUntraced(function* ({ queue }: { readonly queue: EntryQueue }) {
  const entries: Array<Entry> = []
  while (sizeOf(queue) > 0) {
    const batch = yield* queue.peek(3)
    entries.push(...batch)
    yield* queue.acknowledge
    if (batch.length === 0) break
  }
  return entries
})

/** Returns what another process would find if this one died now. */
export const afterCrash = Effect.fnUntraced(function* (journalDirectory: string) {
  const root = yield* scratchDirectory
  const [name = ""] = readdirSync(journalDirectory)
  cpSync(join(journalDirectory, name), join(root, "dead"), { recursive: true })
  return yield* recoveredFrom(join(root, "dead"))
})

/** Bytes of the only process directory's segments. */
export const segmentsIn = (journalDirectory: string): ReadonlyArray<Buffer> => {
  const [name = ""] = readdirSync(journalDirectory)
  return readdirSync(join(journalDirectory, name))
    .filter((file) => file.endsWith(".gwj3"))
    .toSorted()
    .map((file) => readFileSync(join(journalDirectory, name, file)))
}

export const takeAll = (journal: Journal) => drain({ queue: journal })

/** Makes a disk that counts its writes, has so much room, takes so many bytes at a time, and may refuse to be cut. */
export const makeDisk = ({ room = 1e9, piece = 1e9 } = {}) => {
  const state = { room, piece, stuck: false, writes: 0 }
  const full = () => Object.assign(new Error("full"), { code: "ENOSPC" })
  const disk: JournalDisk = {
    create: (path) => {
      if (state.room <= 0) throw full()
      return realDisk.create(path)
    },
    write: (file, bytes, offset, length, position) => {
      state.writes += 1
      const fits = Math.min(length, state.room, state.piece)
      if (fits <= 0) throw full()
      state.room -= fits
      return realDisk.write(file, bytes, offset, fits, position)
    },
    truncate: (file, size) => {
      if (state.stuck) throw Object.assign(new Error("stuck"), { code: "EIO" })
      realDisk.truncate(file, size)
    },
  }
  return { state, disk }
}
