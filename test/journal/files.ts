import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { RequestId } from "../../src/domain/Ids.ts"
import { encodeFrame, type Kind, RECORD, SEGMENT_HEADER } from "../../src/journal/frame.ts"
import { inherit } from "../../src/journal/inheritance.ts"
import type { Inheritance, Journal } from "../../src/journal/Journal.ts"
import type { LedgerEntry } from "../../src/ledger/ledger-entry.ts"

/** Journals as they lie on the disk. */

export const entry = (id: string, line = `{"id":"${id}"}`): LedgerEntry => ({ id: RequestId.make(id), line })

export const frame = (id: string, line: string, kind: Kind = RECORD): Buffer =>
  Buffer.from(encodeFrame(kind, id, line) ?? [])

export const segmentOf = (frames: ReadonlyArray<Buffer>): Buffer => Buffer.concat([SEGMENT_HEADER, ...frames])

export const scratchDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-journal-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

/** What the next process gets from segments that a dead one left, oldest first. */
export const inheritSegments = Effect.fnUntraced(function* (root: string, segments: ReadonlyArray<Buffer>) {
  const path = join(root, "dead")
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path)
  for (const [i, bytes] of segments.entries()) writeFileSync(join(path, `0000000${i + 1}.gwj1`), bytes)
  return yield* inheritedFrom(path)
})

const inheritedFrom = Effect.fnUntraced(function* (path: string) {
  const inheritance = yield* inherit({ path, release: Effect.void })
  if (inheritance === undefined) return yield* Effect.die(new Error("not readable"))
  const entries = yield* drain(inheritance)
  return { entries, lost: inheritance.lost, inheritance }
})

/** Takes and acknowledges everything. */
export const drain = Effect.fnUntraced(function* ({ queue }: Pick<Inheritance, "queue">) {
  const entries: Array<LedgerEntry> = []
  while (queue.taken() > queue.settled()) {
    const batch = yield* queue.peek(3)
    entries.push(...batch)
    yield* queue.acknowledge
    if (batch.length === 0) break
  }
  return entries
})

/** What another process would find if this one died now. */
export const afterCrash = Effect.fnUntraced(function* (journalDirectory: string) {
  const root = yield* scratchDirectory
  const [name = ""] = readdirSync(journalDirectory)
  cpSync(join(journalDirectory, name), join(root, "dead"), { recursive: true })
  return yield* inheritedFrom(join(root, "dead"))
})

/** The only process directory's segments. */
export const segmentsIn = (journalDirectory: string): ReadonlyArray<Buffer> => {
  const [name = ""] = readdirSync(journalDirectory)
  return readdirSync(join(journalDirectory, name))
    .filter((file) => file.endsWith(".gwj1"))
    .toSorted()
    .map((file) => readFileSync(join(journalDirectory, name, file)))
}

export const takeAll = (journal: Journal) => drain({ queue: journal })
